#pragma once

#include <chrono>
#include <cstddef>
#include <limits>

namespace quartet::http {

/// No limit: more than anything that is counted here. Half of what the type holds, so that sums with it do
/// not overflow.
inline constexpr std::size_t kUnlimited = std::numeric_limits<std::size_t>::max() / 2;
/// No timeout: longer than any server runs. Added to a time since boot it does not overflow.
inline constexpr std::chrono::milliseconds kForever = std::chrono::years(100);

/// What one client may cost. The same in every model. Each may be kUnlimited or kForever.
struct Limits {
  /// Bytes of the request line without its CRLF; RFC 9112, 3 asks for at least 8000. Above: 414, or 501 when
  /// the method alone is longer.
  std::size_t max_request_line = 8192;
  /// Bytes of all field lines (and of trailers and chunk extensions, which an attacker can repeat as well):
  /// four times what browsers send with large cookies. Above: 431.
  std::size_t max_header_bytes = 32768;
  /// Field lines of a request, head and trailers together; bounds the work of looking one up. As in Apache
  /// (LimitRequestFields).
  std::size_t max_headers = 100;
  /// Bytes of a request body, which is buffered whole: what one connection may make a worker hold. Above:
  /// 413.
  std::size_t max_body = 1 << 20;
  /// Connections open at a time, over all workers; then the server stops accepting and clients wait in the
  /// kernel's queue. Below the usual hard limit of descriptors.
  std::size_t max_connections = 10000;
  /// Requests answered on one connection before it is closed; gives waiting clients a turn in a blocking
  /// pool.
  std::size_t max_requests_per_connection = 1000;
  /// From the first byte of any kind (or from accept, for the first request) to the end of the head: a client
  /// that sends a byte now and then cannot hold a worker for ever.
  std::chrono::milliseconds header_timeout{10'000};
  /// From the end of the head to the end of the body. Received bytes / min_body_rate prolong it, but never to
  /// more than a whole timeout from now: a burst does not pay for a long pause after it.
  std::chrono::milliseconds body_timeout{10'000};
  /// Bytes a second that a body (and a reader of our answer) must make to prolong its deadline: slow links
  /// pass, one byte a second does not. With kUnlimited nothing prolongs it.
  std::size_t min_body_rate = 500;
  /// Between an answer and the next request's first byte; a blocking worker that waits for an idle client
  /// serves nobody else.
  std::chrono::milliseconds keep_alive_timeout{5'000};
  /// From the first byte of an answer that could not be sent at once; prolonged like body_timeout, by bytes
  /// that the peer has acknowledged. A client that reads nothing for so long is cut, even if the kernel has
  /// taken bytes for it.
  std::chrono::milliseconds write_timeout{10'000};
  /// From the first SIGTERM until the connections that are left are cut.
  std::chrono::milliseconds drain_timeout{10'000};
};

}  // namespace quartet::http
