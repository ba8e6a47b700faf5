#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>

namespace quartet::pace {

using Nanoseconds = std::chrono::nanoseconds;

/// When requests are due. All of it is fixed before the first one is sent: an open loop.
struct Arrivals {
  double rate = 1000;       ///< a second, at the start
  double last_rate = 1000;  ///< a second, at the end; it changes linearly
  Nanoseconds duration = std::chrono::seconds(10);
  bool poisson = false;  ///< gaps vary as those of independent clients do; otherwise they are even
  double phase = 0;      ///< of an interval, that even arrivals are shifted by
  std::uint64_t seed = 1;
};

/// Deals out due times, counted from the start: t_k = k / R at a constant rate.
///
/// N(t), the integral of the rate, is how many requests are due before t. Its inverse turns the points
/// 0, 1, 2, ... of even arrivals, or those of a Poisson process of rate 1, into times; so nothing adds up
/// rounding errors and a ramp needs no case of its own.
class Schedule {
 public:
  explicit Schedule(const Arrivals& arrivals);

  /// The next due time; nothing once the duration is over.
  std::optional<Nanoseconds> next();
  /// How many there will be: exactly for even arrivals, on average for Poisson ones.
  std::uint64_t expected() const;

 private:
  double next_point();
  Nanoseconds time_of(double point) const;

  Arrivals arrivals_;
  std::mt19937_64 random_;
  std::uint64_t count_ = 0;
  double poisson_point_ = 0;
};

}  // namespace quartet::pace
