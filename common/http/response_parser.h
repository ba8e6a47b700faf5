#pragma once

#include <llhttp.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/http/message.h"

namespace quartet::http {

/// The other side of the conversation: one response after the other, read by llhttp without I/O. A request is
/// refused for the smallest irregularity. A response is trusted, because it comes from the server that is
/// measured: what matters is whether it is complete. The shape of lines is checked here, because llhttp's
/// versions disagree about it: lines end in CRLF and are not folded, fields have names, and a status has
/// three digits.
///
/// Interim responses (1xx but 101) are skipped. It allocates nothing, unless it keeps bodies.
class ResponseParser {
 public:
  /// The worker that answered, from "Quartet-Worker: PID/SLOT". Process 0: the response does not say.
  struct Worker {
    std::int32_t process = 0;
    std::uint32_t slot = 0;

    bool operator==(const Worker&) const = default;
  };

  ResponseParser();
  ResponseParser(const ResponseParser&) = delete;  // llhttp points back
  ResponseParser& operator=(const ResponseParser&) = delete;

  /// Ready for the next response. @param method of the request that it answers: HEAD's have no body
  /// (RFC 9112, 6.3)
  void begin(Method method);
  /// Keep the bodies of this and all later responses for body().
  void keep_bodies() { keeps_bodies_ = true; }
  /// Hash the bodies of this and all later responses for body_hash(). It takes about 1 ns an octet.
  void hash_bodies() { hashes_bodies_ = true; }

  /// Takes bytes up to the end of the response. @return how many it took: fewer than given when more follow
  /// that belong to no request, or when the response is malformed
  std::size_t feed(std::string_view bytes);
  /// The peer has closed: the end of a body that neither length nor chunks delimit, and too early for every
  /// other response.
  void on_eof();

  bool started() const { return started_; }  ///< a byte has come
  bool complete() const { return complete_; }
  bool malformed() const { return malformed_; }

  /// @name Valid once complete
  /// @{
  int status() const { return llhttp_.status_code; }
  /// The connection can take another request (RFC 9112, 9.3).
  bool keep_alive() const { return keep_alive_; }
  Worker worker() const { return worker_; }
  std::string_view body() const { return body_; }
  /// FNV-1a with 64 bits: a change of a single octet always changes it.
  std::uint64_t body_hash() const { return body_hash_; }
  /// @}
  std::uint64_t body_bytes() const { return body_bytes_; }

 private:
  /// A text that matters only when it is short: one that does not fit is none of the values that are looked
  /// for.
  template <std::size_t kSize>
  class Short {
   public:
    void append(std::string_view part) {
      const auto taken = part.copy(text_.data() + size_, kSize - size_);
      overflown_ = overflown_ || taken < part.size();
      size_ += taken;
    }
    void clear() { size_ = 0, overflown_ = false; }
    std::string_view view() const {
      return overflown_ ? std::string_view() : std::string_view(text_.data(), size_);
    }

   private:
    std::array<char, kSize> text_;
    std::size_t size_ = 0;
    bool overflown_ = false;
  };

  std::size_t feed_message(std::string_view bytes);
  void check_lines(const char* end);
  int end_head();
  int end_message();
  void end_field();
  void add_body(std::string_view part);
  void restart();

  static constexpr std::uint64_t kNoOctets = 0xcbf29ce484222325;  // FNV-1a's offset basis

  static const llhttp_settings_t& settings();
  static ResponseParser& of(llhttp_t* parser) { return *static_cast<ResponseParser*>(parser->data); }

  llhttp_t llhttp_;
  const char* unchecked_ = nullptr;     // of the bytes that llhttp is reading: what check_lines() sees next
  char previous_ = '\0';                // octet of a line; NUL at the beginning and behind a body
  std::size_t status_line_length_ = 0;  // as far as it matters
  Short<16> field_name_;
  Short<32> field_value_;
  Worker worker_;
  std::string body_;
  std::uint64_t body_bytes_ = 0;
  std::uint64_t body_hash_ = kNoOctets;
  bool is_head_ = false;
  bool keeps_bodies_ = false;
  bool hashes_bodies_ = false;
  bool started_ = false;
  bool complete_ = false;
  bool malformed_ = false;
  bool keep_alive_ = false;
};

}  // namespace quartet::http
