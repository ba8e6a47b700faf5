#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/http/file_range.h"
#include "common/http/limits.h"
#include "common/http/moment.h"
#include "common/http/pooled.h"

namespace quartet::http {

/// What is to be sent: the bytes first, then the file.
struct Output {
  std::string_view bytes;
  const FileRange* file;  ///< may be null
};

/// The answers of a connection that have not been sent yet, and until when the peer must take them.
class OutputQueue {
 public:
  /// @param limits outlive the queue
  explicit OutputQueue(const Limits& limits) : limits_(limits) {}

  /// The buffer, to append to. When the queue is empty, the peer's time begins now.
  std::string& begin(TimePoint now);
  /// Behind the bytes. Nothing may be appended before the file is sent.
  void append_file(FileRange file);
  /// What was appended since the last answer is a whole answer.
  void end_answer() { ++answers_; }

  bool empty() const { return !(bytes_ && bytes_->size() > sent_) && !file_; }
  /// Whether another answer may join the ones that wait, in one send. Only while it is not empty.
  /// @param most_answers that may wait
  bool has_room(std::size_t most_answers) const;
  bool ends_with_file() const { return file_.has_value(); }
  Output pending() const;

  /// @param count bytes of pending() that were sent, counted across bytes and file
  void on_written(std::size_t count);
  /// @param bytes of all that was written, so many are not acknowledged yet (SIOCOUTQ, tcp(7))
  /// @return whether the peer has acknowledged any since the last call; then its deadline is further away
  bool on_unacknowledged(std::uint64_t bytes, TimePoint now);
  /// The peer's time begins again, because so far it has waited for us.
  void renew(TimePoint now) { deadline_ = now + limits_.write_timeout; }
  /// When the peer has taken too long. Only while it is not empty.
  TimePoint deadline() const { return deadline_; }

 private:
  const Limits& limits_;
  Pooled<std::string> bytes_;
  std::size_t sent_ = 0;           // of bytes_
  std::optional<FileRange> file_;  // behind bytes_
  std::size_t answers_ = 0;        // complete ones since the queue was empty
  std::uint64_t in_flight_ = 0;    // written since then, and not yet known to be acknowledged
  TimePoint deadline_;
};

}  // namespace quartet::http
