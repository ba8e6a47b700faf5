#include "common/program/log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <functional>
#include <string>

#include "tests/app/captured.h"

namespace quartet::app {
namespace {

void run_in_fork(const std::function<void()>& body) {
  const pid_t child = net::check(::fork(), "fork");
  if (child == 0) {
    body();
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
}

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

/// A pipe that takes nothing more until somebody reads; stderr is its end to write into.
class FullStderr {
 public:
  FullStderr() {
    net::check(::pipe(ends_.data()), "pipe");
    ::dup2(ends_[1], STDERR_FILENO);
    ::fcntl(ends_[1], F_SETFL, O_NONBLOCK);
    while (::write(ends_[1], "x", 1) == 1) {
    }
    ::fcntl(ends_[1], F_SETFL, 0);
  }
  /// What is in the pipe, without what filled it.
  std::string drain() const {
    std::string text(1 << 20, '\0');
    text.resize(static_cast<std::size_t>(::read(ends_[0], text.data(), text.size())));
    return text.substr(std::min(text.find_first_not_of('x'), text.size()));
  }
  bool blocks() const { return (::fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK) == 0; }

 private:
  std::array<int, 2> ends_{};
};

/// Prints what `say` has the reader of a full stderr see in the end.
std::string said_into_full_stderr(const std::function<void(const FullStderr&)>& say) {
  return run_captured([&] {
           ::alarm(20);  // who waits for a reader waits for ever
           set_log_name("quartet-epoll");
           const FullStderr full;
           say(full);
           fmt::print("{}{}", full.drain(), full.blocks() ? "" : "no longer blocking\n");
           return 0;
         })
      .output;
}

TEST(LogLine, DoesNotWaitForAReaderAndSaysLaterWhatWasLost) {
  const auto said = said_into_full_stderr([](const FullStderr& full) {
    for (int i = 0; i < 3; ++i) log_line("into the void");
    full.drain();
    log_line("draining");
    log_line("drained");
  });
  EXPECT_NE(said.find("]: 3 lines lost: nobody read the log\nquartet-epoll["), std::string::npos) << said;
  EXPECT_TRUE(said.ends_with("]: drained\n")) << said;
  EXPECT_EQ(said.find("void"), std::string::npos) << said;
}

TEST(LogLine, CountsWhatForkedProcessesLostAsWell) {
  const auto said = said_into_full_stderr([](const FullStderr& full) {
    run_in_fork([] { log_line("into the void"); });
    full.drain();
    log_line("draining");
  });
  EXPECT_NE(said.find("]: 1 line lost: "), std::string::npos) << said;
}

TEST(LogLine, DoesNotWaitForAReaderOfASocket) {
  const Captured run = run_captured([] {
    ::alarm(20);
    std::array<int, 2> ends{};
    net::check(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), "socketpair");
    ::dup2(ends[1], STDERR_FILENO);
    for (int i = 0; i < 10'000; ++i) log_line("draining");
    return 5;
  });
  EXPECT_EQ(run.exit_status(), 5);
}

TEST(LogLine, IsCutToWhatAPipeTakesAtOnce) {
  const Captured run = run_captured([] {
    log_line(std::string(100'000, 'x'));
    return 0;
  });
  EXPECT_EQ(run.errors.size(), std::size_t{PIPE_BUF});
  EXPECT_TRUE(run.errors.ends_with("x\n"));
}

TEST(LogSeldom, SaysTheSameOnceAMinuteOverAllProcesses) {
  const Captured run = run_captured([] {
    set_log_name("quartet-fork");
    const auto now = net::now().steady;
    const auto complain = [&](std::chrono::seconds later) { log_seldom("fork: no luck", now + later); };
    complain(std::chrono::seconds(0));
    run_in_fork([&] { complain(std::chrono::seconds(1)); });
    complain(std::chrono::seconds(59));
    complain(std::chrono::seconds(61));
    return 0;
  });
  EXPECT_EQ(std::ranges::count(run.errors, '\n'), 2) << run.errors;
}

TEST(LogSeldom, SaysSomethingElseAtOnce) {
  const Captured run = run_captured([] {
    log_seldom("fork: no luck");
    log_seldom("fork: no memory");
    return 0;
  });
  EXPECT_EQ(std::ranges::count(run.errors, '\n'), 2) << run.errors;
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
