#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/http/limits.h"
#include "common/http/message.h"
#include "common/http/moment.h"
#include "common/http/output_queue.h"
#include "common/http/pooled.h"
#include "common/http/request_parser.h"
#include "common/http/router.h"
#include "common/http/serializer.h"
#include "common/http/slot.h"

namespace quartet::http {

/// What a connection wants its model to do next.
enum class Want : std::uint8_t {
  read,   ///< wait for bytes, then on_bytes, on_eof or (past the deadline) on_tick
  run,    ///< call run()
  write,  ///< send output(), then on_written
  sleep,  ///< wait until deadline(), then on_tick
  close,  ///< close the socket and drop the connection
};

/// What every connection of a server shares.
struct Service {
  const Router& router;
  Limits limits;
  /// Answers to pipelined requests that may gather before they are sent. Process per request needs 1.
  std::size_t batch_requests = 64;
};

/// The conversation with one client, without its socket (sans-I/O): it is given bytes and times, and says
/// which bytes to send and what to do next. A model loops over want(). All that it may do next follows from
/// the state here; nothing calls back.
class Connection {
 public:
  Connection(const Service& service, Slot& slot, Moment now);
  ~Connection();
  Connection(const Connection&) = delete;  // llhttp points back into the parser
  Connection& operator=(const Connection&) = delete;

  /// @name Events
  /// @{
  /// Only while want() is read. The bytes are copied where they are still needed.
  void on_bytes(std::string_view bytes, Moment now);
  /// The peer sends no more; what it asked for is still answered.
  void on_eof(Moment now);
  /// @param count bytes of output() that were sent, counted across bytes and file
  void on_written(std::size_t count, Moment now);
  /// Only while awaits_acknowledgement(). What the kernel has taken is no progress of the peer: the kernel
  /// takes megabytes for a peer that reads nothing.
  /// @param bytes were written, and the peer has not acknowledged them yet (SIOCOUTQ, tcp(7))
  void on_unacknowledged(std::uint64_t bytes, Moment now);
  /// Looks at the deadline; call it as often as you like.
  void on_tick(Moment now);
  /// Nobody can run the request in hand: 503, the last answer. Only while want() is run.
  void on_overload(std::string_view why, Moment now);
  /// Sticky: the answer in hand, or the next one, is the last; without a request for 100 ms it closes.
  void on_shutdown(Moment now);
  /// @}

  /// The only place where application code runs: a handler, or a stream's next part. Only while want() is
  /// run.
  void run(Moment now);
  /// Another process ran and wrote the request in hand. Only while want() is run.
  /// @param keep_alive whether that answer left the connection open
  void on_answered(bool keep_alive, Moment now);
  /// This process is a fork of the one that owned the connection: account to its own slot from here on.
  void on_forked(Slot& slot);
  /// Another thread goes on with the connection, and accounts to its own slot. The phase stays what it is, in
  /// the slot of the thread that gave it away.
  void on_lent(Slot& worker);
  /// It is back with that thread. The time between does not count against the peer.
  void on_returned(Moment now);
  /// Another thread goes on with the connection for good: its slot counts it from here on. Called by that
  /// thread, also in the middle of a run().
  void on_moved(Slot& worker);

  Want want() const;
  /// The next run() is not known to take microseconds (Route::quick). Only while want() is run.
  bool may_block() const;
  Output output() const { return output_.pending(); }
  /// When on_tick() has something to do; TimePoint::max() for never.
  TimePoint deadline() const;
  /// The answer begun by the last run(), or a refusal or 100 (Continue) of the parser's, is not completely
  /// written.
  bool answering() const;
  /// The last answer is sent: half-close now (shutdown(SHUT_WR)); input is discarded until EOF or the
  /// deadline, because a plain close would let a reset overtake the answer (RFC 9112, 9.6).
  bool finishing() const;
  /// The client itself asked for the close: while finishing(), the socket may be closed plainly as soon as
  /// the client has acknowledged all, and has sent nothing that is unread.
  bool dismissed() const { return closing_ == Closing::plainly; }
  /// The deadline depends on what the peer acknowledges: on_unacknowledged() before on_tick().
  bool awaits_acknowledgement() const { return want() == Want::write || finishing(); }

 private:
  /// What becomes of the socket once the output has left.
  enum class Closing : std::uint8_t { no, plainly, lingering, at_once };

  /// The moment of a change. Every private function that changes the conversation takes one, so that no
  /// public one can do without; when it ends, the slot shows the phase that the connection is in now.
  struct Event : Moment {
    Event(Connection& connection, Moment now) : Moment(now), connection_(connection) {}
    ~Event() { connection_.publish_phase(); }
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;

   private:
    Connection& connection_;
  };

  bool request_ready() const;
  bool may_run() const;
  bool is_quick() const;
  bool has_handler() const;
  TimePoint read_deadline() const;

  void take_place_in(Slot& slot);
  std::optional<Phase> phase() const;
  void publish_phase();

  std::size_t receive(std::string_view bytes, const Event& event);
  void on_head(bool body_has_begun, const Event& event);
  void prolong_body_deadline(std::uint64_t received, const Event& event);
  void continue_with_input(const Event& event);

  std::optional<Response> answer_without_handler() const;
  Outcome handle_request();
  void begin_answer(const Response& response, const Event& event);
  void begin_answer(Delay delay, const Event& event);
  void begin_answer(FileResponse response, const Event& event);
  void begin_answer(Stream stream, const Event& event);
  std::string& append_answer_head(const Response& response, Framing framing, std::uint64_t length,
                                  const Event& event);
  void append_next_part(const Event& event);
  void end_request(bool keep_alive, const Event& event);

  void check_deadline(const Event& event);
  void wake_up(const Event& event);
  void give_up_reading(const Event& event);
  void fail(const Rejection& rejection, const Event& event);
  void fail(const Response& response, const Event& event);

  const Service& service_;
  Slot* slot_ = nullptr;   // of whoever goes on with the connection
  Slot* owner_ = nullptr;  // counts it in its phase; another slot only while the connection is lent
  RequestParser parser_;
  const Route* route_ = nullptr;  // of the request in hand; null: 404 or OPTIONS *
  Pooled<std::string> input_;     // received behind the request in hand
  std::size_t input_taken_ = 0;   // of input_

  OutputQueue output_;
  std::optional<Response> delayed_;  // due at wake_
  std::optional<Stream> stream_;     // its next part is due at wake_, or now
  std::optional<TimePoint> wake_;
  bool answer_keeps_alive_ = true;  // as its Connection field says

  TimePoint since_;  // of what read waits for: a first byte, a head, EOF
  TimePoint body_deadline_;
  std::size_t answered_ = 0;  // requests of this connection
  Closing closing_ = Closing::no;
  bool eof_ = false;
  bool shutdown_ = false;
  std::optional<Phase> published_;
};

}  // namespace quartet::http
