#pragma once

#include <ctime>
#include <optional>
#include <string>
#include <string_view>

namespace quartet::http {

/// "Sun, 06 Nov 1994 08:49:37 GMT": IMF-fixdate (RFC 9110, 5.6.7).
/// @param unix_seconds from year 1 to 9999
std::string format_http_date(std::time_t unix_seconds);

/// All three formats of RFC 9110, 5.6.7; nothing for anything else.
std::optional<std::time_t> parse_http_date(std::string_view text);

/// "Date: ...\r\n" for an answer, formatted once a second and thread. Valid until the thread's next call.
std::string_view date_line(std::time_t unix_seconds);

}  // namespace quartet::http
