// Worker processes, each with an event loop of its own. A crash takes down the clients of one worker, and a
// slow handler delays them: one of N, where a single loop has all. The parent replaces the dead.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <deque>

#include "common/net/system.h"
#include "common/server/children.h"
#include "servers/blocking_loop.h"
#include "servers/event_loop.h"

namespace quartet {
namespace {

/// What the workers accept from: one socket that all have inherited, or one for each (--listen-mode
/// reuseport). The parent keeps them, so that the queue of a worker that dies waits for the next one.
class Listeners {
 public:
  Listeners(app::Server& server, std::size_t workers) : shared_(server.listener) {
    if (server.options.own.at("--listen-mode") == "shared") return;
    while (own_.size() + 1 < workers) own_.push_back(shared_.another());
  }

  /// Of the worker in a slot. The first free slots are taken, and a worker is replaced when its slot is free:
  /// so each has another one.
  net::Listener& of(const http::Slot& slot) {
    const std::size_t place = slot.worker % (own_.size() + 1);
    return place == 0 ? shared_ : own_[place - 1];
  }

  bool one_for_all() const { return own_.empty(); }

  void close_all_but(const net::Listener& kept) {
    if (&kept != &shared_) shared_.close();
    for (net::Listener& listener : own_) {
      if (&kept != &listener) listener.close();
    }
  }

  /// In the drain: the clients that wait in the queues of the further sockets.
  std::list<net::Fd> accept_all_further() {
    std::list<net::Fd> clients;
    for (net::Listener& listener : own_) clients.splice(clients.end(), listener.accept_all());
    return clients;
  }

  void stop() {
    shared_.stop();
    for (net::Listener& listener : own_) listener.stop();
  }

 private:
  net::Listener& shared_;
  std::deque<net::Listener> own_;
};

/// Its part of --max-connections: the parts of all workers add up to it.
std::size_t share(std::size_t limit, std::size_t workers, const http::Slot& slot) {
  return limit / workers + (slot.worker % workers < limit % workers ? 1 : 0);
}

/// One worker: the epoll server, but for its parent, and for what it has of the listeners and of the limit.
void work(app::Server& server, http::Slot& slot, Listeners& listeners, std::size_t workers, pid_t parent) {
  server.shutdown.renew_event();
  net::Listener& listener = listeners.of(slot);
  listeners.close_all_but(listener);
  if (server.options.orphans == app::Orphans::drain) listener.stop_when_orphaned();
  http::Service service = server.service;
  service.limits.max_connections = share(service.limits.max_connections, workers, slot);
  app::Server its{server.options, service, listener, server.shutdown, server.scoreboard, true};
  EventLoop::Settings settings{.parent = parent};
  if (listeners.one_for_all() && workers > 1) {
    settings.listener_events = EPOLLIN | EPOLLEXCLUSIVE;
    settings.accepts_in_turn = 1;
  }
  EventLoop loop(its, slot, settings);
  its.announce();
  loop.run();
}

/// A worker opens an eventfd, an epoll and its clients. Found out here, a shortage is one
/// sentence, not one of each worker.
void check_descriptors(const net::Listener& listener) {
  std::array<net::Fd, 3> spare;
  for (net::Fd& descriptor : spare)
    descriptor = net::Fd(
        net::check(fcntl(listener.descriptor(), F_DUPFD_CLOEXEC, 0), "no descriptor is left for a worker"));
}

int serve_with_processes(app::Server& server) {
  app::Children children(server);
  const auto workers = std::min(server.options.workers, server.service.limits.max_connections);
  const pid_t parent = getpid();
  Listeners listeners(server, workers);
  check_descriptors(server.listener);
  children.start_pool(workers, [&] {
    return children.fork_worker([&](http::Slot& slot) { work(server, slot, listeners, workers, parent); });
  });
  for (bool announced = false; !server.shutdown.requested(); app::wait_a_tick()) {
    children.reap();
    if (!announced && children.start_failed()) {  // the next try would fail as well
      children.tell_all();
      return app::kStartFailed;
    }
    children.keep_pool();
    if (!announced && server.scoreboard.board().ready) server.announce();
    announced = server.scoreboard.board().ready;
    // The kernel wakes one loop for a newcomer. If that one cannot take it, for want of a descriptor, no
    // other knows.
    if (server.listener.waiting() > 0) children.interrupt_all();
  }
  auto queue = server.begin_drain();
  queue.splice(queue.end(), listeners.accept_all_further());
  children.tell_all();  // first: when a client is refused, every worker has been told to drain
  listeners.stop();
  server.listener.close();
  children.fork_for_all(std::move(queue), serve_connection);  // because all workers may hang
  return children.drain();
}

const app::Model kMultiprocess{
    .name = "quartet-multiprocess",
    .summary = "Worker processes, each with an event loop.",
    .modes = {{.worker = app::Worker::process, .default_workers = 2, .serve = serve_with_processes}},
    .own_options = {{.name = "--listen-mode",
                     .words = {"shared", "reuseport"},
                     .help = "One socket for all workers, or one for each"}}};

}  // namespace
}  // namespace quartet

int main(int argc, char** argv) { return quartet::app::run_server(argc, argv, quartet::kMultiprocess); }
