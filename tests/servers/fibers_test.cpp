// Threads in user space: who runs next is the scheduler's choice, and a stack is as large as it was asked
// for.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/servers/configuration.h"
#include "tests/servers/exchanges.h"

namespace quartet::suite {
namespace {

ServerProcess start_fibers(std::vector<std::string> options) {
  options.insert(options.begin(), {"--listen", "127.0.0.1:0"});
  return ServerProcess(server_command("quartet-fibers", options));
}

bool sanitized() {
  const auto& all = every_configuration();
  return std::ranges::any_of(all, [](const auto& each) { return !each.sanitizers.empty(); });
}

constexpr const char* kLong = "/cpu?units=60000";  // a second or so
constexpr const char* kShort = "/cpu?units=1";

/// Whether a request that comes later is answered while the earlier one still runs.
bool overtakes(const ServerProcess& server, const std::string& earlier, const std::string& later) {
  TestClient first(server), second(server);
  second.get("/plaintext");
  first.send(get(earlier));
  server.await_taken();
  second.send(get(later));
  EXPECT_EQ(second.read_answer().status, 200);
  return !first.readable(0ms);
}

TEST(FibersTest, RunARequestToItsEndUnderFifo) { EXPECT_FALSE(overtakes(start_fibers({}), kLong, kShort)); }

TEST(FibersTest, LetAShortRequestOvertakeALongOneUnderTheOtherPolicies) {
  for (const auto* policy : {"lifo", "mlfq"})
    EXPECT_TRUE(overtakes(start_fibers({"--scheduler", policy}), kLong, kShort)) << policy;
}

TEST(FibersTest, RunTheEarlierDeadlineFirstUnderEdf) {
  const auto start_edf = [] { return start_fibers({"--scheduler", "edf"}); };
  const std::string in_a_minute = std::string(kLong) + "&deadline_ms=60000";
  const std::string at_once = std::string(kLong) + "&deadline_ms=1";
  EXPECT_TRUE(overtakes(start_edf(), in_a_minute, "/cpu?units=100&deadline_ms=1000"));
  EXPECT_FALSE(overtakes(start_edf(), at_once, "/cpu?units=100&deadline_ms=60000"));
  EXPECT_TRUE(overtakes(start_edf(), kLong, "/cpu?units=100&deadline_ms=60000")) << "it has none";
}

TEST(FibersTest, NeverGiveWayWithoutPreemption) {
  EXPECT_FALSE(overtakes(start_fibers({"--scheduler", "mlfq", "--preempt", "off"}), kLong, kShort));
}

TEST(FibersTest, TwoKernelThreadsRunTwoRequestsAtATime) {
  EXPECT_TRUE(overtakes(start_fibers({"--workers", "2"}), kLong, kShort));
}

TEST(FibersTest, ABlockedKernelThreadIsNoneOfTheOthersBusiness) {
  const auto server = start_fibers({"--workers", "2"});
  std::vector<TestClient> others;
  for (int i = 0; i < 8; ++i) others.emplace_back(server).get("/plaintext");
  TestClient blocked(server);
  blocked.send(get("/block?ms=60000"));
  server.await_taken();
  for (TestClient& other : others) EXPECT_EQ(other.get("/sleep?ms=1").status, 200);
  EXPECT_EQ(TestClient(server).get("/plaintext").status, 200);
}

TEST(FibersTest, ASuspendedHandlerIsCountedAsRunningAndIsNotShownInHand) {
  const auto server = start_fibers({"--scheduler", "lifo"});
  TestClient slow(server), other(server);
  other.get("/plaintext");
  slow.send(get(kLong));
  server.await_taken();
  const auto stats = nlohmann::json::parse(other.get("/stats").body);
  EXPECT_EQ(stats["totals"]["gauges"]["running"], 2);
  EXPECT_EQ(stats["workers"][0]["in_hand"]["request"], "GET /stats");
}

TEST(FibersTest, MovedConnectionsAreCountedOnce) {
  const auto server = start_fibers({"--workers", "3"});
  std::vector<TestClient> clients;
  for (int i = 0; i < 20; ++i) clients.emplace_back(server);
  for (int round = 0; round < 20; ++round) {
    for (TestClient& client : clients) client.send(get("/plaintext"));
    for (TestClient& client : clients) EXPECT_EQ(client.read_answer().status, 200);
  }
  const auto gauges = [&] {
    return nlohmann::json::parse(clients.front().get("/stats").body)["totals"]["gauges"];
  };
  EXPECT_TRUE(eventually([&] { return gauges()["idle"] == 19 && gauges()["running"] == 1; })) << gauges();
}

TEST(FibersTest, AResetThatComesWithTheRequestEndsItsSleep) {
  const auto server = start_fibers({});
  for (int i = 0; i < 20; ++i) {
    TestClient client(server);
    client.get("/plaintext");
    client.send(get("/sleep?ms=60000"));
    client.reset();
  }
  TestClient observer(server);
  EXPECT_TRUE(eventually([&] {
    const auto stats = nlohmann::json::parse(observer.get("/stats").body);
    return stats["totals"]["gauges"]["sleeping"] == 0 && stats["totals"]["gauges"]["idle"] == 0;
  }));
}

TEST(FibersTest, AStackIsAsLargeAsItWasAskedFor) {
  // A sanitizer's frames are larger.
  const std::vector<std::string> sizes = sanitized() ? std::vector<std::string>{"128", "1024"}
                                                     : std::vector<std::string>{"16", "17", "64", "1024"};
  for (const auto& size : sizes) {
    const auto server = start_fibers({"--stack-size", size});
    TestClient client(server);
    for (const auto* path : {"/", "/stats", "/layout", "/bytes?n=100000", "/stream?chunks=2&interval_ms=1"})
      EXPECT_EQ(client.get(path).status, 200) << path << " on " << size;
  }
}

TEST(FibersTest, WrongSizesArePointedOut) {
  const auto outcome = run(server_command("quartet-fibers", {"--stack-size", "15"}));
  EXPECT_EQ(outcome.ending, exited(2));
  EXPECT_EQ(outcome.err, "quartet-fibers: --stack-size: \"15\" is not a whole number from 16 to 65536\n");
}

TEST(FibersTest, AGuardPageEndsTheServerWhereAStackOverflows) {
  auto server = start_fibers({"--enable-faults"});
  TestClient other(server), faulty(server);
  other.get("/plaintext");
  faulty.send(request("POST", "/fault/stack-overflow"));
  EXPECT_EQ(server.wait_exit(), killed_by(SIGSEGV));
}

/// Each client sleeps on a stack of its own; the faulty one's lies above those that came after it.
TEST(FibersTest, WithoutAGuardPageAnOverflowReachesTheNeighboursFirst) {
  auto server = start_fibers({"--enable-faults", "--guard-page", "off"});
  TestClient faulty(server);
  faulty.get("/plaintext");
  TestClient neighbour(server);
  neighbour.get("/plaintext");
  const auto answer = faulty.exchange(request("POST", "/fault/stack-jump"));
  EXPECT_TRUE(has(answer.body, "below the guard of 0")) << answer.body;
  EXPECT_TRUE(server.running()) << "nobody has noticed yet";
  neighbour.send(get("/plaintext"));
  const auto bytes = neighbour.read_to_end().bytes;
  EXPECT_FALSE(bytes.starts_with("HTTP/1.1 200 OK")) << bytes;
  server.wait_exit();
}

}  // namespace
}  // namespace quartet::suite
