#pragma once

#include <chrono>

#include "common/http/connection.h"

namespace quartet::net {

/// The drain: begun by the first SIGTERM, SIGINT, SIGQUIT or SIGHUP. One per process, because signal handlers
/// are. What comes within a second of the first is the same wish (timeout(1) signals its child and then the
/// group); a later one is a second signal, which does not wait. SIGUSR1, SIGUSR2 and stray alarms are
/// ignored, and so is SIGHUP where whoever started us ignores it (nohup(1)).
class Shutdown {
 public:
  /// Installs the handlers (without SA_RESTART: blocking calls return EINTR and look at the flag), and
  /// unblocks their signals, which may have been blocked by whoever started us.
  /// @param drain_timeout after it, what is left is cut. A second later SIGALRM ends even a hung
  /// process.
  explicit Shutdown(std::chrono::milliseconds drain_timeout);

  /// For a parent of workers: a second signal is counted, not obeyed on the spot, so that it can kill them
  /// first.
  void become_parent();
  /// For a worker under such a parent, in the child: SIGTERM drains, however often it comes; Ctrl-C or a
  /// closed terminal, which reach the whole group, are the parent's business.
  /// @param parent its pid: it may be dead already
  /// @param on_its_death what its death means to the worker: SIGTERM, SIGKILL, or 0 for nothing
  /// (PR_SET_PDEATHSIG in prctl(2))
  void become_worker(pid_t parent, int on_its_death);

  /// For a worker that waits for descriptor(): an event of its own, as the parent's wakes the parent.
  void renew_event();

  bool requested() const;
  /// A second signal came (parents only).
  bool repeated() const;
  /// The drain timeout has passed: cut what is left.
  bool overdue(http::TimePoint now) const;
  /// SIGALRM, which a worker gets a second later at the latest, has had its time as well: who still lives is
  /// stopped (SIGSTOP), and only SIGKILL reaches it.
  bool alarm_has_passed(http::TimePoint now) const;
  /// TimePoint::max() while no drain is under way.
  http::TimePoint deadline() const;
  /// An eventfd that becomes, and stays, readable at the first signal.
  int descriptor() const;

 private:
  std::chrono::milliseconds drain_timeout_;
};

}  // namespace quartet::net
