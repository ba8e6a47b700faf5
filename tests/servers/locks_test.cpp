// Locks: a circle of two that wait, and a lock whose owner is dead.
#include <gtest/gtest.h>

#include "tests/servers/others.h"

namespace quartet::suite {
namespace {

class LocksTest : public ServerTest {
 protected:
  /// The other client is not one of the process that will end, where processes have many.
  static TestClient faulty_beside(const ServerProcess& server, TestClient& other) {
    if (!GetParam().loops_in_processes()) return TestClient(server);
    return another_client(server, other, /*same_worker=*/false);
  }
};
QUARTET_EVERY_CONFIGURATION(LocksTest);

constexpr const char* kOverlap = "ms=1000";  ///< each keeps its first lock for so long

TEST_P(LocksTest, TwoLocksInOppositeOrderHoldUpThoseWhoShareThem) {
  if (GetParam().handlers_in_loop() && !GetParam().several_loops)
    GTEST_SKIP() << "one worker serves everyone";
  const CatalogueCase fault(GetParam(), "deadlock");
  const ServerProcess server(fault.command({"--keep-alive-timeout", "60s"}));
  TestClient other(server);
  auto [first, second] = two_clients(server, /*same_worker=*/GetParam().hands_over);
  const auto posts = fault.posts(kOverlap);
  first.send(posts.at(0));
  second.send(posts.at(1));
  if (GetParam().has_parent) {
    EXPECT_TRUE(fault.expects("nobody none"));
    EXPECT_EQ(first.read_answer().body, "locked a, then b\n");
    EXPECT_EQ(second.read_answer().body, "locked b, then a\n");
    return;
  }
  EXPECT_TRUE(first.silent_for(1s + kWatch));
  EXPECT_TRUE(second.silent_for(kWatch));
  other.send(get("/healthz"));
  if (GetParam().handlers_in_loop()) {
    EXPECT_TRUE(fault.expects("server starved"));
    EXPECT_TRUE(other.silent_for(kWatch));
  } else {
    EXPECT_TRUE(fault.expects("connection none"));
    EXPECT_EQ(other.read_answer().status, 200);
  }
}

TEST_P(LocksTest, OnOneLoopTheyAreTakenOneAfterTheOther) {
  if (!GetParam().handlers_in_loop() || GetParam().threads_share_clients())
    GTEST_SKIP() << "threads or processes take them";
  const CatalogueCase fault(GetParam(), "deadlock");
  const ServerProcess server(fault.command({"--keep-alive-timeout", "60s"}));
  TestClient other(server);
  auto [first, second] = two_clients(server, /*same_worker=*/true);
  const auto posts = fault.posts(kOverlap);
  first.send(posts.at(0));
  second.send(posts.at(1));
  EXPECT_EQ(first.read_answer().body, "locked a, then b\n");
  EXPECT_EQ(second.read_answer().body, "locked b, then a\n");
  EXPECT_EQ(other.get("/healthz").status, 200);
  EXPECT_TRUE(fault.expects("nobody none"));
}

TEST_P(LocksTest, ADeadlockedServerEndsAtTheDrainTimeout) {
  const CatalogueCase fault(GetParam(), "deadlock");
  ServerProcess server(fault.command({"--drain-timeout", "2s"}));
  TestClient first(server), second(server);
  const auto posts = fault.posts("ms=500");
  first.send(posts.at(0));
  second.send(posts.at(1));
  server.await_taken();
  server.signal(SIGTERM);
  server.wait_exit();
  EXPECT_TRUE(eventually([&] { return server.processes().empty(); }));
}

TEST_P(LocksTest, APlainLockStaysWithItsDeadOwnerAndEveryoneWaits) {
  const CatalogueCase fault(GetParam(), "lock-holder-dies", "mutex=plain");
  ServerProcess server(fault.command());
  TestClient other(server);
  TestClient faulty = faulty_beside(server, other);
  EXPECT_EQ(other.exchange(fault.load()).status, 200);
  EXPECT_EQ(faulty.get("/healthz").status, 200);
  faulty.send(fault.post());
  EXPECT_EQ(faulty.read_to_end().bytes, "");
  if (!GetParam().has_parent) {
    EXPECT_TRUE(fault.expects("server lost"));
    EXPECT_EQ(server.wait_exit(), exited(1));
    return;
  }
  TestClient newcomer(server), without(server);
  other.send(fault.load());
  newcomer.send(fault.load());
  if (!GetParam().handlers_in_loop()) {  // there all clients of a worker wait with the one who waits
    EXPECT_EQ(without.get("/healthz").status, 200) << "it needs no lock";
  }
  EXPECT_TRUE(other.silent_for(kWatch));
  EXPECT_TRUE(newcomer.silent_for(kWatch));
  EXPECT_TRUE(fault.expects("server starved"));
}

TEST_P(LocksTest, ARobustLockIsPassedOn) {
  const CatalogueCase fault(GetParam(), "lock-holder-dies", "mutex=robust");
  ServerProcess server(fault.command());
  TestClient other(server);
  const auto right = other.exchange(fault.load());
  EXPECT_EQ(right.status, 200);
  for (int death = 0; death < 3; ++death) {
    TestClient faulty = faulty_beside(server, other);
    faulty.send(fault.post());
    EXPECT_EQ(faulty.read_to_end().bytes, "");
    if (!GetParam().has_parent) {
      EXPECT_TRUE(fault.expects("server lost"));
      EXPECT_EQ(server.wait_exit(), exited(1));
      return;
    }
    EXPECT_EQ(other.exchange(fault.load()).body, right.body);
    EXPECT_EQ(TestClient(server).exchange(fault.load()).body, right.body);
  }
  EXPECT_TRUE(fault.expects(GetParam().loops_in_processes() ? "worker lost" : "connection none"));
}

TEST_P(LocksTest, TheLockOutlivesAServerThatIsStartedAgain) {
  if (GetParam().has_parent) GTEST_SKIP() << "it starts its workers again itself";
  for (const bool robust : {false, true}) {
    SCOPED_TRACE(robust ? "robust" : "plain");
    const CatalogueCase fault(GetParam(), "lock-holder-dies", robust ? "mutex=robust" : "mutex=plain");
    const ServerProcess server(fault.command({"--supervise"}));
    TestClient faulty(server);
    faulty.send(fault.post());
    EXPECT_EQ(faulty.read_to_end().bytes, "");
    TestClient next(server);
    EXPECT_EQ(next.get("/healthz").status, 200);
    next.send(fault.load());
    if (robust) {
      EXPECT_EQ(next.read_answer().status, 200);
    } else {
      EXPECT_TRUE(next.silent_for(kWatch));
    }
  }
}

}  // namespace
}  // namespace quartet::suite
