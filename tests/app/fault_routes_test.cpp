#include <gtest/gtest.h>

#include <csignal>
#include <stdexcept>

#include "common/app/routes.h"
#include "tests/app/captured.h"

namespace quartet::app {
namespace {

using http::Method;

class FaultRoutes : public testing::Test {
 protected:
  FaultRoutes() { add_fault_routes(router_); }

  http::Router router_;
  http::Slot slot_;
};

TEST_F(FaultRoutes, ArePostOnly) {
  for (const http::Route& route : router_.routes()) {
    EXPECT_TRUE(route.allows(Method::post)) << route.path;
    EXPECT_FALSE(route.allows(Method::get)) << route.path;
    EXPECT_FALSE(route.quick) << route.path;
  }
}

TEST_F(FaultRoutes, SegvKillsTheProcess) {
  const Captured run = run_captured([this] {
    std::signal(SIGSEGV, SIG_DFL);  // AddressSanitizer would report it and exit
    router_.find("/fault/segv")->handler({}, slot_);
    return 0;
  });
  EXPECT_EQ(run.signal(), SIGSEGV);
}

TEST_F(FaultRoutes, ThrowThrows) {
  EXPECT_THROW(router_.find("/fault/throw")->handler({}, slot_), std::runtime_error);
}

}  // namespace
}  // namespace quartet::app
