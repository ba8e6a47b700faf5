#include "common/program/number.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <stdexcept>

namespace quartet::app {
namespace {

/// "10k", "1MiB" -> 10240, 1048576; 0 for any other text.
std::size_t spell_out_unit(std::string_view text) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 33;  // so many gibibytes fit into 64 bits
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string_view unit = text.substr(digits);
  const auto number = parse_digits(text.substr(0, digits));
  if (!number || *number > kMost || unit.empty()) return 0;
  const std::string_view rest = unit.substr(1);
  if (!rest.empty() && rest != "B" && rest != "b" && rest != "iB") return 0;
  switch (unit.front()) {
    case 'k':
    case 'K': return *number << 10;
    case 'm':
    case 'M': return *number << 20;
    case 'g':
    case 'G': return *number << 30;
    default: return 0;
  }
}

}  // namespace

std::optional<std::uint64_t> parse_digits(std::string_view text) {
  std::uint64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (rest != end || error == std::errc::invalid_argument) return std::nullopt;
  if (error == std::errc::result_out_of_range) return std::numeric_limits<std::uint64_t>::max();
  return number;
}

std::size_t parse_number(std::string_view text, std::size_t least, std::size_t most) {
  const auto number = parse_digits(text);
  if (number && *number >= least && *number <= most) return *number;
  const std::size_t meant = spell_out_unit(text);
  const bool fits = meant > 0 && meant >= least && meant <= most;
  throw std::invalid_argument(fmt::format("\"{}\" is not a whole number from {} to {}{}", text, least, most,
                                          fits ? fmt::format(": write {}", meant) : ""));
}

}  // namespace quartet::app
