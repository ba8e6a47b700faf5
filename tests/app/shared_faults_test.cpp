// Faults of what requests share, each in a process of its own.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <functional>
#include <string>
#include <thread>

#include "tests/app/fault_test.h"

namespace quartet::app {
namespace {

class SharedFaults : public FaultTest {
 protected:
  /// "" when `body` says so in a process of its own; what it says otherwise.
  std::string in_a_process(const std::function<std::string()>& body) {
    const Captured run = run_captured([&] {
      const std::string trouble = body();
      std::fputs(trouble.c_str(), stderr);
      return trouble.empty() ? 0 : 1;
    });
    return run.exit_status() == 0 ? "" : "status " + std::to_string(run.status) + ": " + run.errors;
  }
};

TEST_F(SharedFaults, DamageToTheCachedAnswerIsSeenInItsProcessOnly) {
  const std::string right = call("/fault/cached").body;
  EXPECT_EQ(in_a_process([&] {
              call("/fault/corrupt-shared-state");
              return call("/fault/cached").body == std::string(1024, '!') ? "" : call("/fault/cached").body;
            }),
            "");
  EXPECT_EQ(call("/fault/cached").body, right);
}

#ifndef __SANITIZE_ADDRESS__  // which keeps freed memory back
TEST_F(SharedFaults, FreedMemoryIsTheCachedAnswersEachTime) {
  EXPECT_EQ(in_a_process([&]() -> std::string {
              for (int i = 0; i < 100; ++i) {
                call("/fault/corrupt-shared-state");
                const auto answer = call("/fault/use-after-free");
                if (answer.status != 200) return answer.body;
                if (call("/fault/cached").body != std::string(1024, '?')) return call("/fault/cached").body;
              }
              return "";
            }),
            "");
}
#endif

TEST_F(SharedFaults, ABurstAloneLosesNothing) {
  for (const auto* sync : {"none", "mutex"}) {
    const auto answer = call("/fault/race", std::string("increments=500&sync=") + sync);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "none of 500 updates is lost\n");
  }
  EXPECT_EQ(call("/fault/race", "increments=0").body, "none of 0 updates is lost\n");
}

TEST_F(SharedFaults, TheLastOfTwoBurstsAnswersForBoth) {
  const auto together = [&](const std::string& sync) {
    std::array<http::Response, 2> answers;
    std::thread other([&] { answers[0] = call("/fault/race", "increments=20000&sync=" + sync); });
    answers[1] = call("/fault/race", "increments=20000&sync=" + sync);
    other.join();
    return answers[0].body + answers[1].body;
  };
  EXPECT_NE(together("none").find(" of 40000 updates\n"), std::string::npos);
  EXPECT_NE(together("mutex").find("none of 40000 updates is lost\n"), std::string::npos);
}

TEST_F(SharedFaults, ARobustLockIsPassedOnWhenItsOwnerDies) {
  for (int i = 0; i < 3; ++i) {
    const Captured run = run_captured([this] {
      call("/fault/lock-holder-dies", "mutex=robust");
      return 0;
    });
    EXPECT_EQ(run.exit_status(), 1);
    EXPECT_EQ(call("/fault/locked", "mutex=robust").status, 200);
  }
}

TEST_F(SharedFaults, APlainLockIsNotPassedOn) {
  run_captured([this] {
    ::alarm(10);  // when the test is repeated, an earlier owner is dead already
    call("/fault/lock-holder-dies", "mutex=plain");
    return 0;
  });
  const Captured waiter = run_captured([this] {
    ::alarm(1);
    call("/fault/locked", "mutex=plain");
    return 0;
  });
  EXPECT_EQ(waiter.signal(), SIGALRM);
}

TEST_F(SharedFaults, BadParametersAreNamed) {
  for (const auto& [path, query, complaint] :
       {std::tuple{"/fault/race", "sync=x", "sync: \"x\" is not one of none, mutex\n"},
        {"/fault/race", "increments=100001",
         "increments: \"100001\" is not a whole number from 0 to 100000\n"},
        {"/fault/deadlock", "order=aa", "order: \"aa\" is not one of ab, ba\n"},
        {"/fault/deadlock", "ms=1001", "ms: \"1001\" is not a whole number from 0 to 1000\n"},
        {"/fault/lock-holder-dies", "mutex=x", "mutex: \"x\" is not one of plain, robust\n"},
        {"/fault/locked", "mutex=", "mutex: \"\" is not one of plain, robust\n"},
        {"/fault/thread-leak", "most=10001", "most: \"10001\" is not a whole number from 0 to 10000\n"},
        {"/fault/fork-bomb-bounded", "most=1001", "most: \"1001\" is not a whole number from 0 to 1000\n"}}) {
    const http::Response response = call(path, query);
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ(response.body, complaint);
  }
}

}  // namespace
}  // namespace quartet::app
