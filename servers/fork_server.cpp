// Processes: per request, per connection, or a pool forked beforehand. They share no memory but the counters:
// a crash takes down one client, or only its request. Each costs its page tables, and a pool serves no more
// clients than it has workers.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "common/net/system.h"
#include "common/program/log.h"
#include "common/server/children.h"
#include "common/server/server.h"
#include "common/server/shortage.h"
#include "servers/blocking_loop.h"

namespace quartet {
namespace {

// What becomes of the connection when a process has answered a request: its exit status, beside the usual
// ones.
constexpr int kKeepAlive = 64;
constexpr int kClose = 65;

// --- process per request

/// In the child: runs and writes, then tells by its exit status what becomes of the connection.
[[noreturn]] void answer_request(app::Server& server, http::Slot& slot, const net::Fd& client,
                                 http::Connection& connection) {
  connection.on_forked(slot);
  connection.run(net::now());
  while (connection.answering()) {
    if (!shutdown_step(server.shutdown, connection, slot)) _exit(app::kCut);
    switch (connection.want()) {
      case http::Want::run: connection.run(net::now()); break;
      case http::Want::write:
        if (!write_step(client, connection)) _exit(kClose);
        break;
      case http::Want::sleep:
        if (!sleep_step(client, connection)) _exit(kClose);
        break;
      default: _exit(kClose);
    }
  }
  _exit(connection.want() == http::Want::close || connection.finishing() ? kClose : kKeepAlive);
}

/// Blocks until the child has ended. In a drain this process's alarm bounds that: the child dies with it.
/// @return the child's status, as from waitpid(2)
int wait_for(pid_t child, const net::Shutdown& shutdown) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (shutdown.requested()) kill(child, SIGTERM);
  }
  return status;
}

/// Answers 503, because fork failed. To wait for a process could last for ever: the processes of other
/// connections may wait for one, too.
void refuse(http::Connection& connection) {
  app::log_seldom(std::string("fork: ") + std::strerror(errno) + "; answering 503");
  connection.on_overload("no process is left to run the request", net::now());
}

/// @return whether the connection goes on
bool run_in_child(app::Server& server, const net::Fd& client, http::Connection& connection) {
  http::Slot& slot = server.scoreboard.reserve();
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) {
    refuse(connection);
    app::Scoreboard::release(slot);
    return true;
  }
  if (child == 0) {
    server.shutdown.become_worker(parent, SIGKILL);  // nobody is left to go on with the connection
    app::Scoreboard::own(slot);
    answer_request(server, slot, client, connection);
  }
  slot.process = child;  // it may die before it can say so itself
  const int status = wait_for(child, server.shutdown);
  if (WIFEXITED(status) && (WEXITSTATUS(status) == kKeepAlive || WEXITSTATUS(status) == kClose)) {
    app::Scoreboard::release(slot);
    connection.on_answered(WEXITSTATUS(status) == kKeepAlive, net::now());
    return true;
  }
  app::report_death(server.scoreboard, child, status);
  return false;
}

void serve_requests(app::Server& server, http::Slot& slot, net::Fd client) {
  http::Connection connection(server.service, slot, net::now());
  while (shutdown_step(server.shutdown, connection, slot)) {
    switch (connection.want()) {
      case http::Want::read:
        if (!read_step(client, connection)) return;
        break;
      case http::Want::run:
        if (!run_in_child(server, client, connection)) return;
        break;
      case http::Want::write:
        if (!write_step(client, connection)) return;
        break;
      case http::Want::sleep:
        if (!sleep_step(client, connection)) return;
        break;
      case http::Want::close: return;
    }
  }
}

// --- who accepts

int fork_per_client(app::Server& server, app::ServeClient serve) {
  app::Children children(server);
  server.announce();
  const auto limit = server.service.limits.max_connections;
  net::Fd client;  // accepted; waits here as long as fork fails
  const auto work = [&](http::Slot& slot) {
    server.listener.close();
    serve(server, slot, std::move(client));
  };
  for (; !server.shutdown.requested(); children.reap()) {
    if (children.alive() >= limit) {
      app::wait_a_tick();
    } else if (client || (client = server.listener.accept())) {
      children.fork_worker(work) ? client.reset() : children.wait_for_room();
    } else if (app::is_exhausted(errno)) {
      app::wait_a_tick();
    }
  }
  auto queue = server.begin_drain();
  if (client) queue.push_front(std::move(client));
  children.tell_all();  // first: when a client is refused, every worker has been told to drain
  server.listener.close();
  children.fork_for_all(std::move(queue), serve);
  return children.drain();
}

/// Limits the next connection to the requests that this worker may still serve (--max-requests-per-worker
/// bounds what a leak can cost).
/// @return whether any are left
bool ration(http::Service& service, const app::Options& options, std::uint64_t served) {
  const std::size_t budget = options.max_requests_per_worker;
  if (served >= budget) return false;
  service.limits.max_requests_per_connection =
      std::min(options.limits.max_requests_per_connection, budget - served);
  return true;
}

/// A pool worker. All have inherited the one listener; a worker that is free accepts the next client.
void accept_clients(app::Server& server, http::Slot& slot, pid_t parent) {
  const std::uint64_t served_before = slot.requests;  // by the slot's earlier workers
  http::Service service = server.service;
  while (!server.shutdown.requested()) {
    // An orphan goes on: it would not be replaced.
    if (!ration(service, server.options, slot.requests - served_before) && getppid() == parent) return;
    if (net::Fd client = server.listener.accept()) {
      app::spare_the_others([&] { serve_client(std::move(client), service, slot, server.shutdown); });
    } else if (errno == EINVAL) {
      break;  // the parent has stopped the listener, or after its death another worker
    } else if (app::is_exhausted(errno)) {
      app::wait_a_tick();
    }
  }
  if (getppid() == parent) return;  // the parent serves the queue
  for (net::Fd& client : server.listener.accept_all()) serve_connection(server, slot, std::move(client));
}

int prefork(app::Server& server) {
  app::Children children(server);
  const auto workers = std::min(server.options.workers, server.service.limits.max_connections);
  const pid_t parent = getpid();
  children.start_pool(workers, [&] {
    return children.fork_worker([&](http::Slot& slot) { accept_clients(server, slot, parent); });
  });
  server.announce();
  for (; !server.shutdown.requested(); app::wait_a_tick()) children.keep_pool();
  auto queue = server.begin_drain();
  children.tell_all();  // first: when a client is refused, every worker has been told to drain
  server.listener.stop();
  server.listener.close();
  children.fork_for_all(std::move(queue), serve_connection);
  return children.drain();
}

int fork_per_connection(app::Server& server) { return fork_per_client(server, serve_connection); }

int fork_per_request(app::Server& server) { return fork_per_client(server, serve_requests); }

const app::Model kFork{.name = "quartet-fork",
                       .summary = "Processes: a pool, or one per connection or per request.",
                       .modes = {{.name = "prefork",
                                  .worker = app::Worker::process,
                                  .one_client_per_worker = true,
                                  .default_workers = 16,
                                  .serve = prefork},
                                 {.name = "per-connection",
                                  .worker = app::Worker::process,
                                  .one_client_per_worker = true,
                                  .only_one_because = "every connection gets a process of its own",
                                  .serve = fork_per_connection},
                                 {.name = "per-request",
                                  .worker = app::Worker::process,
                                  .one_client_per_worker = true,
                                  .process_per_request = true,
                                  .only_one_because = "every request gets a process of its own",
                                  .serve = fork_per_request}}};

}  // namespace
}  // namespace quartet

int main(int argc, char** argv) { return quartet::app::run_server(argc, argv, quartet::kFork); }
