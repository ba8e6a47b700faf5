#include "common/net/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <stdexcept>

#include "common/net/orphan.h"
#include "common/net/system.h"

namespace quartet::net {
namespace {

/// As long as the kernel lets it be (net.core.somaxconn): clients rather wait than retry a lost SYN after a
/// second.
constexpr int kBacklog = 4096;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;

  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

SocketAddress to_socket_address(const Address& address) {
  SocketAddress result;
  const auto port = htons(static_cast<std::uint16_t>(address.port));
  sockaddr_in v4{.sin_family = AF_INET, .sin_port = port, .sin_addr = {}, .sin_zero = {}};
  sockaddr_in6 v6{
      .sin6_family = AF_INET6, .sin6_port = port, .sin6_flowinfo = 0, .sin6_addr = {}, .sin6_scope_id = 0};
  if (inet_pton(AF_INET, address.host.c_str(), &v4.sin_addr) == 1) {
    std::memcpy(&result.storage, &v4, result.length = sizeof v4);
  } else if (inet_pton(AF_INET6, address.host.c_str(), &v6.sin6_addr) == 1) {
    std::memcpy(&result.storage, &v6, result.length = sizeof v6);
  }
  return result;
}

/// @throws std::runtime_error for a socket of another family
Address local_address(int socket) {
  SocketAddress address;
  address.length = sizeof address.storage;
  check(getsockname(socket, address.get(), &address.length), "getsockname");
  sockaddr_in v4;
  sockaddr_in6 v6;
  std::memcpy(&v4, &address.storage, sizeof v4);
  std::memcpy(&v6, &address.storage, sizeof v6);
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = address.storage.ss_family;
  if (family != AF_INET && family != AF_INET6) throw std::runtime_error("it is no TCP socket");
  const void* host = family == AF_INET ? static_cast<void*>(&v4.sin_addr) : &v6.sin6_addr;
  inet_ntop(family, host, text.data(), text.size());  // fails only for other families and short buffers
  return {text.data(), ntohs(v6.sin6_port)};          // the port is at the same place in both families
}

template <typename T>
void set_option(int socket, int level, int name, const T& value) {
  check(setsockopt(socket, level, name, &value, sizeof value), "setsockopt");
}

/// These three are inherited by every accepted socket (Linux).
void set_client_options(int socket) {
  const int on = 1;
  const timeval tick{.tv_sec = 0, .tv_usec = std::chrono::microseconds(kTick).count()};
  set_option(socket, IPPROTO_TCP, TCP_NODELAY, on);
  set_option(socket, SOL_SOCKET, SO_RCVTIMEO, tick);
  set_option(socket, SOL_SOCKET, SO_SNDTIMEO, tick);
}

void make_blocking(int socket, bool blocking) {
  const int flags = check(fcntl(socket, F_GETFL), "fcntl");
  check(fcntl(socket, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK), "fcntl");
}

bool is_listening(int socket) {
  int listening = 0;
  socklen_t length = sizeof listening;
  return getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) == 0 && listening != 0;
}

}  // namespace

Address Address::parse(const std::string& text) {
  const auto colon = text.rfind(':');
  const bool bracketed =
      text.starts_with('[') && colon != std::string::npos && colon > 1 && text[colon - 1] == ']';
  Address address{.host = bracketed ? text.substr(1, colon - 2) : text.substr(0, colon), .port = -1};
  const char* end = text.data() + text.size();
  const bool has_port = colon != std::string::npos && colon + 1 < text.size() &&
                        std::from_chars(text.data() + colon + 1, end, address.port).ptr == end;
  const auto socket_address = to_socket_address(address);
  const bool host_fits =
      socket_address.length != 0 && (socket_address.storage.ss_family == AF_INET6) == bracketed;
  if (!has_port || address.port < 0 || address.port > 65535 || !host_fits) {
    throw std::invalid_argument(
        "\"" + text + "\" is not ADDR:PORT with a numeric address, such as 127.0.0.1:8080 or [::1]:0");
  }
  return address;
}

std::string Address::to_string() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

bool Address::is_loopback() const { return host == "::1" || host.starts_with("127."); }

Listener::Listener(const Address& address) : address_(address) {
  auto socket_address = to_socket_address(address);
  const std::string where = " " + address.to_string();
  socket_ = Fd(
      check(socket(socket_address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket for" + where));
  const int on = 1;
  set_option(descriptor(), SOL_SOCKET, SO_REUSEADDR, on);
  set_client_options(descriptor());
  check(bind(descriptor(), socket_address.get(), socket_address.length), "bind" + where);
  check(listen(descriptor(), kBacklog), "listen" + where);
  address_.port = local_address(descriptor()).port;
}

Listener::Listener(Fd passed) : socket_(std::move(passed)), passed_(true) {
  try {
    if (!is_listening(descriptor())) throw std::runtime_error("it is no listening socket");
    address_ = local_address(descriptor());
    set_client_options(descriptor());
    set_blocking(true);
  } catch (const std::exception& error) {
    throw std::runtime_error("the socket passed as descriptor " + std::to_string(descriptor()) + ": " +
                             error.what());
  }
}

Fd Listener::accept(int flags) { return Fd(accept4(descriptor(), nullptr, nullptr, flags | SOCK_CLOEXEC)); }

void Listener::set_blocking(bool blocking) { make_blocking(descriptor(), blocking); }

std::list<Fd> Listener::accept_all(int flags) {
  forget_listener(descriptor());  // from here on nobody else takes in clients
  std::list<Fd> clients = take_rescued();
  for (const Fd& client : clients) make_blocking(client.get(), (flags & SOCK_NONBLOCK) == 0);
  set_blocking(false);
  for (;;) {
    Fd client = accept(flags);
    if (client) {
      clients.push_back(std::move(client));
    } else if (errno != EINTR && errno != ECONNABORTED) {
      return clients;
    }
  }
}

void Listener::stop() {
  if (passed_) return;
  shutdown(descriptor(), SHUT_RDWR);  // fails only where it is stopped already
}

void Listener::stop_when_orphaned() const {
  if (!passed_) watch_listener(descriptor());
}

void Listener::close() {
  forget_listener(descriptor());
  socket_.reset();
}

}  // namespace quartet::net
