#pragma once

#include <llhttp.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/http/limits.h"
#include "common/http/message.h"
#include "common/http/pooled.h"

namespace quartet::http {

/// Why a request cannot be served: the status to answer it with before closing (RFC 9112, 2.2).
struct Rejection {
  int status = 0;  ///< 0: none
  std::string_view detail;

  explicit operator bool() const { return status != 0; }
};

/// llhttp behind a strict line reader: framing (request line, field lines, chunk sizes, trailers) is collected line by
/// line, checked against RFC 9112's grammar, and only then fed to llhttp, which never sees a byte beyond the message.
class RequestParser {
 public:
  explicit RequestParser(const Limits& limits);
  RequestParser(const RequestParser&) = delete;  // llhttp points back
  RequestParser& operator=(const RequestParser&) = delete;

  /// Takes bytes up to the end of the head, up to the end of the message, or all.
  /// @return how many it took; after a rejection the rest is meaningless
  std::size_t feed(std::string_view bytes);
  /// Ready for the next request; gives all buffers back.
  void reset();

  /// A byte of any kind has come, also of a stray empty line (RFC 9112, 2.2).
  bool started() const { return started_; }
  bool head_complete() const { return head_complete_; }
  bool complete() const { return complete_; }
  const Rejection& rejection() const { return rejection_; }

  /// Valid from head_complete() on; its body from complete() on.
  const Request& request() const { return request_; }
  /// The method was read and is HEAD: an error must have no body, whatever else is wrong.
  bool is_head() const { return is_head_; }
  bool keep_alive() const { return keep_alive_; }
  bool expects_continue() const { return expects_continue_; }
  /// There is a body, and not all of it has come.
  bool awaits_body() const { return head_complete_ && !complete_; }
  /// Body bytes received, for a deadline that grows with them.
  std::uint64_t body_received() const { return body_received_; }
  /// The body will be thrown away instead of kept; the limit still counts.
  void discard_body() { discard_body_ = true; }

 private:
  /// What a request needs besides this object; an idle connection has none.
  struct Storage {
    std::string head;
    std::string line;  // of a chunk size or trailer
    std::string body;
    std::string path;  // percent-decoded
    std::vector<Field> fields;
  };
  friend void recycle(Storage& storage);

  enum class Part : std::uint8_t { head, body, chunk_size, chunk_data, chunk_end, trailers };
};

}  // namespace quartet::http
