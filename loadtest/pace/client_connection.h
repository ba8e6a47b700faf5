#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "common/http/response_parser.h"
#include "common/net/fd.h"
#include "common/net/listener.h"
#include "loadtest/pace/known_response.h"
#include "loadtest/pace/record.h"
#include "loadtest/pace/reference_body.h"

namespace quartet::pace {

/// What a connection is to ask. All that is pointed to must outlive the exchange.
struct Exchange {
  std::string_view bytes;  ///< of all requests
  http::Method method = http::Method::get;
  const std::string* expected_body = nullptr;  ///< null: any will do
  ReferenceBody* same_body = nullptr;          ///< of its class; null: any will do
  bool keep_body = false;                      ///< response() has it then
  std::size_t requests = 1;                    ///< pipelined ones: they leave at once
  /// Where a response is looked up before it is parsed, and learned; response() does not know those that were
  /// found. Null: all are parsed.
  KnownResponse* known = nullptr;
};

/// One end of a conversation, over a non-blocking socket. It knows no time and no ledger; it says what became
/// of each request.
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

  /// Takes up requests, of which send() then sends as much as the socket takes.
  void begin(const Exchange& exchange);
  /// @return nothing as long as all is well
  std::optional<Outcome> send();
  bool sent_all() const { return unsent_.empty(); }

  /// What there is to be received, or to the end of it when the peer is known to have closed.
  /// @param buffer scratch space, the same one until has_more() says no
  /// @return what became of the first request that is not answered yet; nothing while its response is not
  /// over
  std::optional<Outcome> receive(std::span<char> buffer, bool to_the_end);
  /// After an answer to one of several requests: receive() may have the next one at once.
  bool has_more() const { return !received_.empty() || !drained_; }
  /// After a response: the connection can take another request, and answers those behind it.
  bool reusable() const { return reusable_; }

  const http::ResponseParser& response() const { return response_; }

 private:
  std::optional<Outcome> take_received();
  void end_response(bool keep_alive);
  Outcome on_end(Outcome before_response);
  Outcome judge();

  net::Fd socket_;
  http::ResponseParser response_;
  std::string_view unsent_;
  std::string_view received_;  // and not looked at yet: behind the end of a response
  Exchange exchange_;
  std::size_t unanswered_ = 0;  // of its requests
  bool drained_ = true;         // the socket, when it was last read
  bool reusable_ = false;
};

}  // namespace quartet::pace
