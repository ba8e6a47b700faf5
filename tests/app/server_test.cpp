#include "common/server/server.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <string>
#include <vector>

#include "common/net/system.h"
#include "common/program/log.h"
#include "tests/app/captured.h"
#include "tests/app/sample_models.h"

namespace quartet::app {
namespace {

std::string scoreboard_path() { return testing::TempDir() + "scoreboard." + std::to_string(::getpid()); }

/// Runs a server on any port in a process of its own; what `serve` returns is its exit status.
Captured run(std::vector<std::string> arguments, const Serve& serve, Model model = kEpoll,
             const std::string& program = "quartet-epoll") {
  for (Mode& mode : model.modes) mode.serve = serve;
  const std::string scoreboard = scoreboard_path();
  arguments.insert(arguments.begin(), {program, "--listen", "127.0.0.1:0", "--scoreboard", scoreboard});
  const Captured ended = run_captured([&] {
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    return run_server(static_cast<int>(argv.size()), argv.data(), model);
  });
  ::unlink(scoreboard.c_str());  // where it is still there
  return ended;
}

bool serves(const Server& server, std::string_view path) {
  return server.service.router.find(path) != nullptr;
}

TEST(RunServer, ReturnsWhatTheModelReturns) {
  EXPECT_EQ(run({}, [](Server&) { return 3; }).exit_status(), 3);
}

TEST(RunServer, AnnouncesTheRealPort) {
  const Captured ended = run({}, [](Server& server) -> int {
    server.announce();
    fmt::print(stderr, "{}", server.listener.address().port);
    ::_exit(0);  // without a flush at exit
  });
  EXPECT_NE(ended.errors, "0");
  EXPECT_EQ(ended.output, fmt::format("listening on 127.0.0.1:{}\n", ended.errors));
}

TEST(RunServer, AnnouncesIpv6InBrackets) {
  const Captured ended = run({"--listen", "[::1]:0"}, [](Server& server) {
    server.announce();
    return 0;
  });
  if (ended.errors.find("Cannot assign requested address") != std::string::npos)
    GTEST_SKIP() << "no IPv6 here";
  EXPECT_TRUE(ended.output.starts_with("listening on [::1]:")) << ended.output << ended.errors;
}

TEST(RunServer, SaysInOneSentenceWhyItCannotStart) {
  const net::Listener taken(net::Address{"127.0.0.1", 0});
  const std::string address = taken.address().to_string();
  const Captured ended = run({"--listen", address}, [](Server&) { return 0; });
  EXPECT_EQ(ended.exit_status(), 1);
  EXPECT_EQ(ended.errors, fmt::format("quartet-epoll: bind {}: Address already in use\n", address));
  EXPECT_EQ(ended.output, "");
}

TEST(RunServer, NamesTheProgramInMessagesAndTheModelOnTheScoreboard) {
  const auto start = [](std::vector<std::string> arguments) {
    const auto serve = [](Server& server) {
      log_line(server.scoreboard.board().model.data());
      return 0;
    };
    return run(std::move(arguments), serve, kEpoll, "/usr/bin/bare-epoll");
  };
  const std::string logged = start({}).errors;
  EXPECT_TRUE(logged.starts_with("bare-epoll[")) << logged;
  EXPECT_TRUE(logged.ends_with("]: quartet-epoll\n")) << logged;
  EXPECT_TRUE(start({"--help"}).output.find("bare-epoll [OPTIONS]") != std::string::npos);
  EXPECT_TRUE(start({"--no-such"}).errors.starts_with("bare-epoll: "));
}

TEST(RunServer, TurnsAnExceptionOfTheModelIntoASentence) {
  const Captured ended = run({}, [](Server&) -> int { throw std::runtime_error("out of luck"); });
  EXPECT_EQ(ended.exit_status(), 1);
  EXPECT_EQ(ended.errors, "quartet-epoll: out of luck\n");
}

TEST(RunServer, AddsRoutesAsAskedFor) {
  const auto optional_routes = [](Server& server) {
    return serves(server, "/plaintext") * 4 + serves(server, "/file/x") * 2 + serves(server, "/fault/segv");
  };
  EXPECT_EQ(run({}, optional_routes).exit_status(), 4);
  EXPECT_EQ(run({"--root", "/tmp"}, optional_routes).exit_status(), 6);
  EXPECT_EQ(run({"--enable-faults"}, optional_routes).exit_status(), 5);
}

TEST(RunServer, PassesTheLimitsOn) {
  const Captured ended = run({"--max-headers", "42"}, [](Server& server) {
    return static_cast<int>(server.service.limits.max_headers);
  });
  EXPECT_EQ(ended.exit_status(), 42);
}

TEST(RunServer, BatchesAnswersExceptForProcessPerRequest) {
  const auto batch = [](Server& server) { return static_cast<int>(server.service.batch_requests); };
  EXPECT_EQ(run({}, batch, kFork).exit_status(), 64);
  EXPECT_EQ(run({"--mode", "per-connection"}, batch, kFork).exit_status(), 64);
  EXPECT_EQ(run({"--mode", "per-request"}, batch, kFork).exit_status(), 1);
}

TEST(RunServer, RaisesTheDescriptorLimit) {
  const Captured ended = run_captured([] {
    const rlimit low{.rlim_cur = 64, .rlim_max = 128};
    net::check(::setrlimit(RLIMIT_NOFILE, &low), "setrlimit");
    return run({},
               [](Server&) {
                 rlimit limit{};
                 ::getrlimit(RLIMIT_NOFILE, &limit);
                 return static_cast<int>(limit.rlim_cur);
               })
        .exit_status();
  });
  EXPECT_EQ(ended.exit_status(), 128);
}

TEST(RunServer, SurvivesAClientThatLeft) {
  EXPECT_EQ(run({}, [](Server&) { return ::raise(SIGPIPE); }).exit_status(), 0);
}

TEST(RunServer, HasSlotsForTwoProcessesPerConnection) {
  const auto enough = [](Server& server) {
    const auto& options = server.options;
    return server.scoreboard.all().size() >= options.workers + 2 * options.limits.max_connections ? 0 : 1;
  };
  EXPECT_EQ(run({"--workers", "500"}, enough, kFork).exit_status(), 0);
  EXPECT_EQ(run({"--max-connections", "1"}, enough).exit_status(), 0);
}

TEST(RunServer, StartsWithoutAConnectionLimit) {
  EXPECT_EQ(
      run({"--max-connections", "0"}, [](Server& server) { return server.scoreboard.all().size() < 1000; })
          .exit_status(),
      0);
}

std::size_t anonymous_memory_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) return std::stoul(line.substr(8)) / 1024;
  }
  return 0;
}

TEST(Ballast, IsResidentWhileTheModelServes) {
  const auto grown = [](Server&) { return static_cast<int>(anonymous_memory_mib()); };
  const int without = run({}, grown).exit_status();
  const int with = run({"--ballast", "64"}, grown).exit_status();
  EXPECT_GE(with - without, 60);
#if !defined(__SANITIZE_THREAD__)  // its shadow memory of them counts, too
  EXPECT_LE(with - without, 80);
#endif
}

TEST(Ballast, IsAStartUpErrorWhenThereIsNotThatMuch) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's shadow memory is larger than any limit";
#endif
  const Captured ended = run_captured([] {
    const rlimit limit{.rlim_cur = 1 << 30, .rlim_max = 1 << 30};
    net::check(::setrlimit(RLIMIT_DATA, &limit), "setrlimit");
    const Captured server = run({"--ballast", "4096"}, [](Server&) { return 0; });
    fmt::print(stderr, "{}", server.errors);
    return server.exit_status();
  });
  EXPECT_EQ(ended.exit_status(), 1);
  EXPECT_EQ(ended.errors, "quartet-epoll: --ballast 4096: mmap: Cannot allocate memory\n");
}

TEST(Drained, ExitsCleanlyWhenNothingWasCut) {
  const Captured ended = run({}, [](Server& server) {
    server.scoreboard.take();
    return drained(server);
  });
  EXPECT_EQ(ended.exit_status(), kDrained);
  EXPECT_TRUE(ended.errors.ends_with("]: drained\n")) << ended.errors;
}

TEST(Drained, CountsWhatAllWorkersCut) {
  const auto cut = [](std::uint64_t first, std::uint64_t second) {
    return run({}, [=](Server& server) {
      http::add(server.scoreboard.take().cut, first);
      http::Slot& left = server.scoreboard.take();
      http::add(left.cut, second);
      Scoreboard::release(left);
      return drained(server);
    });
  };
  EXPECT_EQ(cut(2, 1).exit_status(), kCut);
  EXPECT_TRUE(cut(2, 1).errors.ends_with("]: drain timeout: 3 connections cut\n"));
  EXPECT_TRUE(cut(0, 1).errors.ends_with("]: drain timeout: 1 connection cut\n"));
}

TEST(Drained, CountsWhatIsStillOpen) {
  const Captured ended = run({}, [](Server& server) {
    http::add(server.scoreboard.take().cut, 1);
    return drained(server, 2);
  });
  EXPECT_EQ(ended.exit_status(), kCut);
  EXPECT_TRUE(ended.errors.ends_with("]: drain timeout: 3 connections cut\n")) << ended.errors;
}

}  // namespace
}  // namespace quartet::app
