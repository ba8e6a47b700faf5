#pragma once

#include <chrono>
#include <ctime>

namespace quartet::http {

using TimePoint = std::chrono::steady_clock::time_point;

/// One reading of the clocks, the caller's: it gives deadlines and the Date field.
struct Moment {
  TimePoint steady;
  std::time_t unix_seconds;
};

}  // namespace quartet::http
