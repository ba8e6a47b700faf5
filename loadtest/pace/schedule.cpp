#include "loadtest/pace/schedule.h"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace quartet::pace {
namespace {

double seconds_of(Nanoseconds time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

Schedule::Schedule(const Arrivals& arrivals)
    : arrivals_(arrivals), stretches_(stretches_of(arrivals)), random_(arrivals.seed) {}

std::vector<Schedule::Stretch> Schedule::stretches_of(const Arrivals& arrivals) {
  const auto& changes = arrivals.changes;
  if (changes.empty()) return {{Nanoseconds(0), arrivals.duration, arrivals.rate, arrivals.last_rate}};
  std::vector<Stretch> found{{Nanoseconds(0), changes.front().time, arrivals.rate, arrivals.rate}};
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const auto [start, rate] = changes[i];
    const auto end = i + 1 < changes.size() ? changes[i + 1].time : arrivals.duration;
    found.push_back({start, end - start, rate, rate, area(found)});
  }
  return found;
}

double Schedule::area(const std::vector<Stretch>& stretches) {
  const Stretch& last = stretches.back();
  return last.point + (last.rate + last.last_rate) / 2 * seconds_of(last.length);
}

std::optional<Nanoseconds> Schedule::next() {
  if (area(stretches_) <= 0) return std::nullopt;
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

/// Solves N(t) = point in its stretch, where N grows by rate t + slope t^2 / 2, in the form that is exact for
/// a slope of 0, too.
Nanoseconds Schedule::time_of(double point) const {
  // The last one that begins there: one before it, of a rate of 0, has the same point and no request.
  const Stretch& stretch = *std::prev(std::ranges::upper_bound(stretches_, point, {}, &Stretch::point));
  const Nanoseconds end = stretch.start + stretch.length;
  if (stretch.rate <= 0 && stretch.last_rate <= 0) return end;
  const double slope = (stretch.last_rate - stretch.rate) / seconds_of(stretch.length);
  const double further = point - stretch.point;
  const double discriminant = stretch.rate * stretch.rate + 2 * slope * further;
  if (further == 0) return stretch.start;
  if (discriminant < 0) return end;  // a falling ramp never gets there
  const double seconds = 2 * further / (stretch.rate + std::sqrt(discriminant));
  if (seconds >= seconds_of(stretch.length)) return end;
  return stretch.start + Nanoseconds(std::llround(seconds * 1e9));
}

std::uint64_t Schedule::expected() const {
  return static_cast<std::uint64_t>(std::ceil(std::max(area(stretches_) - arrivals_.phase, 0.0)));
}

}  // namespace quartet::pace
