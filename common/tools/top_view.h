#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/tools/watch.h"

namespace quartet::app {

/// Which workers come first, and so stay in sight where there are more than lines.
enum class Sort : std::uint8_t { slot, rate, requests, since, pid };
inline constexpr std::array<std::string_view, 5> kSorts{"slot", "rate", "requests", "since", "pid"};

enum class Style : std::uint8_t { plain, title, alert, heading, faint };

/// One line on the screen: printable ASCII, never longer than the display's width.
struct Line {
  std::string text;
  Style style = Style::plain;
};

struct Display {
  std::size_t width = 80;
  std::optional<std::size_t> rows = std::nullopt;  ///< of a terminal with keys; none: as many as it takes
  Sort sort = Sort::slot;
  std::chrono::milliseconds interval{1'000};
};

/// What quartet-top shows. A pure function.
/// @param before an earlier look, for the rates; null, or of another server: they are averages since the
/// start
std::vector<Line> render(const Look& look, const Look* before, const Display& display);

/// In at most so many characters (three or more), rounded down: "999", "1k", "99k", ".1M".
std::string compact(std::uint64_t number, std::size_t width);
/// In at most five characters, rounded down: "12ms", "1.2s", "59s", "3m", "23h", "12d".
std::string format_age(std::chrono::nanoseconds age);

}  // namespace quartet::app
