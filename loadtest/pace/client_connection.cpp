#include "loadtest/pace/client_connection.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "common/net/system.h"
#include "loadtest/pace/client_socket.h"

namespace quartet::pace {
namespace {

constexpr int kFirstError = 400;

}  // namespace

int ClientConnection::open(const net::Address& server, std::optional<std::size_t> source) {
  Connecting connecting = start_to_connect(server, source);
  socket_ = std::move(connecting.socket);
  return connecting.error;
}

int ClientConnection::finish_open() { return connect_error(socket_); }

void ClientConnection::begin(const Exchange& exchange) {
  exchange_ = exchange;
  unsent_ = exchange.bytes;
  unanswered_ = exchange.requests;
  received_ = {};
  reusable_ = false;
  if (exchange.keep_body || exchange.expected_body != nullptr) response_.keep_bodies();
  if (exchange.same_body != nullptr) response_.hash_bodies();
  response_.begin(exchange.method);
}

std::optional<Outcome> ClientConnection::send() {
  while (!unsent_.empty()) {
    const ssize_t sent = ::send(socket_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && net::is_transient(errno)) return std::nullopt;
    if (sent < 0) return on_end(Outcome::reset);
    unsent_.remove_prefix(static_cast<std::size_t>(sent));
  }
  return std::nullopt;
}

std::optional<Outcome> ClientConnection::receive(std::span<char> buffer, bool to_the_end) {
  for (;;) {
    if (received_.empty()) {
      const ssize_t received = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
      if (received < 0 && errno == EINTR) continue;
      drained_ = received < 0 || (static_cast<std::size_t>(received) < buffer.size() && !to_the_end);
      if (received < 0 && net::is_transient(errno)) return std::nullopt;
      if (received < 0) return on_end(Outcome::reset);
      if (received == 0) return on_end(Outcome::eof);
      received_ = {buffer.data(), static_cast<std::size_t>(received)};
    }
    if (const auto outcome = take_received()) {
      if (unanswered_ == 0) reusable_ = reusable_ && !to_the_end;
      return outcome;
    }
    if (drained_) return std::nullopt;
  }
}

std::optional<Outcome> ClientConnection::take_received() {
  reusable_ = false;
  KnownResponse* known = response_.started() ? nullptr : exchange_.known;
  if (const auto length = known == nullptr ? 0 : known->match(received_)) {
    received_.remove_prefix(length);
    end_response(true);
    return unanswered_ == 0 && !received_.empty() ? Outcome::wrong_content : Outcome::ok;
  }
  const auto bytes = std::exchange(received_, {});
  const auto taken = response_.feed(bytes);
  if (response_.malformed()) return Outcome::wrong_content;
  if (!response_.complete()) return std::nullopt;
  received_ = bytes.substr(taken);
  const Outcome outcome = judge();
  if (known != nullptr && outcome == Outcome::ok && response_.keep_alive())
    known->learn(bytes.substr(0, taken));
  end_response(response_.keep_alive());
  if (unanswered_ > 0) response_.begin(exchange_.method);
  return outcome;
}

void ClientConnection::end_response(bool keep_alive) {
  --unanswered_;
  // A server that answers before it has all requests will not read the rest (RFC 9112, 9.3).
  reusable_ = keep_alive && (unanswered_ > 0 || (sent_all() && received_.empty()));
}

Outcome ClientConnection::on_end(Outcome before_response) {
  reusable_ = false;
  if (before_response == Outcome::eof) response_.on_eof();
  if (response_.complete()) return judge();
  return response_.started() ? Outcome::truncated : before_response;
}

Outcome ClientConnection::judge() {
  if (unanswered_ == 1 && !received_.empty()) return Outcome::wrong_content;  // nobody asked for more
  if (response_.status() >= kFirstError) return Outcome::error_status;
  if (exchange_.expected_body != nullptr && response_.body() != *exchange_.expected_body)
    return Outcome::wrong_content;
  const BodyPrint print{.length = response_.body_bytes(), .hash = response_.body_hash()};
  if (exchange_.same_body != nullptr && !exchange_.same_body->admits(print)) return Outcome::wrong_content;
  return Outcome::ok;
}

}  // namespace quartet::pace
