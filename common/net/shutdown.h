#pragma once

#include <chrono>

#include "common/http/connection.h"

namespace quartet::net {

/// The drain: the first SIGTERM, SIGINT, SIGQUIT or SIGHUP begins it. There is one Shutdown per process, as
/// there is one set of signal handlers. Signals within a second of the first one change nothing (timeout(1)
/// signals its child and then the group); a later one is a second signal, which ends the process at once.
/// SIGUSR1, SIGUSR2 and SIGALRM outside a drain are ignored. So is SIGHUP if the server was started with
/// SIGHUP ignored (nohup(1)).
class Shutdown {
 public:
  /// Installs the handlers (without SA_RESTART: blocking calls return EINTR and look at the flag), and
  /// unblocks their signals, which may have been blocked when the server was started.
  /// @param drain_timeout after it, the connections that are left are cut. A second later SIGALRM ends even a
  /// process that hangs.
  explicit Shutdown(std::chrono::milliseconds drain_timeout);

  /// For a parent of workers: a second signal does not end it at once, but makes repeated() true, so that it
  /// can kill its workers first.
  void become_parent();
  /// For a worker of such a parent, called in the child: SIGTERM drains, and a second one changes nothing.
  /// SIGINT, SIGQUIT and SIGHUP, which a terminal sends to the whole group, are ignored: the parent passes
  /// the drain on as SIGTERM.
  /// @param parent its pid: it may be dead already
  /// @param on_its_death the signal that the worker gets when its parent dies: SIGTERM, SIGKILL, or 0 for
  /// none (PR_SET_PDEATHSIG in prctl(2))
  void become_worker(pid_t parent, int on_its_death);

  /// For a worker that waits for descriptor(): it gets an eventfd of its own, because the inherited one would
  /// wake the parent.
  void renew_event();

  bool requested() const;
  /// A second signal came (parents only).
  bool repeated() const;
  /// The drain timeout has passed: the connections that are left are to be cut.
  bool overdue(http::TimePoint now) const;
  /// A second after the drain timeout at the latest every worker gets SIGALRM, and it has had time to end. A
  /// worker that still lives is stopped (SIGSTOP): only SIGKILL ends it.
  bool alarm_has_passed(http::TimePoint now) const;
  /// TimePoint::max() while no drain is under way.
  http::TimePoint deadline() const;
  /// An eventfd that becomes, and stays, readable at the first signal.
  int descriptor() const;

 private:
  std::chrono::milliseconds drain_timeout_;
};

}  // namespace quartet::net
