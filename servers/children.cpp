#include "servers/children.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "common/app/log.h"
#include "common/net/system.h"

namespace quartet {

void wait_a_tick() { poll(nullptr, 0, static_cast<int>(net::kTick.count())); }

Children::Children(app::Server& server) : server_(server) {
  struct sigaction action {};
  action.sa_handler = [](int) {};  // not SIG_IGN, which would lose their CPU time: it only interrupts
  net::check(sigaction(SIGCHLD, &action, nullptr), "sigaction");
  server_.shutdown.become_parent();
}

void Children::fork_worker(const std::function<void(http::Slot&)>& work) {
  http::Slot& slot = server_.slots.reserve();
  const pid_t parent = getpid();
  pid_t child = fork();
  for (; child < 0; child = fork()) {
    app::log_line(std::string("fork: ") + std::strerror(errno));
    wait_a_tick();
    reap();
  }
  if (child > 0) {
    slot.process = child;  // it may die before it can say so itself
    alive_.insert(child);
    return;
  }
  server_.shutdown.become_worker(parent, SIGTERM);
  app::SlotTable::own(slot);
  work(slot);
  _exit(app::kDrained);
}

void Children::reap() {
  int status = 0;
  for (pid_t child; (child = waitpid(-1, &status, WNOHANG)) > 0;) {
    alive_.erase(child);
    server_.slots.release_process(child);
    if (status == 0) continue;
    app::log_line("worker " + std::to_string(child) + " " + app::describe_exit(status));
    const bool hung = WIFSIGNALED(status) && (WTERMSIG(status) == SIGALRM || WTERMSIG(status) == SIGKILL);
    if (hung && server_.shutdown.requested()) ++hung_;
  }
}

void Children::tell_all() const {
  for (const pid_t child : alive_) kill(child, server_.shutdown.repeated() ? SIGKILL : SIGTERM);
}

int Children::drain() {
  for (reap(); !alive_.empty(); reap()) {
    tell_all();  // again and again: a signal that comes just before a blocking call does not interrupt it
    wait_a_tick();
  }
  return app::drained(server_, hung_);
}

}  // namespace quartet
