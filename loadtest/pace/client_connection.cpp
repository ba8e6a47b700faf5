#include "loadtest/pace/client_connection.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "common/net/system.h"

namespace quartet::pace {
namespace {

constexpr int kFirstError = 400;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

SocketAddress to_socket_address(const net::Address& address) {
  SocketAddress result;
  const auto port = htons(static_cast<std::uint16_t>(address.port));
  sockaddr_in v4{.sin_family = AF_INET, .sin_port = port, .sin_addr = {}, .sin_zero = {}};
  sockaddr_in6 v6{
      .sin6_family = AF_INET6, .sin6_port = port, .sin6_flowinfo = 0, .sin6_addr = {}, .sin6_scope_id = 0};
  if (::inet_pton(AF_INET, address.host.c_str(), &v4.sin_addr) == 1) {
    std::memcpy(&result.storage, &v4, result.length = sizeof v4);
  } else if (::inet_pton(AF_INET6, address.host.c_str(), &v6.sin6_addr) == 1) {
    std::memcpy(&result.storage, &v6, result.length = sizeof v6);
  }  // net::Address::parse lets nothing else through
  return result;
}

int set_option(int socket, int level, int name) {
  const int on = 1;
  return ::setsockopt(socket, level, name, &on, sizeof on) == 0 ? 0 : errno;
}

/// The port is chosen by connect(), so that one that is in use towards another server will do.
int bind_to_loopback(int socket, std::size_t index) {
  if (const int error = set_option(socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT)) return error;
  const auto host = static_cast<std::uint32_t>(INADDR_LOOPBACK + index);
  const sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(host)}, .sin_zero = {}};
  return ::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
}

}  // namespace

int ClientConnection::open(const net::Address& server, std::optional<std::size_t> source) {
  const SocketAddress address = to_socket_address(server);
  socket_ = net::Fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket_) return errno;
  if (const int error = set_option(socket_.get(), IPPROTO_TCP, TCP_NODELAY)) return error;
  if (source) {
    if (const int error = bind_to_loopback(socket_.get(), *source)) return error;
  }
  if (::connect(socket_.get(), address.get(), address.length) == 0 || errno == EINPROGRESS) return 0;
  return errno;
}

int ClientConnection::finish_open() {
  int error = 0;
  socklen_t length = sizeof error;
  if (::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
  return error;
}

void ClientConnection::begin(const Exchange& exchange) {
  exchange_ = exchange;
  unsent_ = exchange.bytes;
  unanswered_ = exchange.requests;
  received_ = {};
  reusable_ = false;
  if (exchange.expected_body != nullptr) response_.keep_bodies();
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
  return unanswered_ == 0 && !received_.empty() ? Outcome::wrong_content : outcome;  // nobody asked for more
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

Outcome ClientConnection::judge() const {
  if (response_.status() >= kFirstError) return Outcome::error_status;
  if (exchange_.expected_body != nullptr && response_.body() != *exchange_.expected_body)
    return Outcome::wrong_content;
  return Outcome::ok;
}

void raise_descriptor_limit(std::size_t needed) {
  rlimit limit{};
  net::check(::getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
  if (limit.rlim_max < needed) {
    throw std::runtime_error(fmt::format("this needs {} descriptors, and the limit is {}; see ulimit -Hn",
                                         needed, limit.rlim_max));
  }
  limit.rlim_cur = limit.rlim_max;
  net::check(::setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
}

}  // namespace quartet::pace
