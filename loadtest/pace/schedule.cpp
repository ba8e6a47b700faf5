#include "loadtest/pace/schedule.h"

#include <algorithm>
#include <cmath>

namespace quartet::pace {
namespace {

double seconds_of(Nanoseconds time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

Schedule::Schedule(const Arrivals& arrivals) : arrivals_(arrivals), random_(arrivals.seed) {}

std::optional<Nanoseconds> Schedule::next() {
  if (arrivals_.rate <= 0 && arrivals_.last_rate <= 0) return std::nullopt;
  const Nanoseconds due = time_of(next_point());
  ++count_;
  if (due >= arrivals_.duration) return std::nullopt;
  return due;
}

double Schedule::next_point() {
  if (!arrivals_.poisson) return static_cast<double>(count_) + arrivals_.phase;
  // By hand: std::exponential_distribution may draw other numbers from the same seed elsewhere.
  const double uniform = static_cast<double>(random_() >> 11) * 0x1p-53;
  poisson_point_ -= std::log1p(-uniform);
  return poisson_point_;
}

/// Solves N(t) = rate t + slope t^2 / 2 = point, in the form that is exact for a slope of 0, too.
Nanoseconds Schedule::time_of(double point) const {
  const double slope = (arrivals_.last_rate - arrivals_.rate) / seconds_of(arrivals_.duration);
  const double discriminant = arrivals_.rate * arrivals_.rate + 2 * slope * point;
  if (point == 0) return Nanoseconds(0);
  if (discriminant < 0) return arrivals_.duration;  // a falling ramp never gets there
  const double seconds = 2 * point / (arrivals_.rate + std::sqrt(discriminant));
  if (seconds >= seconds_of(arrivals_.duration)) return arrivals_.duration;
  return Nanoseconds(std::llround(seconds * 1e9));
}

std::uint64_t Schedule::expected() const {
  const double area = (arrivals_.rate + arrivals_.last_rate) / 2 * seconds_of(arrivals_.duration);
  return static_cast<std::uint64_t>(std::ceil(std::max(area - arrivals_.phase, 0.0)));
}

}  // namespace quartet::pace
