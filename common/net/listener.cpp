#include "common/net/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <stdexcept>

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

int port_of(int socket) {
  SocketAddress address;
  address.length = sizeof address.storage;
  check(getsockname(socket, address.get(), &address.length), "getsockname");
  sockaddr_in6 v6;  // the port is at the same place in both families
  std::memcpy(&v6, &address.storage, sizeof v6);
  return ntohs(v6.sin6_port);
}

template <typename T>
void set_option(int socket, int level, int name, const T& value) {
  check(setsockopt(socket, level, name, &value, sizeof value), "setsockopt");
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
  const timeval tick{.tv_sec = 0, .tv_usec = std::chrono::microseconds(kTick).count()};
  set_option(descriptor(), SOL_SOCKET, SO_REUSEADDR, on);
  // These three are inherited by every accepted socket (Linux).
  set_option(descriptor(), IPPROTO_TCP, TCP_NODELAY, on);
  set_option(descriptor(), SOL_SOCKET, SO_RCVTIMEO, tick);
  set_option(descriptor(), SOL_SOCKET, SO_SNDTIMEO, tick);
  check(bind(descriptor(), socket_address.get(), socket_address.length), "bind" + where);
  check(listen(descriptor(), kBacklog), "listen" + where);
  address_.port = port_of(descriptor());
}

Fd Listener::accept(int flags) { return Fd(accept4(descriptor(), nullptr, nullptr, flags | SOCK_CLOEXEC)); }

void Listener::set_blocking(bool blocking) {
  const int flags = check(fcntl(descriptor(), F_GETFL), "fcntl");
  check(fcntl(descriptor(), F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK), "fcntl");
}

std::list<Fd> Listener::accept_all(int flags) {
  std::list<Fd> clients;
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
  shutdown(descriptor(), SHUT_RDWR);  // fails only where it is stopped already
}

}  // namespace quartet::net
