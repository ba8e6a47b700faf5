#pragma once

#include <sys/socket.h>

#include <string>

namespace quartet::net {

/// A TCP address: "127.0.0.1:8080", "[::1]:0".
struct Address {
  std::string host;  ///< numeric IPv4 or IPv6, without brackets
  int port = 0;      ///< 0: the kernel chooses

  /// "127.0.0.1:8080", "[::1]:0", "localhost:8080". A name stands for its first IPv4 address, or else for its
  /// first IPv6 address; localhost is 127.0.0.1 whatever the resolver says (RFC 6761, 6.3).
  /// @throws std::invalid_argument with one sentence, which says what to write instead
  static Address parse(const std::string& text);
  std::string to_string() const;
  /// 127.0.0.0/8, however it is written, or ::1.
  bool is_loopback() const;
};

/// What the kernel takes for it.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;  ///< 0: the host was not numeric

  explicit SocketAddress(const Address& address);
  /// Room for any address.
  SocketAddress() : length(sizeof storage) {}

  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  /// @throws std::runtime_error for other families than IPv4 and IPv6
  Address address() const;
};

}  // namespace quartet::net
