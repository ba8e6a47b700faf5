#pragma once

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <set>

#include "common/net/fd.h"
#include "common/net/shutdown.h"
#include "loadtest/limits/limit.h"

namespace quartet::limits {

/// Until a signal comes, of a child's end for example, or a tick has passed.
void wait_a_tick();

/// The processes that this one has forked and not reaped yet, as app::Children without its accounts.
class Children {
 public:
  /// Makes this process a parent: SIGCHLD interrupts what it waits for, and signals are for its children,
  /// too.
  explicit Children(net::Shutdown& shutdown);

  /// Forks a process that works and then exits; it ends with its parent. Waits where the system has no
  /// process left.
  void fork_worker(const std::function<void()>& work);
  /// Looks who has ended, without waiting.
  void reap();
  /// Ends all and waits for them, so that wait4(2) tells their CPU time.
  void end();

  std::size_t alive() const { return alive_.size(); }

 private:
  pid_t fork_child();

  net::Shutdown& shutdown_;
  std::set<pid_t> alive_;
};

/// Forks a process for each client, until the shutdown.
void fork_per_client(Server& server, const std::function<void(const net::Fd& client)>& serve);

}  // namespace quartet::limits
