#include "common/net/shutdown.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "common/net/system.h"

namespace quartet::net {
namespace {

using std::chrono::milliseconds;

// Signal handlers are the process's, so each test has a process of its own.
int status_of(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return status;
}

bool exits_with_zero(const std::function<bool()>& body) {
  const int status = status_of([&] { return body() ? 0 : 1; });
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/// Again and again, for as long as they are the same wish; a case in which they stay it ends by its alarm.
void raise_until(int signal, const std::function<bool()>& over) {
  while (!over()) raise(signal);
}

bool is_readable(int descriptor) {
  pollfd entry{descriptor, POLLIN, 0};
  return poll(&entry, 1, 0) == 1;
}

TEST(Shutdown, IsNotRequestedAtFirst) {
  EXPECT_TRUE(exits_with_zero([] {
    const Shutdown shutdown(milliseconds(10'000));
    return !shutdown.requested() && !is_readable(shutdown.descriptor()) &&
           shutdown.deadline() == http::TimePoint::max();
  }));
}

class ShutdownSignal : public testing::TestWithParam<int> {};

TEST_P(ShutdownSignal, SetsTheFlagAndStaysReadable) {
  EXPECT_TRUE(exits_with_zero([] {
    const Shutdown shutdown(milliseconds(10'000));
    raise(GetParam());
    return shutdown.requested() && is_readable(shutdown.descriptor()) && is_readable(shutdown.descriptor());
  }));
}

INSTANTIATE_TEST_SUITE_P(Each, ShutdownSignal, testing::Values(SIGTERM, SIGINT, SIGQUIT, SIGHUP));

TEST(Shutdown, IsOverdueWhenTheDrainTimeoutHasPassed) {
  EXPECT_TRUE(exits_with_zero([] {
    const Shutdown shutdown(milliseconds(10'000));
    const auto before = now().steady;
    raise(SIGTERM);
    return !shutdown.overdue(before + milliseconds(9'999)) &&
           shutdown.overdue(now().steady + milliseconds(10'000));
  }));
}

TEST(Shutdown, WithoutATimeoutIsNeverOverdueAndSetsNoAlarm) {
  EXPECT_TRUE(exits_with_zero([] {
    const Shutdown shutdown(http::kForever);
    raise(SIGTERM);
    return !shutdown.overdue(now().steady + std::chrono::hours(24)) && alarm(0) == 0;
  }));
}

TEST(Shutdown, ArmsAnAlarmASecondBehindTheTimeout) {
  EXPECT_TRUE(exits_with_zero([] {
    const Shutdown shutdown(milliseconds(9'500));
    raise(SIGTERM);
    const unsigned left = alarm(0);
    return left >= 9 && left <= 11;
  }));
}

TEST(Shutdown, TakesSignalsWithinASecondForOneWish) {
  EXPECT_TRUE(exits_with_zero([] {
    sigset_t all, before;
    sigfillset(&all);
    const Shutdown shutdown(milliseconds(10'000));
    sigprocmask(SIG_BLOCK, &all, &before);  // they come at one instant, however slow this machine is
    for (const int signal : {SIGTERM, SIGINT, SIGQUIT, SIGHUP}) raise(signal);
    sigprocmask(SIG_SETMASK, &before, nullptr);
    return shutdown.requested() && !shutdown.repeated();
  }));
}

TEST(Shutdown, IsImmediateAtASecondSignalThatComesLater) {
  const int status = status_of([] {
    const Shutdown shutdown(milliseconds(10'000));
    raise_until(SIGTERM, [] { return false; });
    return 0;
  });
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 3);
}

TEST(Shutdown, IsOnlyCountedByAParent) {
  EXPECT_TRUE(exits_with_zero([] {
    Shutdown shutdown(milliseconds(10'000));
    shutdown.become_parent();
    const auto start = now().steady;
    raise_until(SIGTERM, [&] { return shutdown.repeated(); });
    return now().steady - start >= milliseconds(1'000) && alarm(0) == 0;
  }));
}

TEST(Shutdown, KnowsWhenTheAlarmOfItsWorkersHasPassed) {
  EXPECT_TRUE(exits_with_zero([] {
    Shutdown shutdown(milliseconds(2'000));
    shutdown.become_parent();
    const auto before = now().steady;
    const bool not_yet = !shutdown.alarm_has_passed(before + std::chrono::hours(1));
    raise(SIGTERM);
    return not_yet && !shutdown.alarm_has_passed(before + milliseconds(3'000)) &&
           shutdown.alarm_has_passed(now().steady + milliseconds(4'000));
  }));
}

TEST(Shutdown, IgnoresSignalsThatNobodyHasAUseFor) {
  EXPECT_TRUE(exits_with_zero([] {
    const Shutdown shutdown(milliseconds(10'000));
    for (const int signal : {SIGUSR1, SIGUSR2, SIGALRM}) raise(signal);
    return !shutdown.requested();
  }));
}

TEST(Shutdown, LeavesSighupIgnoredWhereItWas) {
  EXPECT_TRUE(exits_with_zero([] {
    signal(SIGHUP, SIG_IGN);  // as nohup(1) does
    const Shutdown shutdown(milliseconds(10'000));
    raise(SIGHUP);
    return !shutdown.requested();
  }));
}

TEST(Shutdown, UnblocksItsSignals) {
  EXPECT_TRUE(exits_with_zero([] {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, nullptr);
    raise(SIGTERM);  // waits until somebody is there to hear it
    const Shutdown shutdown(milliseconds(10'000));
    return shutdown.requested();
  }));
}

TEST(Shutdown, KillsByItsAlarmThoughTheStarterIgnoresAlarms) {
  const int status = status_of([] {
    signal(SIGALRM, SIG_IGN);
    const Shutdown shutdown(milliseconds(10'000));
    raise(SIGTERM);
    raise(SIGALRM);
    return 0;
  });
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGALRM);
}

TEST(Shutdown, OfAWorkerLeavesCtrlCToTheParentAndBearsRepeatedSigterm) {
  EXPECT_TRUE(exits_with_zero([] {
    Shutdown shutdown(milliseconds(10'000));
    shutdown.become_parent();
    shutdown.become_worker(getppid(), SIGTERM);
    for (const int signal : {SIGINT, SIGQUIT, SIGHUP}) raise(signal);
    const bool ignored = !shutdown.requested();
    raise(SIGTERM);
    raise(SIGTERM);
    return ignored && shutdown.requested();
  }));
}

TEST(Shutdown, OfAWorkerBeginsAtOnceWhenTheParentIsDeadAlready) {
  EXPECT_TRUE(exits_with_zero([] {
    Shutdown shutdown(milliseconds(10'000));
    shutdown.become_parent();
    shutdown.become_worker(getppid() + 1, SIGTERM);
    return shutdown.requested();
  }));
}

TEST(Shutdown, OfAWorkerDoesNotWakeTheParent) {
  EXPECT_TRUE(exits_with_zero([] {
    Shutdown shutdown(milliseconds(10'000));
    shutdown.become_parent();
    const int descriptor = shutdown.descriptor();
    shutdown.become_worker(getppid(), SIGTERM);
    raise(SIGTERM);
    return !is_readable(descriptor);
  }));
}

}  // namespace
}  // namespace quartet::net
