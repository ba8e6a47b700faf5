#pragma once

#include <list>

#include "common/net/fd.h"

namespace quartet::net {

// The listener of a worker whose parent dies while the worker is busy. It would take in clients that nobody
// serves, and keep the port from the next server, until the worker has time for it. A signal handler has.

/// This process's listener, should it become an orphan.
void watch_listener(int descriptor);
/// It is about to be closed: no signal handler touches the descriptor any more.
void forget_listener(int descriptor);
/// For a signal handler: takes in whoever waits in the queue, then stops the listener, in all processes that
/// share it. Once; and only where there is one to watch.
void rescue_queue();
/// Those who were taken in.
std::list<Fd> take_rescued();

}  // namespace quartet::net
