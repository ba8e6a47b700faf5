#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace quartet::test {

inline constexpr std::string_view kVersion = "HTTP/1.1 ";

/// A response as a client reads it (RFC 9112, 4 and 6), with a body that is no longer chunked.
struct Answer {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body;

  /// The only field of that name; nothing when there is none. @throws Malformed when there are several
  std::optional<std::string> field(std::string_view name) const;
};

/// What no client would understand.
struct Malformed : std::runtime_error {
  using runtime_error::runtime_error;
};
/// Understood so far.
struct Incomplete : std::runtime_error {
  using runtime_error::runtime_error;
};

/// Whether the answer has the body of which its fields speak.
enum class Body { expected, none, guess };

/// Takes an answer off the front of `bytes`. Without a length its body extends to the end.
/// @throws Malformed, Incomplete
Answer take_answer(std::string_view& bytes, Body body = Body::expected);

/// Takes the only answer. @throws Malformed when bytes are left
Answer only_answer(std::string_view bytes, Body body = Body::expected);

/// The statuses of all answers, guessing which are to HEAD: those behind whose head the next answer starts.
/// Only for answers whose bodies do not look like one.
std::vector<int> statuses(std::string_view bytes);

/// Without interim answers, 100 (Continue), whose place depends on when the body came. Each is told by where
/// it stands, not by its text, which a body may contain.
/// @param bodies of the final answers, in order; what is missing is expected. @throws Malformed, Incomplete
std::string without_interim(std::string_view bytes, const std::vector<Body>& bodies = {});

}  // namespace quartet::test
