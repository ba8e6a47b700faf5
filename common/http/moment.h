#pragma once

#include <chrono>
#include <ctime>

namespace quartet::http {

using TimePoint = std::chrono::steady_clock::time_point;

/// Both clocks, read once by the caller: for deadlines and for the Date field.
struct Moment {
  TimePoint steady;
  std::time_t unix_seconds;
};

}  // namespace quartet::http
