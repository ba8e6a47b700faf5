#pragma once

#include <sys/types.h>

#include <functional>
#include <map>

#include "common/app/backoff.h"
#include "common/app/server.h"

namespace quartet::app {

/// Until a signal comes, of a child's end for example, or a tick has passed.
void wait_a_tick();

/// Says on the log, and on the scoreboard, how a worker died, and running what.
/// @param status as from waitpid(2), which has reaped it
void report_death(Scoreboard& scoreboard, pid_t worker, int status);

/// The worker processes that this process has forked and not reaped yet.
class Children {
 public:
  /// Makes this process a parent: SIGCHLD interrupts what it waits for, and signals are for its workers, too.
  explicit Children(Server& server);

  /// Forks a process that works in a slot of its own and then exits. Waits where the system has no process
  /// left.
  void fork_worker(const std::function<void(http::Slot&)>& work);
  /// Forks a process that sees to its slots itself. The result of `work` is its exit status.
  void fork_server(const std::function<int()>& work);
  /// Looks who has ended, without waiting; reports those that died.
  void reap();
  /// Passes the shutdown on, without waiting.
  void tell_all() const;
  /// Waits for all to end. @return kDrained, kCut or, after a crash loop, kCrashLoop
  int drain();

  std::size_t alive() const { return alive_.size(); }
  /// Whether another one may be started now: after deaths only after a pause, and never in a crash loop.
  /// The first time that it sees a crash loop it says so, and begins the shutdown.
  bool may_replace();

 private:
  pid_t fork_child();
  void on_death(pid_t child, int status, http::TimePoint started);

  Server& server_;
  std::map<pid_t, http::TimePoint> alive_;  // and when they were started
  Backoff backoff_;
  bool gave_up_ = false;
  std::size_t hung_ = 0;  // connections of those that died of SIGALRM or our SIGKILL amid a drain
};

}  // namespace quartet::app
