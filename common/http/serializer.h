#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>

#include "common/http/message.h"
#include "common/http/slot.h"

namespace quartet::http {

/// How a body ends on the wire (RFC 9112, 6).
enum class Framing : std::uint8_t { length, chunked, until_close };

struct Head {
  const Response& response;
  Framing framing = Framing::length;
  std::uint64_t length = 0;     ///< of the body, for Framing::length
  std::string_view connection;  ///< "close", "keep-alive" or "" for no Connection field
  const Slot* worker =
      nullptr;  ///< who answers, where the request asked for that: "Quartet-Worker: PID/SLOT"
};

/// Appends status line, fields and the empty line. 1xx, 204 and 304 get no Content-Length (RFC 9110, 8.6).
void append_head(std::string& output, const Head& head, std::time_t unix_seconds);

/// Appends one chunk, or the last one for an empty part (RFC 9112, 7.1).
void append_chunk(std::string& output, std::string_view part);
void append_last_chunk(std::string& output);

/// 1xx, 204 and 304 end with their head (RFC 9112, 6.3).
bool has_body(int status);

}  // namespace quartet::http
