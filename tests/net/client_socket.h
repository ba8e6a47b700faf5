#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "common/net/fd.h"
#include "common/net/listener.h"

namespace quartet::net {

/// Connects to a loopback address. @return empty when that was refused
inline Fd try_to_connect(const Address& address) {
  const auto port = htons(static_cast<std::uint16_t>(address.port));
  if (address.host == "::1") {
    const sockaddr_in6 v6{AF_INET6, port, 0, in6addr_loopback, 0};
    Fd socket(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return connect(socket.get(), reinterpret_cast<const sockaddr*>(&v6), sizeof v6) == 0 ? std::move(socket)
                                                                                         : Fd();
  }
  const sockaddr_in v4{AF_INET, port, {htonl(INADDR_LOOPBACK)}, {}};
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return connect(socket.get(), reinterpret_cast<const sockaddr*>(&v4), sizeof v4) == 0 ? std::move(socket)
                                                                                       : Fd();
}

inline Fd connect_to(const Address& address) {
  Fd socket = try_to_connect(address);
  EXPECT_TRUE(socket) << address.to_string();
  return socket;
}

}  // namespace quartet::net
