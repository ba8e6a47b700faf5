#pragma once

#include "common/http/connection.h"
#include "common/net/shutdown.h"
#include "servers/fiber_scheduler.h"

namespace quartet {

/// Serves the client of a fiber from its first byte to its close, on that fiber: as serve_client() of
/// blocking_loop.h, but every wait suspends the fiber, and not its thread.
/// @throws std::bad_alloc, std::system_error
void serve_client(FiberScheduler& scheduler, Fiber& fiber, const http::Service& service,
                  const net::Shutdown& shutdown);

}  // namespace quartet
