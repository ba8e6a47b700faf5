#include "loadtest/pace/histogram.h"

#include <algorithm>

namespace quartet::pace {
namespace {

constexpr std::int64_t kLeast = 100, kMost = 1000;  // a value of three digits is from here to below there
constexpr std::int64_t kGreatest = 1'000'000'000'000'000;
constexpr std::size_t kPowers = 14;  // of ten, which the digits of the greatest value are multiplied with

/// Three digits, and the power of ten.
struct Decimal {
  std::int64_t digits;
  std::int64_t power;
  std::size_t exponent;
};

Decimal decimal(std::int64_t value) {
  Decimal found{.digits = value, .power = 1, .exponent = 0};
  for (; value / found.power >= kMost; ++found.exponent) found.power *= 10;
  found.digits = (value + found.power / 2) / found.power;
  return found;  // the digits may be 1000: the same value as 100 of the next power
}

}  // namespace

std::int64_t rounded(std::int64_t nanoseconds) {
  const auto [digits, power, exponent] = decimal(nanoseconds);
  return digits * power;
}

// The place of a value with an exponent above 0 is behind those of all lesser exponents, 900 for each. 1000
// digits are 900 places behind 100, where 100 of the next exponent are.
Histogram::Histogram() : counts_(kMost + kPowers * (kMost - kLeast)) {}

void Histogram::add(std::int64_t nanoseconds) {
  const auto value = std::clamp<std::int64_t>(nanoseconds, 0, kGreatest);
  const auto [digits, power, exponent] = decimal(value);
  ++counts_[static_cast<std::size_t>(digits) + exponent * (kMost - kLeast)];
  const auto exact = static_cast<double>(value);
  sum_ += exact;
  squares_ += exact * exact;
  min_ = count_ == 0 ? value : std::min(min_, value);
  max_ = std::max(max_, value);
  ++count_;
}

std::vector<std::pair<std::int64_t, std::uint64_t>> Histogram::entries() const {
  std::vector<std::pair<std::int64_t, std::uint64_t>> found;
  std::int64_t value = 0, step = 1;
  for (const auto count : counts_) {
    if (count > 0) found.emplace_back(value, count);
    value += step;
    if (value == kMost * step) step *= 10;
  }
  return found;
}

}  // namespace quartet::pace
