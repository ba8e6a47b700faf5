#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace quartet::app {

/// A whole number of digits and nothing else; nothing for any other text. More than 64 bits hold counts as
/// the most that they do.
std::optional<std::uint64_t> parse_digits(std::string_view text);

/// A whole number in that range, both ends included. @throws std::invalid_argument with a sentence for
/// anything else; it says what to write in place of "10k" or "1MiB"
std::size_t parse_number(std::string_view text, std::size_t least, std::size_t most);

}  // namespace quartet::app
