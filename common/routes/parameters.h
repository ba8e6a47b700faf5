#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/http/router.h"

namespace quartet::app {

/// The fallback of a time that has no end when nobody gives one.
inline constexpr std::uint64_t kForEver = std::numeric_limits<std::uint64_t>::max();

/// A query parameter: a whole number from 0 to `most`.
struct Number {
  std::string_view name;
  std::uint64_t fallback;  ///< or kForEver
  std::uint64_t most;
};

/// A query parameter: one of a few words; the first is the default.
struct Choice {
  std::string_view name;
  std::vector<std::string_view> words;
};

using Parameter = std::variant<Number, Choice>;
/// In the order of the parameters; of a Choice, the index of its word.
using Values = std::vector<std::uint64_t>;

/// What of the client's text goes back into an error: quoted, printable, and not too much of it.
std::string quote(std::string_view text);

/// Answers a bad parameter with a 400 that says which and why; `answer` sees good ones only.
http::Handler with_parameters(
    std::vector<Parameter> parameters,
    std::function<http::Outcome(const Values&, const http::Request&, const http::Slot&)> answer);
/// The same for an answer that depends on nothing else.
http::Handler with_parameters(std::vector<Parameter> parameters, http::Outcome (*answer)(const Values&));

/// "Text of that size. n=1024 (at most 16777216)"; "A counter. sync=none (or atomic, mutex)"
std::string summary_of(std::string_view summary, const std::vector<Parameter>& parameters);

}  // namespace quartet::app
