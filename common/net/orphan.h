#pragma once

#include <list>

#include "common/net/fd.h"

namespace quartet::net {

// The listener of a worker whose parent dies while the worker is busy. Until the worker has time to close it,
// clients that nobody serves could connect, and the next server could not have the port. A signal handler
// closes it at once.

/// The listener that rescue_queue() empties and stops.
void watch_listener(int descriptor);
/// It is about to be closed: from here on no signal handler uses the descriptor.
void forget_listener(int descriptor);
/// For a signal handler: accepts all clients of the queue, then stops the listener in all processes that
/// share it. Does so once, and only after watch_listener().
void rescue_queue();
/// The clients that rescue_queue() has accepted.
std::list<Fd> take_rescued();

}  // namespace quartet::net
