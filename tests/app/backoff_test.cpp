#include "common/server/backoff.h"

#include <gtest/gtest.h>

namespace quartet::app {
namespace {

using namespace std::chrono_literals;

/// Workers that die one after the other; the clock is played.
class BackoffTest : public testing::Test {
 protected:
  void die(std::chrono::milliseconds age, bool answered = false) {
    backoff_.on_death(now_, now_ + age, answered);
    now_ += age;
  }
  /// How long until another one may be started.
  std::chrono::milliseconds pause() {
    auto pause = 0ms;
    while (!backoff_.may_start(now_ + pause)) pause += 1ms;
    return pause;
  }
  void die_in_vain() {
    now_ += pause();
    die(10ms);
  }

  Backoff backoff_;
  http::TimePoint now_{1h};
};

TEST_F(BackoffTest, LetsTheFirstWorkerStart) { EXPECT_TRUE(backoff_.may_start(now_)); }

TEST_F(BackoffTest, ReplacesTheFirstOnesAtOnceAndTheNextLaterAndLater) {
  for (const auto expected : {0ms, 100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms}) {
    die_in_vain();
    EXPECT_EQ(pause(), expected);
  }
}

TEST_F(BackoffTest, ReplacesAtOnceWhoLivedLongEnough) {
  for (int i = 0; i < 100; ++i) {
    die(1s);
    EXPECT_EQ(pause(), 0ms);
  }
  EXPECT_FALSE(backoff_.crash_loop());
}

TEST_F(BackoffTest, ReplacesAtOnceWhoHadAnsweredSomething) {
  for (int i = 0; i < 100; ++i) {
    die(200ms, true);
    EXPECT_EQ(pause(), 0ms);
  }
  EXPECT_FALSE(backoff_.crash_loop());
}

TEST_F(BackoffTest, ForgivesAfterOneThatWasOfUse) {
  for (int i = 0; i < 5; ++i) die_in_vain();
  die(200ms, true);
  EXPECT_EQ(pause(), 0ms);
  die_in_vain();
  EXPECT_EQ(pause(), 0ms);
}

TEST_F(BackoffTest, SeesACrashLoopAfterTenSecondsOfDeathsInVain) {
  const auto first = now_ + 10ms;
  die_in_vain();
  while (!backoff_.crash_loop() && now_ < first + 1min) die_in_vain();
  EXPECT_GE(now_ - first, 10s);
  EXPECT_LE(now_ - first, 12s);
}

TEST_F(BackoffTest, SeesNoCrashLoopInABurst) {
  for (int i = 0; i < 100; ++i) die(1ms);  // many workers of a pool at about the same time
  EXPECT_FALSE(backoff_.crash_loop());
}

TEST_F(BackoffTest, SeesNoCrashLoopInAFewRareDeaths) {
  for (int i = 0; i < 5; ++i) {
    die(10ms);
    now_ += 1h;
  }
  EXPECT_FALSE(backoff_.crash_loop());
}

}  // namespace
}  // namespace quartet::app
