// Faults of those who take locks: two that wait for each other, and one that dies with a lock in its hand.
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>

#include "common/faults/fault.h"
#include "common/net/fd.h"
#include "common/net/system.h"
#include "common/scoreboard/shared_memory.h"

namespace quartet::app {
namespace {

using http::Method;
using http::Outcome;

Outcome deadlock(const Values& values) {
  static std::array<std::mutex, 2> mutexes;
  const std::size_t first = values[0];
  const std::lock_guard one(mutexes[first]);
  std::this_thread::sleep_for(std::chrono::milliseconds(values[1]));
  const std::lock_guard other(mutexes[1 - first]);
  return http::text_response(200, first == 0 ? "locked a, then b" : "locked b, then a");
}

void require(int error) {
  if (error != 0) throw std::system_error(error, std::generic_category(), "mutex of the shared counter");
}

/// The process that holds a lock, for whoever looks from outside; 0: nobody.
using Holder = std::atomic<std::int32_t>;

/// A mutex and the counter that it guards, for all processes that share their memory.
class GuardedCounter {
 public:
  GuardedCounter(int robustness, Holder& holder) : holder_(holder) {
    pthread_mutexattr_t attributes;
    require(::pthread_mutexattr_init(&attributes));
    require(::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED));
    require(::pthread_mutexattr_setrobust(&attributes, robustness));
    require(::pthread_mutex_init(&mutex_, &attributes));
    ::pthread_mutexattr_destroy(&attributes);  // does nothing on Linux
  }

  /// Blocks. The counter needs no repair when its owner has died: adding one is all that happens to it.
  void lock() {
    int error = ::pthread_mutex_lock(&mutex_);
    if (error == EOWNERDEAD) error = ::pthread_mutex_consistent(&mutex_);
    require(error);
    holder_ = ::getpid();
  }
  void unlock() {
    holder_ = 0;
    ::pthread_mutex_unlock(&mutex_);  // by its owner: cannot fail
  }
  void add_one() { ++count_; }

 private:
  Holder& holder_;
  pthread_mutex_t mutex_;
  std::uint64_t count_ = 0;
};

/// What lies in the shared memory, in the order of the words of `mutex`. The harness reads who holds the
/// plain one (loadtest/system/procfs.py): the robust one does not stay with the dead.
struct Locks {
  std::array<Holder, 2> holders{};
  std::array<GuardedCounter, 2> counters{GuardedCounter(PTHREAD_MUTEX_STALLED, holders[0]),
                                         GuardedCounter(PTHREAD_MUTEX_ROBUST, holders[1])};
};

/// Memory that can be read from outside, as a descriptor of any of these processes.
int locks_file() {
  const int file = net::check(::memfd_create("quartet-locks", MFD_CLOEXEC), "memfd_create");
  net::check(::ftruncate(file, sizeof(Locks)), "ftruncate");
  return file;
}

std::array<GuardedCounter, 2>& counters() {
  static const net::Fd file(locks_file());
  static const SharedMemory memory(file.get(), sizeof(Locks), PROT_READ | PROT_WRITE);
  static Locks& locks = *new (memory.data()) Locks;
  return locks.counters;
}

const Choice kMutex{"mutex", {"plain", "robust"}};

Outcome die_with_the_lock(const Values& values) {
  counters()[values[0]].lock();
  ::_exit(1);
}

/// Its answer is always the same: not even how often it was asked shows.
Outcome answer_locked(const Values& values) {
  GuardedCounter& counter = counters()[values[0]];
  const std::lock_guard lock(counter);
  counter.add_one();
  return http::text_response(200, "had the lock");
}

}  // namespace

std::vector<Fault> lock_faults() {
  return {{"deadlock", {Choice{"order", {"ab", "ba"}}, Number{"ms", 50, 1'000}}, deadlock},
          {"lock-holder-dies", {kMutex}, die_with_the_lock}};
}

void add_locked_route(http::Router& router) {
  counters();  // mapped before any fork
  router.add({{Method::get},
              "/fault/locked",
              summary_of("Takes a lock that all processes share: the victim of lock-holder-dies.", {kMutex}),
              false,
              with_parameters({kMutex}, answer_locked)});
}

}  // namespace quartet::app
