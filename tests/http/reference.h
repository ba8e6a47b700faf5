#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/http/limits.h"
#include "common/http/router.h"
#include "tests/http/answer.h"

namespace quartet::test {

/// The one final answer that a request is due, or what was to become a request.
struct Due {
  int status = 0;
  std::optional<std::string> body;  ///< as GET gets it; nothing where the handler does not decide about it
  bool to_head = false;
  bool closes = false;        ///< nothing is answered behind it
  bool may_continue = false;  ///< the client waits for 100 (Continue), and may get it first
  bool body_waits = false;    ///< it certainly does, because no byte of the body follows the head
  std::size_t sent = 0;       ///< bytes of the client with which it is due at the latest
  bool refused = false;       ///< by the parser, which need not see all of these bytes
};

/// What bytes are to be answered with.
struct Dues {
  std::vector<Due> answers;
  std::optional<Due>
      unfinished;  ///< bytes are left that are no request yet; status, body, closes mean nothing

  bool closes() const { return !answers.empty() && answers.back().closes; }
};

/// Passes one request after the other through parser and handler, without splits, batches, buffers and time:
/// a client must not see what Connection does beyond that.
Dues due_answers(std::string_view bytes, const http::Limits& limits, const http::Router& router);

/// What may come besides the dues, or instead of them.
struct Licence {
  bool timeouts = false;  ///< 408, or an answer cut short; nothing follows
  bool drain = false;     ///< any answer may be the last
};

/// Reads answers as the client does that sent the requests, one after the other with its own framing, and
/// compares each with its due.
class Audit {
 public:
  explicit Audit(const Dues& dues, Licence licence = {}) : dues_(dues), licence_(licence) {}

  /// @param received whole answers. @throws Malformed, Incomplete, std::logic_error naming the broken rule
  void read(std::string_view received);
  /// So many bytes were sent, and the server has said all that it has to say. @throws std::logic_error
  void expect_all_of(std::size_t sent) const;

  /// 100 (Continue) came exactly where a body was waited for: all bytes were sent together.
  void expect_continues_of_one_piece() const;
  /// The same: each byte was sent alone.
  void expect_continues_of_single_bytes() const;

  /// Without interim ones, whose place depends on when the body came.
  const std::string& final_answers() const { return final_answers_; }
  /// Bytes of the answers that were read, in the last read() up to what it threw.
  std::size_t taken() const { return taken_; }

 private:
  /// Of the request that comes next; null for none.
  const Due* due() const { return due(count_); }
  const Due* due(std::size_t index) const;
  void read_interim(const Answer& answer);
  void read_final(const Answer& answer);

  const Dues& dues_;
  Licence licence_;
  std::size_t count_ = 0;
  std::size_t taken_ = 0;
  bool closed_ = false;
  std::vector<bool> continued_{false};  // by request
  std::string final_answers_;
};

}  // namespace quartet::test
