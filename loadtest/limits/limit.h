#pragma once

#include <cstddef>
#include <string_view>

#include "common/net/listener.h"
#include "common/net/shutdown.h"

namespace quartet::limits {

/// What main knows of its model.
struct Limit {
  std::string_view name;            ///< "limit-epoll"
  std::string_view summary;         ///< one sentence for --help
  std::size_t default_workers = 0;  ///< 0: the model has no choice, and no --workers
};

/// What every limit is given.
struct Server {
  net::Listener& listener;
  net::Shutdown& shutdown;  ///< from its first signal on nothing is served: there is no drain
  std::size_t workers;

  /// Every worker can serve: prints "listening on ADDR:PORT" on stdout, flushed.
  void announce() const;
};

/// Serves until the shutdown.
using Serve = void (*)(Server&);

/// The whole of main: options, listener, model. Errors become one sentence and an exit status.
/// @return 0 after SIGTERM or SIGINT, 1 when it could not start or go on, 2 for a usage error
int run_limit(int argc, char** argv, const Limit& limit, Serve serve);

/// Sends once, without SIGPIPE. @return bytes, or -1 with errno set
ssize_t send_once(int socket, std::string_view bytes);

}  // namespace quartet::limits
