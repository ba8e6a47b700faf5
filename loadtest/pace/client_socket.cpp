#include "loadtest/pace/client_socket.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "common/net/system.h"

namespace quartet::pace {
namespace {

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

int set_option(int socket, int level, int name, int value = 1) {
  return ::setsockopt(socket, level, name, &value, sizeof value) == 0 ? 0 : errno;
}

/// The port is chosen by connect(), so that one that is in use towards another server will do.
int bind_to_loopback(int socket, std::size_t index) {
  if (const int error = set_option(socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT)) return error;
  const auto host = static_cast<std::uint32_t>(INADDR_LOOPBACK + index);
  const sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(host)}, .sin_zero = {}};
  return ::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
}

/// @return 0 when that is under way or done, otherwise the errno
int connect_socket(int socket, const SocketAddress& address, std::optional<std::size_t> source,
                   int receive_buffer) {
  if (const int error = set_option(socket, IPPROTO_TCP, TCP_NODELAY)) return error;
  if (receive_buffer > 0) {  // before the connect, which tells the server how much it may send
    if (const int error = set_option(socket, SOL_SOCKET, SO_RCVBUF, receive_buffer)) return error;
  }
  if (source) {
    if (const int error = bind_to_loopback(socket, *source)) return error;
  }
  if (::connect(socket, address.get(), address.length) == 0 || errno == EINPROGRESS) return 0;
  return errno;
}

}  // namespace

Connecting start_to_connect(const net::Address& server, std::optional<std::size_t> source,
                            int receive_buffer) {
  const SocketAddress address = to_socket_address(server);
  net::Fd socket(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return {.socket = {}, .error = errno};
  const int error = connect_socket(socket.get(), address, source, receive_buffer);
  return {.socket = std::move(socket), .error = error};
}

int connect_error(const net::Fd& socket) {
  int error = 0;
  socklen_t length = sizeof error;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
  return error;
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
