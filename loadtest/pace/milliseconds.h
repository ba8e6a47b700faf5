#pragma once

#include <chrono>
#include <cstdint>

namespace quartet::pace {

// Of nanoseconds, as reports show them.
inline double milliseconds(double nanoseconds) { return nanoseconds / 1e6; }
inline double milliseconds(std::int64_t nanoseconds) {
  return milliseconds(static_cast<double>(nanoseconds));
}
inline double milliseconds(std::chrono::nanoseconds time) { return milliseconds(time.count()); }

}  // namespace quartet::pace
