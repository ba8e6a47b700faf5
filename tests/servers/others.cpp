#include "tests/servers/others.h"

#include <algorithm>
#include <csignal>
#include <stdexcept>

#include "tests/servers/process_table.h"

namespace quartet::suite {
namespace {

/// PID/SLOT
std::string slot_and_process_of(TestClient& client) {
  return client.exchange(get("/healthz", {"Quartet-Worker: ?"})).header("Quartet-Worker");
}

/// Worker processes that stand still while it lives, and leave newcomers to the others: of two idle ones
/// Linux often wakes the same for every client.
class Standstill {
 public:
  Standstill(const ServerProcess& server, std::vector<pid_t> workers) : workers_(std::move(workers)) {
    for (const pid_t worker : workers_) kill(worker, SIGSTOP);
    const auto still = [&](const ProcessEntry& member) {
      return member.stopped() || std::ranges::find(workers_, member.pid) == workers_.end();
    };
    EXPECT_TRUE(eventually([&] { return std::ranges::all_of(session_members(server.pid()), still); }));
  }
  ~Standstill() {
    for (const pid_t worker : workers_) kill(worker, SIGCONT);
  }
  Standstill(const Standstill&) = delete;
  Standstill& operator=(const Standstill&) = delete;

 private:
  std::vector<pid_t> workers_;
};

}  // namespace

TestClient another_client(const ServerProcess& server, TestClient& first, bool same_worker) {
  const auto worker = slot_and_process_of(first);
  auto unwanted = server.children();
  std::erase_if(unwanted, [&](pid_t each) { return (each == std::stoi(worker)) == same_worker; });
  const Standstill rest(server, unwanted);
  for (int attempts = 0; attempts < 8; ++attempts) {  // several loops of one process take turns
    TestClient second(server);
    if ((slot_and_process_of(second) == worker) == same_worker) return second;
  }
  throw std::runtime_error("clients have the same worker always, or never");
}

std::pair<TestClient, TestClient> two_clients(const ServerProcess& server, bool same_worker) {
  TestClient first(server);
  TestClient second = another_client(server, first, same_worker);
  return {std::move(first), std::move(second)};
}

Command Others::command(const Configuration& configuration, const CatalogueCase& fault, int free_workers,
                        std::vector<std::string> options) {
  for (const auto* timeout : {"--header-timeout", "--keep-alive-timeout", "--write-timeout"})
    options.insert(options.end(), {timeout, "60s"});
  if (configuration.pool())
    options.insert(options.end(), {"--workers", std::to_string(kConnected + free_workers)});
  return fault.command(std::move(options));
}

Others::Others(const ServerProcess& server, const CatalogueCase& fault)
    : server_(server), request_(fault.load()) {
  for (int i = 0; i < kConnected; ++i) connect(TestClient(server_));
}

Others::Others(const ServerProcess& server, const CatalogueCase& fault, TestClient& faulty)
    : server_(server), request_(fault.load()) {
  for (int i = 0; i < kConnected; ++i) connect(another_client(server_, faulty, /*same_worker=*/false));
}

void Others::connect(TestClient client) {
  const auto answer = connected_.emplace_back(std::move(client)).exchange(request_);
  EXPECT_EQ(answer.status, 200);
  body_ = answer.body;
}

void Others::expect_right(const Answer& answer) const {
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, body_);
}

void Others::expect_connected_served() {
  for (auto& each : connected_) {
    if (!asked_) each.send(request_);
    expect_right(each.read_answer());
  }
  asked_ = false;
}

void Others::expect_served() {
  expect_connected_served();
  for (auto& each : in_vain_) {
    expect_right(each.read_answer());
    each.close();  // a pool's worker is for the next one
  }
  in_vain_.clear();
  for (int i = 0; i < 3; ++i) expect_right(TestClient(server_).exchange(request_));
}

void Others::expect_newcomers_starve() {
  for (int i = 0; i < 2; ++i) in_vain_.emplace_back(server_).send(request_);
  for (auto& each : in_vain_) EXPECT_TRUE(each.silent_for(kWatch)) << "a newcomer is answered";
  expect_connected_served();
}

void Others::expect_silence() {
  for (auto& each : connected_) each.send(request_);
  asked_ = true;
  in_vain_.emplace_back(server_).send(request_);
  for (auto& each : connected_) EXPECT_TRUE(each.silent_for(kWatch)) << "somebody is answered";
  for (auto& each : in_vain_) EXPECT_TRUE(each.silent_for(kWatch)) << "a newcomer is answered";
}

void Others::expect_the_end() {
  for (auto& each : connected_) {
    const auto rest = each.read_to_end();
    EXPECT_EQ(rest.bytes, "");
    EXPECT_NE(rest.end, End::none) << "it is still connected";
  }
  EXPECT_TRUE(refuses(server_.endpoint()));
}

}  // namespace quartet::suite
