#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <span>
#include <vector>

#include "loadtest/pace/histogram.h"

namespace quartet::pace {

/// Requests that were never answered. Their times are not known; each is longer than all that were measured,
/// and no shorter than `bound`: what they were waited for.
struct Censored {
  std::size_t count = 0;
  std::int64_t bound = 0;  ///< nanoseconds
};

/// Percentiles of all values, none of which is rounded to a bucket here.
class Percentiles {
 public:
  Percentiles() = default;  ///< of nothing
  /// @param values in nanoseconds, in any order
  explicit Percentiles(std::vector<std::int64_t> values, Censored censored = {});
  /// Of a closed loop: values with three digits; mean, deviation, least and greatest are exact.
  explicit Percentiles(const Histogram& histogram, Censored censored = {});

  bool empty() const { return count() == 0; }
  std::size_t count() const { return measured() + censored_.count; }  ///< with those that are censored
  std::size_t censored() const { return censored_.count; }
  /// The least value that `percent` % of all do not exceed (nearest rank); 0 when there is none. Where that
  /// is among those never answered: what it exceeds, see is_bound().
  std::int64_t at(double percent) const;
  /// The value at that level is not known: it is greater than at().
  bool is_bound(double percent) const;
  std::int64_t min() const { return at(0); }
  std::int64_t max() const;
  double mean() const { return mean_; }            ///< at least, when some are censored
  double deviation() const { return deviation_; }  ///< standard deviation of the values at hand
  /// How many values do not exceed that one.
  std::size_t count_up_to(std::int64_t value) const;

  /// A value that was measured.
  struct Entry {
    std::int64_t value;
    std::size_t up_to;  ///< how many do not exceed it
  };
  /// In ascending order of the values.
  std::span<const Entry> entries() const { return entries_; }

 private:
  std::size_t measured() const { return entries_.empty() ? 0 : entries_.back().up_to; }
  std::size_t rank(double percent) const;
  std::int64_t bound() const;
  double censored_sum() const;
  void set_mean(double sum);
  void set_deviation(double squares);

  std::vector<Entry> entries_;
  Censored censored_;
  std::int64_t max_ = 0;
  double mean_ = 0;
  double deviation_ = 0;
};

/// The text that HdrHistogram's tools and plotters read (its "percentile distribution"), in milliseconds.
/// Steps halve the distance to 100 % five ticks at a time, as outputPercentileDistribution does. Who was
/// never answered stands at the end, with the bound.
void write_histogram(std::ostream& out, const Percentiles& percentiles);

}  // namespace quartet::pace
