#include "loadtest/pace/percentiles.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ostream>

#include "loadtest/pace/milliseconds.h"

namespace quartet::pace {
namespace {

constexpr double kTicksPerHalfDistance = 5;

/// The level behind `percent`: the nearer to 100, the smaller the step.
double next_level(double percent) {
  const double half_distance = std::exp2(std::floor(std::log2(100 / (100 - percent))) + 1);
  return percent + 100 / (kTicksPerHalfDistance * half_distance);
}

}  // namespace

Percentiles::Percentiles(std::vector<std::int64_t> values) : sorted_(std::move(values)) {
  if (sorted_.empty()) return;
  std::ranges::sort(sorted_);
  const auto count = static_cast<double>(sorted_.size());
  double sum = 0, squares = 0;
  for (const auto value : sorted_) sum += static_cast<double>(value);
  mean_ = sum / count;
  for (const auto value : sorted_) squares += std::pow(static_cast<double>(value) - mean_, 2);
  deviation_ = std::sqrt(squares / count);
}

std::int64_t Percentiles::at(double percent) const {
  if (sorted_.empty()) return 0;
  // 99.9 % of 1000 is 999.0000000000001 in binary: a rank must not depend on that.
  constexpr double kRounding = 1e-9;
  const double rank = std::ceil(percent / 100 * static_cast<double>(sorted_.size()) - kRounding);
  const auto index = static_cast<std::size_t>(std::max(rank, 1.0)) - 1;
  return sorted_[std::min(index, sorted_.size() - 1)];
}

std::size_t Percentiles::count_up_to(std::int64_t value) const {
  return static_cast<std::size_t>(std::ranges::upper_bound(sorted_, value) - sorted_.begin());
}

void write_histogram(std::ostream& out, const Percentiles& percentiles) {
  out << fmt::format("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount",
                     "1/(1-Percentile)");
  for (double percent = 0; !percentiles.empty(); percent = next_level(percent)) {
    const auto value = percentiles.at(percent);
    const auto count = percentiles.count_up_to(value);
    if (count == percentiles.count()) break;
    out << fmt::format("{:12.6f} {:14.12f} {:10} {:14.2f}\n", milliseconds(value), percent / 100, count,
                       1 / (1 - percent / 100));
  }
  const auto max = milliseconds(percentiles.max());
  if (!percentiles.empty()) out << fmt::format("{:12.6f} {:14.12f} {:10}\n", max, 1.0, percentiles.count());
  out << fmt::format("#[Mean    = {:12.6f}, StdDeviation   = {:12.6f}]\n", milliseconds(percentiles.mean()),
                     milliseconds(percentiles.deviation()));
  out << fmt::format("#[Max     = {:12.6f}, Total count    = {:12}]\n", max, percentiles.count());
  out << fmt::format("#[Buckets = {:12}, SubBuckets     = {:12}]\n", 1, 1);  // exact: there are none
}

}  // namespace quartet::pace
