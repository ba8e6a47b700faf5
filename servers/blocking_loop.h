#pragma once

#include "common/http/connection.h"
#include "common/net/fd.h"
#include "common/net/shutdown.h"
#include "common/server/server.h"

namespace quartet {

// How a process or thread that owns one client waits for it: every step blocks in one system call, for a tick
// at most, because the client's socket has SO_RCVTIMEO and SO_SNDTIMEO. Thus timeouts and shutdown cost no
// poll(2) per read.

/// Blocks in recv(2).
/// @return false when the connection may be closed, because nothing is on its way in either direction
bool read_step(const net::Fd& client, http::Connection& connection);
/// Blocks in send(2) or sendfile(2).
/// @return false when the peer is gone
bool write_step(const net::Fd& client, http::Connection& connection);
/// Blocks in clock_nanosleep(2) until the deadline; a long sleep is cut into ticks, to notice a shutdown.
/// @return false when the peer is gone
bool sleep_step(const net::Fd& client, http::Connection& connection);
/// Tells the connection about a shutdown. @return false when the drain timeout has passed: the connection is
/// cut
bool shutdown_step(const net::Shutdown& shutdown, http::Connection& connection, http::Slot& slot);

/// Serves one client from its first byte to its close.
void serve_client(net::Fd client, const http::Service& service, http::Slot& slot,
                  const net::Shutdown& shutdown);
/// The same, in a process of its own (app::ServeClient). Without memory for it the client is dropped.
void serve_connection(app::Server& server, http::Slot& slot, net::Fd client);

}  // namespace quartet
