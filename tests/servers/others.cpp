#include "tests/servers/others.h"

#include <stdexcept>

namespace quartet::suite {
namespace {

std::string worker_of(TestClient& client) {
  return client.exchange(get("/healthz", {"Quartet-Worker: ?"})).header("Quartet-Worker");
}

}  // namespace

std::pair<TestClient, TestClient> two_clients(const ServerProcess& server, bool same_worker) {
  TestClient first(server);
  const auto worker = worker_of(first);
  for (int attempts = 0; attempts < 8; ++attempts) {
    TestClient second(server);
    if ((worker_of(second) == worker) == same_worker) return {std::move(first), std::move(second)};
  }
  throw std::runtime_error("clients have the same worker always, or never");
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
  for (int i = 0; i < kConnected; ++i) {
    const auto answer = connected_.emplace_back(server_).exchange(request_);
    EXPECT_EQ(answer.status, 200);
    body_ = answer.body;
  }
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
