#pragma once

#include "common/net/fd.h"
#include "common/net/shutdown.h"
#include "loadtest/limits/conversation.h"

namespace quartet::limits {

// How a process or thread that owns one client waits for it, as servers/blocking_loop.h: in recv(2) and
// send(2), for a tick at most, to notice the shutdown.

/// Blocks in recv(2). @return false at the client's end
bool receive_step(const net::Fd& client, Conversation& conversation);
/// Blocks in send(2) until all has left. @return false when the client is gone, or at the shutdown
bool send_all(const net::Fd& client, std::string_view bytes, const net::Shutdown& shutdown);

/// Serves one client from its first byte to its end.
void serve_client(const net::Fd& client, const net::Shutdown& shutdown);

}  // namespace quartet::limits
