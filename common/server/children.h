#pragma once

#include <sys/types.h>

#include <functional>
#include <list>
#include <map>
#include <string>

#include "common/server/backoff.h"
#include "common/server/server.h"

namespace quartet::app {

/// Blocks until a signal comes, for example because a child has ended, or for a tick.
void wait_a_tick();

/// Writes to the log and the scoreboard how a worker died, and which requests it was running.
/// @param status as from waitpid(2), which has reaped it
void report_death(Scoreboard& scoreboard, pid_t worker, int status);

/// Serves one client in a process of its own.
using ServeClient = void (*)(Server&, http::Slot&, net::Fd);

/// The worker processes that this process has forked and not reaped yet.
class Children {
 public:
  /// Makes this process a parent: SIGCHLD interrupts what it waits for, and signals are for its workers, too.
  explicit Children(Server& server);

  /// Forks a process that works in a slot of its own and then exits.
  /// @return false when fork fails: see problem(), and try again later
  bool fork_worker(const std::function<void(http::Slot&)>& work);
  /// Forks a process that sees to its slots itself. The result of `work` is its exit status.
  /// @return false when fork fails
  bool fork_server(const std::function<int()>& work);
  /// Starts a pool: so many workers, or as many as can be had. @throws std::runtime_error when none can
  /// @param start forks a worker. @return false when fork fails
  void start_pool(std::size_t workers, std::function<bool()> start);
  /// Reaps, then starts those of the pool that are missing, as far as that is possible now. For every tick.
  void keep_pool();
  /// Why the last fork failed: "fork: Resource temporarily unavailable".
  const std::string& problem() const { return problem_; }
  /// The last fork failed, and will be tried again: says so, seldom.
  void complain() const;
  /// After a failed fork: complains, and waits a tick for a process to end.
  void wait_for_room();
  /// In a drain: forks a process for each client of the queue, so that none of them has to wait for another.
  /// Where fork fails it tries again until the drain timeout; the clients that are left then are cut.
  void fork_for_all(std::list<net::Fd> queue, ServeClient serve);
  /// Reaps the processes that have ended, without waiting; reports those that died.
  void reap();
  /// Passes the shutdown on, without waiting: as SIGTERM; as SIGKILL after a second signal, or when the alarm
  /// has had time to end all of them.
  void tell_all() const;
  /// Whatever they wait for returns with EINTR.
  void interrupt_all() const;
  /// Waits for all to end. @return kDrained, kCut or, after a crash loop, kCrashLoop
  int drain();

  std::size_t alive() const { return alive_.size(); }
  /// The last one that died has exited with kStartFailed.
  bool start_failed() const { return start_failed_; }
  /// Whether another one may be started now: after deaths only after a pause, and never in a crash loop.
  /// The first time that it sees a crash loop it says so, and begins the shutdown.
  bool may_replace();

 private:
  pid_t fork_child();
  void on_death(pid_t child, int status, http::TimePoint started);
  bool start_one();

  Server& server_;
  std::map<pid_t, http::TimePoint> alive_;  // and when they were started
  std::size_t pool_ = 0;                    // workers that there should be
  std::size_t missing_ = 0;                 // of these: never started yet
  std::function<bool()> start_;             // one of these
  Backoff backoff_;
  bool gave_up_ = false;
  bool start_failed_ = false;
  std::string problem_;
  std::size_t hung_ = 0;  // connections of those that died of SIGALRM or SIGKILL amid a drain
};

}  // namespace quartet::app
