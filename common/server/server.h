#pragma once

#include <list>

#include "common/http/connection.h"
#include "common/net/listener.h"
#include "common/net/shutdown.h"
#include "common/scoreboard/scoreboard.h"
#include "common/server/options.h"

namespace quartet::app {

/// Exit statuses of every server.
enum ExitStatus { kDrained = 0, kStartFailed = 1, kUsage = 2, kCut = 3, kCrashLoop = 4 };

/// What every model is given: all that the models share.
struct Server {
  const Options& options;
  const http::Service& service;
  net::Listener& listener;
  net::Shutdown& shutdown;
  Scoreboard& scoreboard;
  bool supervised = false;  ///< its parent announces and logs for this process

  /// Every worker can serve: prints "listening on ADDR:PORT" on stdout, flushed; READY=1 (sd_notify(3)).
  void announce() const;
  /// The drain has begun: a line on the log; STOPPING=1 (sd_notify(3)).
  void announce_drain() const;
  /// Announces the drain. @return the clients of the accept queue, as Listener::accept_all(). Those for whom
  /// no descriptor is left are reset with the listener if no worker accepts them before: the log says how
  /// many
  std::list<net::Fd> begin_drain(int flags = 0) const;
};

/// net::is_exhausted(), of accept(2): the log says so, seldom.
bool is_exhausted(int error);

/// The whole of main: options, listener, routes, ballast; then the mode that was chosen. Errors become one
/// sentence and an exit status. Messages name the program as it was started (argv[0]), the scoreboard names
/// the model.
int run_server(int argc, char** argv, const Model& model);

/// After the drain: logs how many connections were cut, if any.
/// @param still_open those that are cut now, beside the ones that their workers have cut (Slot::cut)
/// @return kDrained, or kCut if there were some. Under a supervisor, which sums up, kDrained in silence
int drained(const Server& server, std::size_t still_open = 0);

}  // namespace quartet::app
