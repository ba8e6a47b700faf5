#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace quartet::app {

/// "10s", "250ms", "5m", "1h", "0". @throws std::invalid_argument with a sentence for anything else
std::chrono::milliseconds parse_duration(std::string_view text);
/// As parse_duration takes it.
std::string format_duration(std::chrono::milliseconds duration);

}  // namespace quartet::app
