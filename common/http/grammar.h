#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "common/http/message.h"

namespace quartet::http {

/// Why a request cannot be served: the status to answer it with before closing (RFC 9112, 2.2).
struct Rejection {
  int status = 0;  ///< 0: none
  std::string_view detail;

  explicit operator bool() const { return status != 0; }
};

/// method SP request-target SP HTTP-version (RFC 9112, 3)
struct RequestLine {
  std::string_view method;
  std::string_view target;
  int major_version = 0;
  int minor_version = 0;
};

/// The parts of a request-target in origin-form, absolute-form or asterisk-form (RFC 9112, 3.2).
struct Target {
  std::string_view path;   ///< not decoded; "*" in asterisk-form
  std::string_view query;  ///< without the "?"
};

/// The size of a chunk, whose extensions are ignored (RFC 9112, 7.1).
struct ChunkSize {
  std::uint64_t bytes = 0;
  std::string_view digits;
};

// All lines come without their CRLF. Nothing is returned for what the grammar does not allow.

/// Whether the unfinished request line can still become one: its method consists of token characters.
bool may_be_request_line(std::string_view beginning);
std::optional<RequestLine> parse_request_line(std::string_view line);
std::optional<Target> parse_target(Method method, std::string_view target);
/// A field line without obs-fold (RFC 9112, 5).
std::optional<Field> parse_field_line(std::string_view line);
/// uri-host [ ":" port ] (RFC 9110, 7.2); an empty host is valid, user information is not.
bool is_host(std::string_view value);
std::optional<ChunkSize> parse_chunk_size(std::string_view line);

/// Takes the next non-empty element off a comma-separated list (RFC 9110, 5.6.1); "" at its end.
std::string_view next_element(std::string_view& list);

}  // namespace quartet::http
