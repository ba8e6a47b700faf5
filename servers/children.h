#pragma once

#include <sys/types.h>

#include <functional>
#include <set>

#include "common/app/server.h"

namespace quartet {

/// Until a signal comes, of a child's end for example, or a tick has passed.
void wait_a_tick();

/// The worker processes that this process has forked and not reaped yet.
class Children {
 public:
  /// Makes this process a parent: SIGCHLD interrupts what it waits for, and signals are for its workers, too.
  explicit Children(app::Server& server);

  /// Forks a process that works in a slot of its own and then exits. Waits where the system has no process
  /// left.
  void fork_worker(const std::function<void(http::Slot&)>& work);
  /// Looks who has ended, without waiting; logs those that did not end well.
  void reap();
  /// Passes the shutdown on, without waiting.
  void tell_all() const;
  /// Waits for all to end. @return kDrained, or kCut
  int drain();

  std::size_t alive() const { return alive_.size(); }

 private:
  app::Server& server_;
  std::set<pid_t> alive_;
  std::size_t hung_ = 0;  // died of SIGALRM or our SIGKILL amid a drain
};

}  // namespace quartet
