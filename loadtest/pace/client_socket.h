#pragma once

#include <cstddef>
#include <optional>

#include "common/net/fd.h"
#include "common/net/listener.h"

namespace quartet::pace {

/// A non-blocking socket on its way to a server, or the errno that it failed with.
struct Connecting {
  net::Fd socket;
  int error = 0;
};

/// Starts to connect. @param source index of the loopback address to come from; nothing: the kernel's choice
/// @param receive_buffer bytes of it, at least: the kernel doubles them; 0: its choice
Connecting start_to_connect(const net::Address& server, std::optional<std::size_t> source,
                            int receive_buffer = 0);

/// After the socket has become writable. @return 0 when it is connected, otherwise the errno
int connect_error(const net::Fd& socket);

/// Lets this process open as many descriptors as it may.
/// @throws std::runtime_error when that is fewer than `needed`
void raise_descriptor_limit(std::size_t needed);

}  // namespace quartet::pace
