#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "common/http/message.h"
#include "common/program/command_line.h"
#include "loadtest/pace/schedule.h"

// The command line's words as values. What is none throws a UsageError that begins with the option.
namespace quartet::pace {

inline constexpr auto kDefaultTarget = "/plaintext";

template <typename... Arguments>
[[noreturn]] void reject(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  throw app::UsageError(fmt::format(format, std::forward<Arguments>(arguments)...));
}

/// @param least of what is allowed; the most is a day
Nanoseconds to_time(std::string_view option, const std::string& text, Nanoseconds least);
/// From 0 to that.
double to_number(std::string_view option, std::string_view text, double most);
/// From 1 to that.
std::size_t to_count(std::string_view option, const std::string& text, std::size_t most);
http::Method to_method(std::string_view option, std::string_view text);
/// @return the same one
const std::string& check_target(const std::string& target);
/// "100ms:/json": the word, and the target that may stand behind it.
std::pair<std::string, std::string> split_target(const std::string& text);

}  // namespace quartet::pace
