#include "loadtest/pace/values.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <stdexcept>

#include "common/program/duration.h"

namespace quartet::pace {
namespace {

constexpr Nanoseconds kLongest = std::chrono::hours(24);

bool is_target(std::string_view text) {
  return text.starts_with('/') && std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7f'; });
}

}  // namespace

Nanoseconds to_time(std::string_view option, const std::string& text, Nanoseconds least) try {
  const Nanoseconds time = app::parse_duration(text);
  if (time < least || time > kLongest)
    reject("{}: \"{}\" is not a time from {} to 86400s", option, text,
           app::format_duration(std::chrono::duration_cast<std::chrono::milliseconds>(least)));
  return time;
} catch (const std::invalid_argument& error) {
  reject("{}: {}", option, error.what());
}

double to_number(std::string_view option, std::string_view text, double most) {
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (error != std::errc{} || rest != end || !(number >= 0) || number > most)
    reject("{}: \"{}\" is not a number from 0 to {:.0f}", option, text, most);
  return number;
}

std::size_t to_count(std::string_view option, const std::string& text, std::size_t most) {
  std::size_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || rest != end || number < 1 || number > most)
    reject("{}: \"{}\" is not a number from 1 to {}", option, text, most);
  return number;
}

http::Method to_method(std::string_view option, std::string_view text) {
  if (const auto method = http::parse_method(text)) return *method;
  reject("{}: \"{}\" is not one of GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS", option, text);
}

const std::string& check_target(const std::string& target) {
  if (!is_target(target)) reject("\"{}\" is not a request target such as /plaintext", target);
  return target;
}

std::pair<std::string, std::string> split_target(const std::string& text) {
  const auto colon = text.find(':');
  if (colon == std::string::npos) return {text, kDefaultTarget};
  return {text.substr(0, colon), check_target(text.substr(colon + 1))};
}

}  // namespace quartet::pace
