#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "loadtest/pace/plan.h"
#include "loadtest/pace/values.h"

namespace quartet::pace {

/// The command line before it makes sense.
struct Text {
  std::string server;
  std::string target;
  std::optional<std::string> rate;
  std::string duration = "10s", timeout = "10s", grace = "2s", tolerance = "1ms";
  std::string newcomer;
  std::string hold_target = kDefaultTarget;
  std::string method = "GET";
  std::string body;
  std::optional<std::string> expected_body;
  std::vector<std::string> headers;
  std::vector<std::string> mix;
  std::vector<std::string> faults;
  std::vector<std::string> rude;
  std::size_t fault_retries = 0;
  std::size_t connections = 16;
  std::size_t pipeline = 1;
  std::size_t hold = 0;
  std::size_t sources = 0;
  std::size_t sessions = 0;
  std::uint64_t seed = 1;
  bool fresh = false;
  bool poisson = false;
  bool closed = false;
  bool worker = false;
  bool same_body = false;
};

/// @param records where they are to be written; empty: nowhere
/// @throws UsageError
Plan make_plan(const Text& text, const std::string& records);

}  // namespace quartet::pace
