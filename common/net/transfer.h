#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>

#include "common/http/connection.h"

namespace quartet::net {

/// How much a worker reads at a time. Large enough for a pipelined burst, small enough for the L2 cache.
inline constexpr std::size_t kReadBuffer = 64 * 1024;

/// Receives once. @return bytes, 0 at the end, -1 with errno set
ssize_t receive(int socket, std::span<char> buffer);

/// The one place where an Output leaves: send(2), held back with MSG_MORE when a file follows, then
/// sendfile(2).
/// @return bytes sent across both, or -1 with errno set when nothing could be sent
ssize_t send_output(int socket, const http::Output& output);

/// For a model that waits for the client: tells the connection how much the peer has not acknowledged
/// (SIOCOUTQ, tcp(7)), if its deadline depends on that.
void report_progress(int socket, http::Connection& connection, http::Moment now);

/// Tells the peer that nothing follows; what it still sends can be read and discarded.
void half_close(int socket);

/// After the last answer (Connection::finishing): half-closes, unless a close costs the peer nothing. That is
/// so if the peer asked for the close, has acknowledged everything, and has sent nothing that is unread (a
/// close answers unread bytes with a reset). Tells the connection what is unacknowledged, as
/// report_progress() does. @return whether to close now
bool may_close(int socket, http::Connection& connection);

/// Whether the peer has reset the connection: an answer would reach nobody.
bool is_reset(int socket);

}  // namespace quartet::net
