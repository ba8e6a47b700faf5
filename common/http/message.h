#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/http/file_range.h"

namespace quartet::http {

/// The methods that a route can have; every other one is answered 501 (RFC 9110, 9.1).
enum class Method : std::uint8_t { get, head, post, put, patch, delete_, options };
inline constexpr Method kMethods[] = {Method::get,   Method::head,    Method::post,   Method::put,
                                      Method::patch, Method::delete_, Method::options};

/// "GET" ... as on the wire.
std::string_view to_string(Method method);
/// Methods are case-sensitive (RFC 9110, 9.1); nothing for the ones we do not implement.
std::optional<Method> parse_method(std::string_view token);

/// ASCII comparison without case, as for field names (RFC 9110, 5.1).
bool equals_ignoring_case(std::string_view left, std::string_view right);
/// Strips optional white space, SP and HTAB (RFC 9110, 5.6.3).
std::string_view trim(std::string_view text);
/// Percent-decodes (RFC 3986, 2.1); nothing when a % is not followed by two hexadecimal digits. `+` stays.
std::optional<std::string> percent_decode(std::string_view text);

/// A field line (RFC 9110, 5): views into the request's head.
struct Field {
  std::string_view name;
  std::string_view value;  ///< without surrounding white space
};

/// A complete request. Its views live until the handler has returned.
struct Request {
  Method method = Method::get;
  std::string_view target;  ///< as received
  std::string_view path;    ///< percent-decoded; "*" for OPTIONS *
  std::string_view query;   ///< as received, without the "?"
  int minor_version = 1;    ///< HTTP/1.0 or HTTP/1.1
  std::span<const Field> fields;
  std::string_view body;

  /// The first field of that name, without case.
  std::optional<std::string_view> header(std::string_view name) const;
  /// The decoded value of the first query parameter of that name ("a=1&b=2"); "" where it has no "=".
  std::optional<std::string> parameter(std::string_view name) const;
};

/// An answer with a length. `content_type` must outlive the answer (a literal).
struct Response {
  int status = 200;
  std::string_view content_type = "text/plain; charset=utf-8";
  std::string body{};
  std::vector<std::pair<std::string_view, std::string>> fields{};  ///< further field lines
};

/// "text/plain" with a status: how every error is answered. `detail` ends in no newline.
Response text_response(int status, std::string_view detail);

/// The response, but not before `duration` has passed; the model waits, not the handler.
struct Delay {
  std::chrono::milliseconds duration;
  Response response;
};

/// A response whose body is (part of) a file; its own `body` is ignored.
struct FileResponse {
  Response response;
  FileRange file;
};

/// A response without a known length: chunked, or close-delimited to HTTP/1.0 (RFC 9112, 7.1 and 6.3).
struct Stream {
  Response response;
  /// Appends the next part. @return whether another one follows
  std::function<bool(std::string&)> next;
  std::chrono::milliseconds interval{0};  ///< pause before every part but the first
};

using Outcome = std::variant<Response, Delay, FileResponse, Stream>;

/// "OK" for 200, "" for a status that we do not know (RFC 9110, 15).
std::string_view reason_phrase(int status);

}  // namespace quartet::http
