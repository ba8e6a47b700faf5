// A pool of threads, one client each: simple code that may block. They share one address space: a client that
// keeps a thread takes it from all others, and a crash takes down everyone.

#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>

#include "common/net/system.h"
#include "common/program/log.h"
#include "common/server/server.h"
#include "common/server/shortage.h"
#include "common/server/threads.h"
#include "servers/blocking_loop.h"

namespace quartet {
namespace {

/// The accepted clients: first in a bounded queue, then with a worker, then gone.
class Clients {
 public:
  Clients(std::size_t queue_bound, std::size_t limit) : queue_bound_(queue_bound), limit_(limit) {}

  void push(net::Fd client) {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(client));
    ++open_;
    arrived_.notify_one();
  }

  /// Blocks. @return nothing when no more clients will come
  std::optional<net::Fd> pop() {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] { return closed_ || !queue_.empty(); });
    if (queue_.empty()) return std::nullopt;
    net::Fd client = std::move(queue_.front());
    queue_.pop_front();
    moved_.notify_one();
    return client;
  }

  void leave() {
    const std::lock_guard lock(mutex_);
    --open_;
    moved_.notify_one();
  }

  /// Blocks for a tick at most. @return whether another client may be accepted
  bool wait_for_room() {
    std::unique_lock lock(mutex_);
    const auto has_room = [&] { return queue_.size() < queue_bound_ && open_ < limit_; };
    return moved_.wait_for(lock, net::kTick, has_room);
  }

  /// Blocks until one moves on, for a tick at most.
  void wait_for_move() {
    std::unique_lock lock(mutex_);
    moved_.wait_for(lock, net::kTick);
  }

  std::size_t waiting() {
    const std::lock_guard lock(mutex_);
    return queue_.size();
  }

  /// Blocks. @return how many are still there at that time
  std::size_t wait_until_gone(http::TimePoint deadline) {
    std::unique_lock lock(mutex_);
    while (open_ > 0 && std::chrono::steady_clock::now() < deadline) moved_.wait_for(lock, net::kTick);
    return open_;
  }

  /// No more will come.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    arrived_.notify_all();
  }

 private:
  const std::size_t queue_bound_;
  const std::size_t limit_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::condition_variable moved_;  // only the acceptor waits for it
  std::deque<net::Fd> queue_;
  std::size_t open_ = 0;
  bool closed_ = false;
};

void work(const app::Server& server, http::Slot& slot, Clients& clients) {
  while (auto client = clients.pop()) {
    app::spare_the_others([&] { serve_client(std::move(*client), server.service, slot, server.shutdown); });
    clients.leave();
  }
}

void accept_clients(app::Server& server, Clients& clients) {
  while (!server.shutdown.requested()) {
    if (!clients.wait_for_room()) continue;
    if (net::Fd client = server.listener.accept()) {
      app::spare_the_others([&] { clients.push(std::move(client)); });
    } else if (app::is_exhausted(errno)) {
      clients.wait_for_move();  // no descriptor is free before a client leaves
    }
  }
}

int serve_with_threads(app::Server& server) {
  const std::size_t workers = server.options.workers;
  // One client may wait for each worker: a longer queue would hide an overload.
  Clients clients(workers, server.service.limits.max_connections);
  app::Threads threads([&] { clients.close(); });
  const auto start_to_work = [&](std::size_t wanted) {
    threads.start(wanted, server.scoreboard.take(), [&](http::Slot& slot) { work(server, slot, clients); });
  };
  for (std::size_t i = 0; i < workers; ++i) start_to_work(workers);
  threads.await_started();
  server.announce();

  accept_clients(server, clients);
  for (net::Fd& client : server.begin_drain())
    app::spare_the_others([&] { clients.push(std::move(client)); });
  server.listener.close();
  // Each client of the queue gets a thread of its own: the pool may be busy for a long time.
  try {
    const auto waiting = clients.waiting();
    for (std::size_t i = 0; i < waiting; ++i) start_to_work(workers + waiting);
  } catch (const std::exception& error) {
    app::log_line(error.what() +
                  std::string("; the other threads serve the clients that wait, one after the other"));
  }
  clients.close();
  // Workers cut their own clients; one that hangs in a handler cannot.
  const auto hung = clients.wait_until_gone(server.shutdown.deadline() + 2 * net::kTick);
  if (hung > 0) _exit(app::drained(server, hung));
  return app::drained(server);
}

const app::Model kThreads{.name = "quartet-threads",
                          .summary = "A pool of threads, one client each.",
                          .modes = {{.worker = app::Worker::thread,
                                     .one_client_per_worker = true,
                                     .default_workers = 16,
                                     .serve = serve_with_threads}}};

}  // namespace
}  // namespace quartet

int main(int argc, char** argv) { return quartet::app::run_server(argc, argv, quartet::kThreads); }
