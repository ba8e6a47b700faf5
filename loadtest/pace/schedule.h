#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

namespace quartet::pace {

using Nanoseconds = std::chrono::nanoseconds;

/// From a time on another rate.
struct RateChange {
  Nanoseconds time;
  double rate;  ///< a second

  bool operator==(const RateChange&) const = default;
};

/// When requests are due. All of it is fixed before the first one is sent: an open loop.
struct Arrivals {
  double rate = 1000;       ///< a second, at the start
  double last_rate = 1000;  ///< a second, at the end; it changes linearly
  /// Steps, in the order of their times; `rate` holds until the first one. A ramp has none.
  std::vector<RateChange> changes{};
  Nanoseconds duration = std::chrono::seconds(10);
  bool poisson = false;  ///< gaps vary as those of independent clients do; otherwise they are even
  double phase = 0;      ///< of an interval, that even arrivals are shifted by
  std::uint64_t seed = 1;
};

/// Deals out due times, counted from the start: t_k = k / R at a constant rate.
///
/// N(t), the integral of the rate, is how many requests are due before t. Its inverse turns the points
/// 0, 1, 2, ... of even arrivals, or those of a Poisson process of rate 1, into times; so nothing adds up
/// rounding errors and a ramp needs no case of its own. Between two steps N(t) is a line: the point says
/// which.
class Schedule {
 public:
  explicit Schedule(const Arrivals& arrivals);

  /// The next due time; nothing once the duration is over.
  std::optional<Nanoseconds> next();
  /// How many there will be: exactly for even arrivals, on average for Poisson ones.
  std::uint64_t expected() const;

 private:
  /// A part of the schedule whose rate is constant, or changes linearly.
  struct Stretch {
    Nanoseconds start;
    Nanoseconds length;
    double rate;       ///< at its start
    double last_rate;  ///< at its end
    double point = 0;  ///< N(start)
  };

  static std::vector<Stretch> stretches_of(const Arrivals& arrivals);
  /// N(end) of the last one.
  static double area(const std::vector<Stretch>& stretches);
  double next_point();
  Nanoseconds time_of(double point) const;

  Arrivals arrivals_;
  std::vector<Stretch> stretches_;
  std::mt19937_64 random_;
  std::uint64_t count_ = 0;
  double poisson_point_ = 0;
};

}  // namespace quartet::pace
