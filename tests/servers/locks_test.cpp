// Locks: a circle of two that wait, and a lock whose owner is dead.
#include <gtest/gtest.h>

#include "tests/servers/others.h"

namespace quartet::suite {
namespace {

using LocksTest = ServerTest;
QUARTET_EVERY_CONFIGURATION(LocksTest);

std::string worker_of(TestClient& client) {
  return client.exchange(get("/healthz", {"Quartet-Worker: ?"})).header("Quartet-Worker");
}

void expect_one_after_the_other(TestClient& first, TestClient& second) {
  EXPECT_EQ(first.read_answer().body, "locked a, then b\n");
  EXPECT_EQ(second.read_answer().body, "locked b, then a\n");
}

TEST_P(LocksTest, TwoLocksInOppositeOrderHoldUpThoseWhoShareThem) {
  const CatalogueCase fault(GetParam(), "deadlock");
  const ServerProcess server(fault.command({"--keep-alive-timeout", "60s"}));
  TestClient other(server), first(server), second(server);
  EXPECT_EQ(other.get("/healthz").status, 200);
  const bool meet = worker_of(first) != worker_of(second) && !GetParam().has_parent;
  const auto posts = fault.posts("ms=1000");  // long enough to overlap
  first.send(posts.at(0));
  second.send(posts.at(1));
  if (!meet) {
    EXPECT_TRUE(fault.expects("nobody none"));
    expect_one_after_the_other(first, second);
    EXPECT_EQ(other.get("/healthz").status, 200);
    return;
  }
  EXPECT_TRUE(first.silent_for(1s + kWatch));
  EXPECT_TRUE(second.silent_for(kWatch));
  other.send(get("/healthz"));
  if (GetParam().loop()) {
    EXPECT_TRUE(fault.expects("server starved"));
    EXPECT_TRUE(other.silent_for(kWatch));
  } else {
    EXPECT_TRUE(fault.expects("connection none"));
    EXPECT_EQ(other.read_answer().status, 200);
  }
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
  TestClient other(server), faulty(server);
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
  EXPECT_EQ(without.get("/healthz").status, 200) << "it needs no lock";
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
    TestClient faulty(server);
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
  EXPECT_TRUE(fault.expects("connection none"));
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
