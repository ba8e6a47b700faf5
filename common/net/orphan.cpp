#include "common/net/orphan.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cerrno>

namespace quartet::net {
namespace {

// Signal handlers reach nothing but statics.
std::atomic<int> watched{-1};
std::atomic<int> handlers{0};  // that may be using it: several threads can run one at the same time
std::array<std::atomic<int>, 4096> rescued{};  // descriptor + 1; as many as the listener's backlog
std::atomic<std::size_t> rescued_count{0};

void accept_all(int listener) {
  // For all processes that share the listener: they are orphans as well.
  fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) | O_NONBLOCK);
  while (rescued_count < rescued.size()) {
    const int client = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (client >= 0) {
      rescued[rescued_count] = client + 1;
      ++rescued_count;
    } else if (errno != EINTR && errno != ECONNABORTED) {
      return;
    }
  }
}

}  // namespace

void watch_listener(int descriptor) { watched = descriptor; }

void forget_listener(int descriptor) {
  int expected = descriptor;
  watched.compare_exchange_strong(expected, -1);
  while (handlers > 0) sched_yield();  // in another thread
}

void rescue_queue() {
  ++handlers;
  if (const int listener = watched.exchange(-1); listener >= 0) {
    accept_all(listener);
    shutdown(listener, SHUT_RDWR);  // fails only where another orphan was faster
  }
  --handlers;
}

std::list<Fd> take_rescued() {
  std::list<Fd> clients;
  for (std::size_t i = 0; i < rescued_count; ++i) {
    if (const int client = rescued[i].exchange(0); client > 0) clients.emplace_back(client - 1);
  }
  return clients;
}

}  // namespace quartet::net
