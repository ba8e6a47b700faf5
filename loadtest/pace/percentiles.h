#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <vector>

namespace quartet::pace {

/// Exact percentiles: every value is kept, none is rounded to a bucket.
class Percentiles {
 public:
  /// @param values in nanoseconds, in any order
  explicit Percentiles(std::vector<std::int64_t> values);

  bool empty() const { return sorted_.empty(); }
  std::size_t count() const { return sorted_.size(); }
  /// The least value that `percent` % of all do not exceed (nearest rank); 0 when there is none.
  std::int64_t at(double percent) const;
  std::int64_t min() const { return at(0); }
  std::int64_t max() const { return at(100); }
  double mean() const { return mean_; }
  double deviation() const { return deviation_; }  ///< standard deviation of the values at hand
  /// How many values do not exceed that one.
  std::size_t count_up_to(std::int64_t value) const;

 private:
  std::vector<std::int64_t> sorted_;
  double mean_ = 0;
  double deviation_ = 0;
};

/// The text that HdrHistogram's tools and plotters read (its "percentile distribution"), in milliseconds.
/// Steps halve the distance to 100 % five ticks at a time, as outputPercentileDistribution does.
void write_histogram(std::ostream& out, const Percentiles& percentiles);

}  // namespace quartet::pace
