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

Percentiles::Percentiles(std::vector<std::int64_t> values, Censored censored) : censored_(censored) {
  std::ranges::sort(values);
  double sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    sum += static_cast<double>(values[i]);
    if (i + 1 == values.size() || values[i] != values[i + 1]) entries_.push_back({values[i], i + 1});
  }
  if (!values.empty()) max_ = values.back();
  set_mean(sum);
  // From the mean: the difference of two sums would lose the digits of values that lie close together.
  double squares = 0;
  for (const auto value : values) squares += std::pow(static_cast<double>(value) - mean_, 2);
  set_deviation(squares);
}

Percentiles::Percentiles(const Histogram& histogram, Censored censored)
    : censored_(censored), max_(histogram.max()) {
  std::size_t up_to = 0;
  for (const auto& [value, count] : histogram.entries())
    entries_.push_back({std::clamp(value, histogram.min(), histogram.max()), up_to += count});
  set_mean(histogram.sum());
  const auto measured = static_cast<double>(histogram.count());
  set_deviation(histogram.squares() - 2 * mean_ * histogram.sum() + measured * mean_ * mean_);
}

void Percentiles::set_mean(double sum) {
  if (!empty()) mean_ = (sum + censored_sum()) / static_cast<double>(count());
}

/// @param squares of the distances of what was measured from the mean
void Percentiles::set_deviation(double squares) {
  if (empty()) return;
  const double lost = std::pow(static_cast<double>(censored_.bound) - mean_, 2);
  squares = std::max(squares, 0.0) + static_cast<double>(censored_.count) * lost;
  deviation_ = std::sqrt(squares / static_cast<double>(count()));
}

double Percentiles::censored_sum() const {
  return static_cast<double>(censored_.count) * static_cast<double>(censored_.bound);
}

/// From 1. @param percent of all
std::size_t Percentiles::rank(double percent) const {
  // 99.9 % of 1000 is 999.0000000000001 in binary, and of 17 million it is off by more: a rank must not
  // depend on that.
  constexpr double kRounding = 1e-14;
  const double rank = std::ceil(percent / 100 * static_cast<double>(count()) * (1 - kRounding));
  return std::min(static_cast<std::size_t>(std::max(rank, 1.0)), count());
}

std::int64_t Percentiles::at(double percent) const {
  if (empty()) return 0;
  const auto wanted = rank(percent);
  if (wanted == count()) return max();
  if (wanted > measured()) return bound();
  return std::ranges::lower_bound(entries_, wanted, {}, &Entry::up_to)->value;
}

bool Percentiles::is_bound(double percent) const { return !empty() && rank(percent) > measured(); }

std::int64_t Percentiles::max() const { return censored_.count > 0 ? bound() : max_; }

std::int64_t Percentiles::bound() const { return std::max(censored_.bound, max_); }

std::size_t Percentiles::count_up_to(std::int64_t value) const {
  if (value >= max()) return count();
  const auto behind = std::ranges::upper_bound(entries_, value, {}, &Entry::value);
  return behind == entries_.begin() ? 0 : std::prev(behind)->up_to;
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
