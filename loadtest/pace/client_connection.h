#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "common/http/response_parser.h"
#include "common/net/fd.h"
#include "common/net/listener.h"
#include "loadtest/pace/record.h"

namespace quartet::pace {

/// One end of a conversation: one request at a time over a non-blocking socket. It knows no time and no
/// ledger; it says what became of the request.
class ClientConnection {
 public:
  /// Starts to connect. @param source index of the loopback address to come from; nothing: the kernel's
  /// choice. @return 0 when that is under way or done, otherwise the errno
  int open(const net::Address& server, std::optional<std::size_t> source);
  /// After the socket has become writable. @return 0 when it is connected, otherwise the errno
  int finish_open();
  void close() { socket_.reset(); }

  bool is_open() const { return static_cast<bool>(socket_); }
  int descriptor() const { return socket_.get(); }

  /// Takes up a request, of which send() then sends as much as the socket takes.
  /// @param expected_body nothing: any will do; it must outlive the exchange, as `request` must
  void begin(std::string_view request, http::Method method, const std::string* expected_body);
  /// @return nothing as long as all is well
  std::optional<Outcome> send();
  bool sent_all() const { return unsent_.empty(); }

  /// What there is to be received, or to the end of it when the peer is known to have closed.
  /// @param buffer scratch space
  /// @return nothing while the response is not over
  std::optional<Outcome> receive(std::span<char> buffer, bool to_the_end);
  /// After the response: the connection can take another request.
  bool reusable() const { return reusable_; }

  const http::ResponseParser& response() const { return response_; }

 private:
  std::optional<Outcome> on_received(std::string_view bytes);
  Outcome on_end(Outcome before_response);
  Outcome judge() const;

  net::Fd socket_;
  http::ResponseParser response_;
  std::string_view unsent_;
  const std::string* expected_body_ = nullptr;
  bool reusable_ = false;
};

/// Lets this process open as many descriptors as it may.
/// @throws std::runtime_error when that is fewer than `needed`
void raise_descriptor_limit(std::size_t needed);

}  // namespace quartet::pace
