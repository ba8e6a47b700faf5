#include "common/app/log.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

#include "tests/app/captured.h"

namespace quartet::app {
namespace {

TEST(LogLine, NamesTheServerAndItsProcess) {
  const Captured run = run_captured([] {
    set_log_name("quartet-epoll");
    log_line("draining");
    fmt::print("{}", ::getpid());
    return 0;
  });
  EXPECT_EQ(run.errors, fmt::format("quartet-epoll[{}]: draining\n", run.output));
}

TEST(LogLine, DoesNotEndAServerWhoseLogIsClosed) {
  const Captured run = run_captured([] {
    ::close(STDERR_FILENO);
    log_line("draining");
    return 5;
  });
  EXPECT_EQ(run.exit_status(), 5);
}

TEST(DescribeExit, SaysTheStatus) {
  EXPECT_EQ(describe_exit(run_captured([] { return 3; }).status), "exited with status 3");
}

TEST(DescribeExit, NamesTheSignal) {
  EXPECT_EQ(describe_exit(run_captured([] { return ::raise(SIGKILL); }).status),
            "was killed by signal 9 (Killed)");
}

TEST(DescribeExit, NumbersASignalWithoutAName) {
  const int signal = SIGRTMIN + 1;
  EXPECT_EQ(describe_exit(run_captured([=] { return ::raise(signal); }).status),
            fmt::format("was killed by signal {}", signal));
}

}  // namespace
}  // namespace quartet::app
