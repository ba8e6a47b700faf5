#pragma once

#include <llhttp.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/http/grammar.h"
#include "common/http/limits.h"
#include "common/http/message.h"
#include "common/http/pooled.h"

namespace quartet::http {

/// llhttp behind a strict line reader. Framing (request line, field lines, chunk sizes, trailers) is
/// collected line by line and checked against RFC 9112 before llhttp sees it, and llhttp never sees a byte
/// beyond the message. Where the two disagree about a body's length the request is rejected: that is how
/// smuggling starts.
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
  bool started() const { return message_.started; }
  /// More than stray empty lines has come.
  bool in_request() const { return storage_ && !storage_->head.empty() && storage_->head != "\r"; }
  bool head_complete() const { return message_.head_complete; }
  bool complete() const { return message_.complete; }
  const Rejection& rejection() const { return rejection_; }

  /// Valid from head_complete() on; its body from complete() on.
  const Request& request() const { return request_; }
  /// The method was read and is HEAD: an error must have no body, whatever else is wrong.
  bool is_head() const { return message_.is_head; }
  /// The client lets the connection persist (RFC 9112, 9.3).
  bool keep_alive() const { return !message_.close && (request_.minor_version > 0 || message_.keep_alive); }
  /// The client waits for 100 (Continue) before it sends the body (RFC 9110, 10.1.1).
  bool expects_continue() const { return message_.expects_continue; }
  /// The client wants to know which worker answers: "Quartet-Worker: ?".
  bool asks_for_worker() const { return message_.asks_for_worker; }
  /// Body bytes received, for a deadline that grows with them.
  std::uint64_t body_received() const { return message_.body_received; }
  /// The body will be thrown away instead of kept; the limit still counts.
  void discard_body() { message_.discard_body = true; }

 private:
  /// What a request needs besides this object; an idle connection has none.
  struct Storage {
    std::string head;
    std::string line;  // of a chunk size, a chunk's end or a trailer
    std::string body;
    std::string path;  // percent-decoded
    std::vector<Field> fields;

    friend void recycle(Storage& storage) {
      using http::recycle;  // of a string
      storage.head.clear();
      storage.line.clear();
      storage.path.clear();
      storage.fields.clear();
      recycle(storage.body);
    }
  };

  enum class Part : std::uint8_t { head, sized_body, chunk_size, chunk_data, chunk_end, trailers };

  std::size_t feed_part(std::string_view bytes);
  std::size_t feed_head(std::string_view bytes);
  std::size_t feed_line(std::string_view bytes);
  std::size_t feed_data(std::string_view bytes);

  static bool may_be_line(std::string_view line, Part part);
  void check_unfinished(std::string_view line);
  void end_head_line();
  void end_request_line(std::string_view line);
  void end_field_line(std::string_view line);
  void end_head();
  void end_line();
  void end_chunk_size(std::string_view line);
  void end_trailer(std::string_view line);

  bool count_field_bytes(std::size_t bytes);
  void note_field(const Field& field);
  void note_connection(std::string_view value);
  void note_content_length(std::string_view value);
  void note_transfer_encoding(std::string_view value);
  void note_expectation(std::string_view value);
  void rewrite_value(std::string_view canonical);
  void check_framing();
  void check_host();
  bool describe_request();
  void expect_body();

  void reject(int status, std::string_view detail);
  void execute(std::string_view bytes);

  static const llhttp_settings_t& settings();
  static RequestParser& of(llhttp_t* parser) { return *static_cast<RequestParser*>(parser->data); }

  const Limits& limits_;
  llhttp_t llhttp_;
  Pooled<Storage> storage_;
  Request request_;
  Rejection rejection_;

  /// What is known of the message so far; reset() starts it anew.
  struct Message {
    Part part = Part::head;
    bool started = false;
    bool head_complete = false;
    bool complete = false;
    bool discard_body = false;
    // request line
    bool is_head = false;
    std::size_t method_length = 0;  // 0: no request line yet
    std::size_t target_length = 0;
    // fields
    bool close = false;
    bool keep_alive = false;
    bool expects_continue = false;
    bool expects_other = false;
    bool asks_for_worker = false;
    bool chunked = false;
    bool other_coding = false;
    bool has_transfer_encoding = false;
    std::optional<std::uint64_t> content_length;
    std::size_t hosts = 0;
    std::size_t field_bytes = 0;
    std::size_t field_count = 0;
    std::size_t line_begin = 0;  // in Storage::head
    // body
    std::uint64_t data_left = 0;  // of the sized body or the chunk
    std::uint64_t body_received = 0;
  };
  Message message_;
};

}  // namespace quartet::http
