// A pool of threads, one client each, behind one acceptor and a bounded queue, as quartet-threads.

#include <cerrno>
#include <condition_variable>
#include <deque>
#include <latch>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "common/net/system.h"
#include "loadtest/limits/blocking_client.h"
#include "loadtest/limits/limit.h"

namespace quartet::limits {
namespace {

/// The accepted clients that no worker has taken yet.
class Queue {
 public:
  explicit Queue(std::size_t bound) : bound_(bound) {}

  void push(net::Fd client) {
    const std::lock_guard lock(mutex_);
    clients_.push_back(std::move(client));
    arrived_.notify_one();
  }

  /// Blocks. @return nothing when no more clients will come
  std::optional<net::Fd> pop() {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] { return closed_ || !clients_.empty(); });
    if (closed_) return std::nullopt;
    net::Fd client = std::move(clients_.front());
    clients_.pop_front();
    taken_.notify_one();
    return client;
  }

  /// Blocks for a tick at most. @return whether another client may be accepted
  bool wait_for_room() {
    std::unique_lock lock(mutex_);
    return taken_.wait_for(lock, net::kTick, [&] { return clients_.size() < bound_; });
  }

  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    arrived_.notify_all();
  }

 private:
  const std::size_t bound_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::condition_variable taken_;  // only the acceptor waits for it
  std::deque<net::Fd> clients_;
  bool closed_ = false;
};

void work(const Server& server, Queue& queue) {
  while (const auto client = queue.pop()) serve_client(*client, server.shutdown);
}

void accept_clients(Server& server, Queue& queue) {
  while (!server.shutdown.requested()) {
    if (!queue.wait_for_room()) continue;
    if (net::Fd client = server.listener.accept()) {
      queue.push(std::move(client));
    } else if (net::is_exhausted(errno)) {
      std::this_thread::sleep_for(net::kTick);  // no descriptor is free before a client leaves
    }
  }
}

void serve_with_threads(Server& server) {
  Queue queue(server.workers);
  std::latch started(static_cast<std::ptrdiff_t>(server.workers));
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < server.workers; ++i) {
    threads.emplace_back([&] {
      started.count_down();
      work(server, queue);
    });
  }
  started.wait();
  server.announce();
  accept_clients(server, queue);
  queue.close();
}

const Limit kThreads{"limit-threads", "A pool of threads, a canned answer for each request.", 16};

}  // namespace
}  // namespace quartet::limits

int main(int argc, char** argv) {
  return quartet::limits::run_limit(argc, argv, quartet::limits::kThreads,
                                    quartet::limits::serve_with_threads);
}
