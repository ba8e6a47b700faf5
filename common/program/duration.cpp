#include "common/program/duration.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <stdexcept>

#include "common/program/number.h"

namespace quartet::app {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kLongest = seconds(1'000'000);  // far above any use, and far below where sums overflow

/// A bare 0 needs no unit.
std::optional<milliseconds> parse_unit(std::string_view unit, std::uint64_t number) {
  if (unit == "h") return std::chrono::hours(1);
  if (unit == "m") return std::chrono::minutes(1);
  if (unit == "s") return seconds(1);
  if (unit == "ms" || (unit.empty() && number == 0)) return milliseconds(1);
  return std::nullopt;
}

}  // namespace

milliseconds parse_duration(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = parse_digits(text.substr(0, digits));
  const auto unit = number ? parse_unit(text.substr(digits), *number) : std::nullopt;
  if (!unit || *number > static_cast<std::uint64_t>(kLongest / *unit)) {
    throw std::invalid_argument(fmt::format(
        "\"{}\" is not a whole number of ms, s, m or h, such as 250ms or 10s (at most {}s; 0 is unlimited)",
        text, kLongest / seconds(1)));
  }
  return *unit * static_cast<std::int64_t>(*number);
}

std::string format_duration(milliseconds duration) {
  if (duration % seconds(1) == milliseconds(0)) return fmt::format("{}s", duration / seconds(1));
  return fmt::format("{}ms", duration.count());
}

}  // namespace quartet::app
