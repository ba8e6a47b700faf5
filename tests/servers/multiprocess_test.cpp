// Two processes with a loop each: what one of them costs the clients of the other, and who waits for it.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/servers/process_table.h"
#include "tests/servers/server_process.h"
#include "tests/servers/test_client.h"
#include "tests/servers/text.h"

namespace quartet::suite {
namespace {

using json = nlohmann::json;
using Pids = std::set<pid_t>;

Pids workers_of(const ServerProcess& server) {
  const auto children = server.children();
  return {children.begin(), children.end()};
}

pid_t process_of(TestClient& client) { return json::parse(client.get("/whoami").body)["pid"]; }

void stop(const ServerProcess& server, const Pids& workers) {
  for (const pid_t worker : workers) kill(worker, SIGSTOP);
  const bool stopped = eventually([&] {
    return std::ranges::all_of(session_members(server.pid()), [&](const ProcessEntry& member) {
      return !workers.contains(member.pid) || member.stopped();
    });
  });
  if (!stopped) throw std::runtime_error("a worker does not stop");
}

/// A client of another worker than that, which stands still meanwhile: of two idle workers Linux often wakes
/// the same one for every client.
TestClient client_beside(const ServerProcess& server, pid_t worker) {
  stop(server, {worker});
  std::vector<TestClient> clients;  // a socket of its own may have got the earlier ones
  const bool answered = eventually([&] {
    clients.emplace_back(server).send(get("/whoami"));
    return clients.back().readable(200ms);
  });
  kill(worker, SIGCONT);
  if (!answered) throw std::runtime_error("no other worker answers");
  clients.back().read_answer();
  return std::move(clients.back());
}

std::vector<TestClient> queue_up(const ServerProcess& server, int clients) {
  std::vector<TestClient> asking;
  for (int i = 0; i < clients; ++i)
    asking.emplace_back(server).send(get("/plaintext", {"Connection: close"}));
  return asking;
}

void expect_answers(std::vector<TestClient>& clients) {
  for (auto& client : clients) EXPECT_EQ(client.read_answer().body, "Hello, World!");
}

/// In both listen modes.
class MultiprocessTest : public testing::TestWithParam<const char*> {
 protected:
  static Command command(std::vector<std::string> options, const std::string& host = "127.0.0.1") {
    options.insert(options.begin(), {"--listen", host + ":0", "--listen-mode", GetParam()});
    options.insert(options.end(), {"--keep-alive-timeout", "60s"});
    return server_command("quartet-multiprocess", options);
  }
  static ServerProcess start(const std::vector<std::string>& options = {}) {
    return ServerProcess(command(options));
  }
  static bool shared() { return std::string_view(GetParam()) == "shared"; }
};
INSTANTIATE_TEST_SUITE_P(Each, MultiprocessTest, testing::Values("shared", "reuseport"),
                         [](const auto& mode) { return std::string(mode.param); });

TEST_P(MultiprocessTest, EveryWorkerTakesClients) {
  const auto server = start();
  Pids found;
  std::vector<TestClient> clients;
  EXPECT_TRUE(eventually([&] {
    found.insert(process_of(clients.emplace_back(server)));
    clients.back().send(get("/block?ms=50"));  // leaves the next client to the other one
    return found.size() == 2;
  }));
}

TEST_P(MultiprocessTest, NoOtherServerGetsThePort) {
  const auto server = start();
  auto second = command({});
  second.arguments[1] = "127.0.0.1:" + std::to_string(server.port());
  const auto result = run(second);
  EXPECT_EQ(result.ending, exited(1));
  EXPECT_NE(result.err.find("Address already in use"), std::string::npos) << result.err;
}

TEST(ReuseportTest, ABusyWorkerHasNewcomersInAQueueOfItsOwn) {
  const ServerProcess server(
      server_command("quartet-multiprocess", {"--listen", "127.0.0.1:0", "--listen-mode", "reuseport"}));
  TestClient busy(server);
  busy.send(get("/block?ms=60000"));
  server.await_taken();
  auto newcomers = queue_up(server, 40);  // dealt out by a hash
  const auto is_served = [](auto& client) { return client.readable(0ms); };
  const auto waiting = [&] { return port_queues(server.port()).unaccepted; };
  const auto served = [&] { return static_cast<std::size_t>(std::ranges::count_if(newcomers, is_served)); };
  EXPECT_TRUE(eventually([&] { return served() + waiting() == newcomers.size(); }));
  EXPECT_GT(served(), 0U);
  EXPECT_GT(waiting(), 0U);
}

TEST_P(MultiprocessTest, ABlockedWorkerDelaysOnlyItsOwnClients) {
  const auto server = start();
  TestClient blocker(server);
  auto other = client_beside(server, process_of(blocker));
  server.await_taken();
  blocker.send(get("/block?ms=60000"));
  server.await_taken();
  EXPECT_EQ(other.get("/plaintext").status, 200);
  if (!shared()) return;  // there newcomers may be dealt out to it
  auto newcomers = queue_up(server, 20);
  expect_answers(newcomers);
}

TEST_P(MultiprocessTest, ACrashCostsTheClientsOfOneWorkerWhichIsReplaced) {
  const auto server = start();
  for (int crash = 0; crash < 3; ++crash) {
    TestClient faulty(server);
    const auto dead = process_of(faulty);
    auto other = client_beside(server, dead);
    const auto survivor = process_of(other);
    kill(dead, SIGABRT);
    EXPECT_NE(faulty.read_to_end().end, End::none);
    EXPECT_EQ(process_of(other), survivor);
    auto next = client_beside(server, survivor);
    EXPECT_NE(process_of(next), dead);
  }
  TestClient client(server);
  const auto stats = json::parse(client.get("/stats").body);
  EXPECT_EQ(stats["workers"].size(), 2U);  // each has taken the slot of a dead one
  Pids shown;
  for (const auto& worker : stats["workers"]) shown.insert(worker["pid"].get<pid_t>());
  EXPECT_EQ(shown, workers_of(server));
  EXPECT_EQ(stats["server"]["deaths"], 3);
  EXPECT_EQ(stats["server"]["replaced"], 3);
}

TEST_P(MultiprocessTest, TheQueuesOfDeadWorkersWaitForTheNextOnes) {
  const auto server = start();
  const auto before = workers_of(server);
  stop(server, before);
  auto clients = queue_up(server, 20);
  for (const pid_t worker : before) kill(worker, SIGKILL);
  expect_answers(clients);
}

TEST_P(MultiprocessTest, ADrainAnswersTheQueuesOfHungWorkersAndRefusesNewcomers) {
  auto server = start({"--drain-timeout", "1s"});
  stop(server, workers_of(server));
  auto clients = queue_up(server, 20);
  server.signal(SIGTERM);
  expect_answers(clients);
  EXPECT_TRUE(refuses(server.endpoint()));
  EXPECT_EQ(server.wait_exit(), exited(3));  // the workers were killed
  EXPECT_EQ(server.processes(), std::vector<pid_t>());
}

TEST_P(MultiprocessTest, OrphansAnswerTheirQueuesAndFreeThePort) {
  auto server = start();
  TestClient first(server);
  auto second = client_beside(server, process_of(first));
  server.await_taken();
  for (auto* busy : {&first, &second}) busy->send(get("/block?ms=3000", {"Connection: close"}));
  server.await_taken();
  auto clients = queue_up(server, 20);
  server.signal(SIGKILL);
  EXPECT_TRUE(eventually([&] { return refuses(server.endpoint()); }));
  EXPECT_FALSE(first.readable(0ms)) << "it was not refused before the workers had time";
  for (auto* busy : {&first, &second}) EXPECT_EQ(busy->read_answer().status, 200);
  expect_answers(clients);
  EXPECT_TRUE(eventually([&] { return server.processes().empty(); }));
}

TEST_P(MultiprocessTest, OrphansThatServeGoOnBoth) {
  auto server = start({"--orphans", "serve"});
  const auto before = workers_of(server);
  server.signal(SIGKILL);
  server.wait_exit();
  TestClient first(server);
  auto second = client_beside(server, process_of(first));
  EXPECT_EQ((Pids{process_of(first), process_of(second)}), before);
}

TEST_P(MultiprocessTest, EveryPlaceOfTheLimitIsGiven) {
  if (!shared()) GTEST_SKIP() << "the kernel deals clients out also to a worker that is full";
  const auto server = start({"--max-connections", "5"});
  std::vector<TestClient> clients;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(clients.emplace_back(server).get("/plaintext").status, 200);
  TestClient waiting(server);
  waiting.send(get("/plaintext"));
  const auto before = server.cpu_time();
  EXPECT_TRUE(waiting.silent_for(1s));
  EXPECT_LT(server.cpu_time() - before, 300ms);
  clients.erase(clients.begin() + 2);
  EXPECT_EQ(waiting.read_answer().status, 200);
}

TEST_P(MultiprocessTest, AClientBeyondTheLimitOfItsWorkerWaits) {
  const auto server = start({"--max-connections", "1", "--workers", "8"});
  EXPECT_EQ(workers_of(server).size(), 1U);
  TestClient first(server), second(server);
  first.get("/plaintext");
  second.send(get("/plaintext"));
  EXPECT_TRUE(second.silent_for(300ms));
  first.close();
  EXPECT_EQ(second.read_answer().status, 200);
}

TEST_P(MultiprocessTest, AWorkerMayServeASingleRequest) {
  auto server = start({"--max-requests-per-worker", "1"});
  Pids workers;
  for (int i = 0; i < 20; ++i) {
    TestClient client(server);
    workers.insert(process_of(client));
  }
  EXPECT_EQ(workers.size(), 20U);
  EXPECT_EQ(server.err(), "");
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait_exit(), exited(0));
}

TEST_P(MultiprocessTest, ADrainEndsARetirementThatTakesLong) {
  auto server = start({"--max-requests-per-worker", "2", "--drain-timeout", "300ms"});
  TestClient last(server);
  const auto retiring = process_of(last);
  last.send(get("/sleep?ms=60000"));
  auto other = client_beside(server, retiring);
  EXPECT_NE(process_of(other), retiring);
  const auto before = server.cpu_time();
  EXPECT_TRUE(last.silent_for(1s));
  EXPECT_LT(server.cpu_time() - before, 300ms);
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait_exit(), exited(3));
  EXPECT_NE(server.err().find("1 connection cut"), std::string::npos) << server.err();
}

TEST_P(MultiprocessTest, TooFewDescriptorsAreOneSentenceAtTheStart) {
  for (rlim_t descriptors = 4;; ++descriptors) {
    auto few = command({});
    few.descriptors = descriptors;
    ChildProcess server(few);
    EXPECT_TRUE(eventually([&] { return server.out().ends_with('\n') || !server.running(); }));
    if (server.running()) break;
    const auto ending = server.wait_exit();
    if (ending == exited(127)) continue;  // a test runner's own take the place of what the loader needs
    EXPECT_EQ(ending, exited(1)) << descriptors << " descriptors";
    EXPECT_EQ(count_lines(server.err()), 1U) << server.err();
    EXPECT_TRUE(eventually([&] { return server.processes().empty(); }));
    if (descriptors == 100) FAIL() << "it never starts";
  }
}

TEST_P(MultiprocessTest, ServesOverIpv6) {
  ServerProcess server(command({}, "[::1]"));
  auto clients = queue_up(server, 20);
  expect_answers(clients);
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait_exit(), exited(0));
  EXPECT_TRUE(refuses(server.endpoint()));
}

}  // namespace
}  // namespace quartet::suite
