#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <stdexcept>

#include "tests/app/fault_test.h"

namespace quartet::app {
namespace {

using http::Method;
using std::chrono::steady_clock;

using FaultRoutes = FaultTest;

TEST_F(FaultRoutes, ArePostOnly) {
  for (const http::Route& route : router_.routes()) {
    // These commit none: the list, and the victims.
    if (route.path == "/fault" || route.path == "/fault/cached" || route.path == "/fault/locked") continue;
    EXPECT_TRUE(route.allows(Method::post)) << route.path;
    EXPECT_FALSE(route.allows(Method::get)) << route.path;
    EXPECT_FALSE(route.quick) << route.path;
  }
}

TEST_F(FaultRoutes, SegvKillsTheProcess) { EXPECT_EQ(meet("/fault/segv").signal(), SIGSEGV); }

TEST_F(FaultRoutes, AbortKillsTheProcess) { EXPECT_EQ(meet("/fault/abort").signal(), SIGABRT); }

TEST_F(FaultRoutes, ThrowUncaughtTerminatesTheProcess) {
  const Captured run = meet("/fault/throw-uncaught");
  EXPECT_EQ(run.signal(), SIGABRT);
  EXPECT_NE(run.errors.find("terminate called after throwing"), std::string::npos) << run.errors;
}

TEST_F(FaultRoutes, ExitEndsTheProcessWithoutItsExitHandlers) {
  const Captured run = run_captured([this] {
    std::atexit([] { ::kill(::getpid(), SIGKILL); });
    call("/fault/exit");
    return 0;
  });
  EXPECT_EQ(run.exit_status(), 1);
}

TEST_F(FaultRoutes, SpinAndBlockEndAfterTheTimeAskedFor) {
  for (const auto* path : {"/fault/spin", "/fault/block"}) {
    const auto start = steady_clock::now();
    EXPECT_EQ(call(path, "ms=30").status, 200);
    EXPECT_GE(steady_clock::now() - start, std::chrono::milliseconds(30)) << path;
  }
  EXPECT_EQ(call("/fault/spin", "ms=0").body, "spun 0 ms\n");
  EXPECT_EQ(call("/fault/block", "ms=0").body, "blocked 0 ms\n");
}

TEST_F(FaultRoutes, LeakAddsUp) {
  const Captured run = run_captured([this] {
    return call("/fault/leak").body == "leaked 1 MiB, 1 MiB in this process by now\n" &&
           call("/fault/leak", "mib=3").body == "leaked 3 MiB, 4 MiB in this process by now\n" &&
           call("/fault/leak", "mib=0").body == "leaked 0 MiB, 4 MiB in this process by now\n";
  });
  EXPECT_EQ(run.exit_status(), 1);
}

TEST_F(FaultRoutes, ABadParameterIsNamedWithTheReason) {
  for (const auto& [path, query, complaint] :
       {std::tuple{"/fault/spin", "ms=x", "ms: \"x\" is not a whole number from 0 to 60000\n"},
        {"/fault/block", "ms=60001", "ms: \"60001\" is not a whole number from 0 to 60000\n"},
        {"/fault/block", "ms=", "ms: \"\" is not a whole number from 0 to 60000\n"},
        {"/fault/leak", "mib=1025", "mib: \"1025\" is not a whole number from 0 to 1024\n"}}) {
    const http::Response response = call(path, query);
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ(response.body, complaint);
  }
}

TEST_F(FaultRoutes, ThrowThrows) {
  EXPECT_THROW(router_.find("/fault/throw")->handler({}, slot_), std::runtime_error);
}

}  // namespace
}  // namespace quartet::app
