#include "common/server/children.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "common/net/system.h"
#include "common/program/log.h"
#include "common/server/shortage.h"

namespace quartet::app {
namespace {

/// " during POST /fault/segv"; or one of several requests, in a process of many threads.
std::string describe_suspects(const std::vector<std::string>& requests) {
  if (requests.empty()) return "";
  if (requests.size() == 1) return " during " + requests.front();
  return fmt::format(" during one of {} requests: {}", requests.size(), fmt::join(requests, ", "));
}

/// Of a child: whatever happens, it must not return into its parent's stack.
[[noreturn]] void leave(const std::function<int()>& work) try {
  _exit(work());
} catch (const std::exception& error) {
  log_line(explain(error));
  _exit(kStartFailed);
}

}  // namespace

void wait_a_tick() { poll(nullptr, 0, static_cast<int>(net::kTick.count())); }

void report_death(Scoreboard& scoreboard, pid_t worker, int status) {
  const auto requests = scoreboard.bury(worker, status);
  log_line(fmt::format("worker {} {}{}", worker, describe_exit(status), describe_suspects(requests)));
}

Children::Children(Server& server) : server_(server) {
  struct sigaction action {};
  action.sa_handler = [](int) {};  // not SIG_IGN, which would lose their CPU time: it only interrupts
  net::check(sigaction(SIGCHLD, &action, nullptr), "sigaction");
  server_.shutdown.become_parent();
}

pid_t Children::fork_child() {
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) {
    problem_ = std::string("fork: ") + std::strerror(errno);
  } else if (child > 0) {
    alive_.emplace(child, net::now().steady);
  } else {
    const bool serves_on = server_.options.orphans == Orphans::serve;
    if (!serves_on) server_.listener.stop_when_orphaned();
    server_.shutdown.become_worker(parent, serves_on ? 0 : SIGTERM);
  }
  return child;
}

bool Children::fork_worker(const std::function<void(http::Slot&)>& work) {
  http::Slot& slot = server_.scoreboard.reserve();
  const pid_t child = fork_child();
  if (child < 0) Scoreboard::release(slot);
  if (child > 0) slot.process = child;  // it may die before it can say so itself
  if (child != 0) return child > 0;
  leave([&] {
    Scoreboard::own(slot);
    work(slot);
    return kDrained;
  });
}

bool Children::fork_server(const std::function<int()>& work) {
  const pid_t child = fork_child();
  if (child != 0) return child > 0;
  leave([&] {
    server_.shutdown.renew_event();
    return work();
  });
}

bool Children::start_one() {
  if (!start_()) return false;
  missing_ > 0 ? void(--missing_) : http::add(server_.scoreboard.board().replaced);
  return true;
}

void Children::start_pool(std::size_t workers, std::function<bool()> start) {
  pool_ = missing_ = workers;
  start_ = std::move(start);
  while (missing_ > 0 && start_one()) continue;
  if (missing_ == workers) throw std::runtime_error(problem_);
}

void Children::keep_pool() {
  reap();
  while (!server_.shutdown.requested() && alive() < pool_ && may_replace()) {
    if (!start_one()) return complain();
  }
}

void Children::complain() const { log_seldom(problem_ + "; trying again"); }

void Children::wait_for_room() {
  complain();
  wait_a_tick();
  reap();
}

void Children::fork_for_all(std::list<net::Fd> queue, ServeClient serve) {
  const auto work = [&](http::Slot& slot) {
    net::Fd client = std::move(queue.front());
    queue.clear();  // a copy that stays open would keep the other connections open after their close
    serve(server_, slot, std::move(client));
  };
  const net::Shutdown& shutdown = server_.shutdown;
  while (!queue.empty() && !shutdown.repeated() && !shutdown.overdue(net::now().steady)) {
    if (fork_worker(work)) {
      queue.pop_front();
    } else {
      tell_all();
      wait_for_room();
    }
  }
  server_.scoreboard.board().cut += queue.size();  // as workers do at the same moment
}

void Children::reap() {
  int status = 0;
  for (pid_t child; (child = waitpid(-1, &status, WNOHANG)) > 0;) {
    const auto known = alive_.extract(child);
    if (!known) continue;  // an orphan: process 1 of a container inherits them
    if (status == 0) {
      server_.scoreboard.release_process(child);
    } else {
      on_death(child, status, known.mapped());
    }
  }
}

void Children::on_death(pid_t child, int status, http::TimePoint started) {
  const bool hung = WIFSIGNALED(status) && (WTERMSIG(status) == SIGALRM || WTERMSIG(status) == SIGKILL);
  if (hung && server_.shutdown.requested()) {
    hung_ += std::max<std::size_t>(1, server_.scoreboard.open_connections(child));
  }
  start_failed_ = WIFEXITED(status) && WEXITSTATUS(status) == kStartFailed;
  backoff_.on_death(started, net::now().steady, server_.scoreboard.answered(child) > 0);
  report_death(server_.scoreboard, child, status);
}

bool Children::may_replace() {
  const auto now = net::now().steady;
  const auto is_old = [&](const auto& child) { return now - child.second >= Backoff::kYoung; };
  if (!backoff_.crash_loop() || std::ranges::any_of(alive_, is_old)) return backoff_.may_start(now);
  if (!std::exchange(gave_up_, true)) {
    log_line(fmt::format("crash loop: for {} s every worker has died young, without an answer; giving up",
                         Backoff::kPatience / std::chrono::seconds(1)));
    raise(SIGTERM);
  }
  return false;
}

void Children::tell_all() const {
  const bool patient = !server_.shutdown.repeated() && !server_.shutdown.alarm_has_passed(net::now().steady);
  for (const auto& [child, started] : alive_) kill(child, patient ? SIGTERM : SIGKILL);
}

void Children::interrupt_all() const {
  for (const auto& [child, started] : alive_) kill(child, SIGCHLD);  // they have this parent's handler
}

int Children::drain() {
  for (reap(); !alive_.empty(); reap()) {
    tell_all();  // again and again: a signal that comes just before a blocking call does not interrupt it
    wait_a_tick();
  }
  const int status = drained(server_, hung_);
  return gave_up_ ? kCrashLoop : status;
}

}  // namespace quartet::app
