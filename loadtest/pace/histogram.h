#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace quartet::pace {

/// Half up, to three significant digits: 1234 and 1235 become 1230 and 1240, what has three digits stays.
std::int64_t rounded(std::int64_t nanoseconds);

/// How often there was each value, rounded(). Its memory does not depend on how many there are, and add()
/// allocates nothing.
class Histogram {
 public:
  Histogram();

  /// @param nanoseconds from 0 to 10^15, some 11 days; what lies beyond counts as the nearest of these
  void add(std::int64_t nanoseconds);

  std::uint64_t count() const { return count_; }
  double sum() const { return sum_; }          ///< of the values themselves
  double squares() const { return squares_; }  ///< the sum of theirs
  std::int64_t min() const { return min_; }    ///< unrounded, as is max(); 0 when there is none
  std::int64_t max() const { return max_; }
  /// (rounded value, how many), in ascending order.
  std::vector<std::pair<std::int64_t, std::uint64_t>> entries() const;

 private:
  std::vector<std::uint64_t> counts_;
  std::uint64_t count_ = 0;
  double sum_ = 0;
  double squares_ = 0;
  std::int64_t min_ = 0;
  std::int64_t max_ = 0;
};

}  // namespace quartet::pace
