#pragma once

#include "common/server/server.h"

namespace quartet::app {

/// A parent that keeps the listening socket and restarts the server when it dies: a crash delays clients
/// instead of refusing them. It serves nobody itself.
/// @return kDrained, kCut, kCrashLoop when it gave up, or kStartFailed when the first start failed (the child
/// has said why)
int supervise(Server& server);

}  // namespace quartet::app
