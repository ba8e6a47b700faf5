#pragma once

#include <gtest/gtest.h>

#include <csignal>
#include <string_view>

#include "common/faults/fault.h"
#include "tests/app/captured.h"

namespace quartet::app {

/// The fault routes, without a server.
class FaultTest : public testing::Test {
 protected:
  FaultTest() { add_fault_routes(router_); }

  http::Response call(std::string_view path, std::string_view query = "") {
    http::Request request;
    request.query = query;
    return std::get<http::Response>(router_.find(path)->handler(request, slot_));
  }
  /// How a process ends that meets the fault.
  Captured meet(std::string_view path, std::string_view query = "") {
    return run_captured([=, this] {
      for (const int signal : {SIGSEGV, SIGABRT}) std::signal(signal, SIG_DFL);  // a sanitizer would exit
      call(path, query);
      return 0;
    });
  }

  http::Router router_;
  http::Slot slot_;
};

}  // namespace quartet::app
