#include "loadtest/limits/children.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <utility>

#include "common/net/system.h"

namespace quartet::limits {
namespace {

/// Of a child: whatever happens, it must not return into its parent's stack.
[[noreturn]] void leave(const std::function<void()>& work) try {
  work();
  _exit(0);
} catch (const std::exception& error) {
  net::print_error(fmt::format("{}\n", error.what()));
  _exit(1);
}

}  // namespace

void wait_a_tick() { ::poll(nullptr, 0, static_cast<int>(net::kTick.count())); }

Children::Children(net::Shutdown& shutdown) : shutdown_(shutdown) {
  struct sigaction action {};
  action.sa_handler = [](int) {};  // not SIG_IGN, which would lose their CPU time: it only interrupts
  net::check(::sigaction(SIGCHLD, &action, nullptr), "sigaction");
  shutdown_.become_parent();
}

pid_t Children::fork_child() {
  const pid_t parent = ::getpid();
  pid_t child = ::fork();
  for (bool said = false; child < 0 && !shutdown_.requested(); child = ::fork()) {
    if (!std::exchange(said, true))
      net::print_error(fmt::format("fork: {}; trying again\n", std::strerror(errno)));
    wait_a_tick();
    reap();
  }
  if (child == 0) shutdown_.become_worker(parent, SIGTERM);
  return child;
}

void Children::fork_worker(const std::function<void()>& work) {
  const pid_t child = fork_child();
  if (child == 0) leave(work);
  if (child > 0) alive_.insert(child);
}

void Children::reap() {
  // A child's status is its client's business: it sees its connection end.
  for (pid_t child; (child = ::waitpid(-1, nullptr, WNOHANG)) > 0;) alive_.erase(child);
}

void Children::end() {
  for (reap(); !alive_.empty(); reap()) {
    // Again and again: a signal that comes just before a blocking call does not interrupt it.
    for (const pid_t child : alive_)
      ::kill(child, shutdown_.repeated() ? SIGKILL : SIGTERM);  // not reaped yet: the pid is its own
    wait_a_tick();
  }
}

void fork_per_client(Server& server, const std::function<void(const net::Fd&)>& serve) {
  Children children(server.shutdown);
  server.announce();
  for (; !server.shutdown.requested(); children.reap()) {
    if (const net::Fd client = server.listener.accept()) {
      children.fork_worker([&] {
        server.listener.close();
        serve(client);
      });
    } else if (net::is_exhausted(errno)) {
      wait_a_tick();
    }
  }
  children.end();
}

}  // namespace quartet::limits
