#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "common/http/connection.h"
#include "common/net/fd.h"
#include "common/net/transfer.h"
#include "servers/fiber.h"

namespace quartet {

/// Who of those that are ready runs next.
enum class Policy : std::uint8_t {
  fifo,  ///< who is ready for the longest time; to the end, because giving way changes nothing
  lifo,  ///< who is ready for the shortest time
  mlfq,  ///< who has used the fewest slices: a multi-level feedback queue (Corbató and others, 1962)
  edf,   ///< who has the earliest deadline (Liu and Layland, 1973); before he has said it: at once
};

struct FiberWorker;

/// A thread in user space. Its memory stays when it has ended, and the next one gets it: an event that
/// another worker has fetched may still name it. So it may be woken for no reason.
struct Fiber {
  FiberWorker* worker = nullptr;           ///< whose thread runs it, or was the last to run it
  net::Fd socket;                          ///< what it was begun with
  http::Connection* connection = nullptr;  ///< on its stack: moves to another worker with it
  bool readable = false;                   ///< the socket, as far as we know: a short read empties it
  bool reads_to_end = false;               ///< but not where the peer has hung up, or has sent urgent data

 private:
  friend class FiberScheduler;

  Context context_;
  std::atomic<unsigned> state_{0};
  std::atomic<http::TimePoint::rep> patience_{0};  ///< when its wait ends, to a tenth of a second
  bool gives_way_ = false;
  bool watches_room_ = false;
  // for the policy
  http::TimePoint ready_;  ///< since when
  http::TimePoint due_;
  unsigned slices_ = 0;  ///< used by this request
};

/// A kernel thread that runs fibers.
struct FiberWorker {
  explicit FiberWorker(http::Slot& its_slot) : slot(its_slot) {}

  http::Slot& slot;
  std::array<char, net::kReadBuffer> buffer;  ///< shared: a fiber uses it only while it reads

 private:
  friend class FiberScheduler;

  struct Key {
    std::int64_t rank;
    std::int64_t order;
    auto operator<=>(const Key&) const = default;
  };
  struct Entry {
    Key key;
    Fiber* fiber;
    bool operator>(const Entry& other) const { return key > other.key; }
  };

  std::mutex mutex_;          // others may steal
  std::vector<Entry> queue_;  // a heap: the least key is in front
  std::atomic<std::size_t> ready_{0};
  std::int64_t pushed_ = 0;
  unsigned turns_ = 0;
  http::TimePoint next_boost_{};
};

/// M fibers on N kernel threads. What is ready stands in the queue of one worker; a worker that has nothing
/// to do takes from the others. All wait for the same epoll, edge-triggered: whoever is idle gets an event,
/// and none is held up by a worker whose fiber blocks.
class FiberScheduler {
 public:
  struct Settings {
    Policy policy = Policy::fifo;
    bool preempts = true;
    std::size_t stack_size = 256 << 10;
    bool guarded = true;
  };

  /// @throws std::system_error
  explicit FiberScheduler(const Settings& settings);

  /// Before work(). @return it
  FiberWorker& add_worker(http::Slot& slot);
  std::deque<FiberWorker>& workers() { return workers_; }
  /// Runs fibers on this thread until stop().
  void work(FiberWorker& worker);
  void stop();

  /// Called by any thread. @param body outlives all fibers, and must not throw. @throws std::bad_alloc
  void spawn(const std::function<void(Fiber&)>& body, net::Fd socket = {});
  /// Ends its wait, or the next one. Called by any thread.
  void wake(Fiber& fiber);
  void wake_all();

  /// @name For the fiber that runs
  /// @{
  /// What happens on the descriptor ends its waits. @throws std::system_error
  void watch(Fiber& self, int descriptor);
  /// Also room to send, from now on. @throws std::system_error
  void watch_room(Fiber& self, int socket);
  /// Suspended until something happens on what it watches, somebody wakes it, or that time comes, to a tenth
  /// of a second.
  void wait(Fiber& self, http::TimePoint until);
  /// The same, to a millisecond. @throws std::bad_alloc
  void sleep(Fiber& self, http::TimePoint until);
  /// Its turn is over: behind all others that are ready.
  void end_turn(Fiber& self);
  /// The next request in the same turn.
  static void begin_request(Fiber& self, http::TimePoint now);
  /// A slice is over, or not begun: whoever is first by the policy goes on.
  /// @param deadline from when its request was ready; 0: none
  void give_way(Fiber& self, std::chrono::milliseconds deadline);
  /// @}
  /// Who runs on this thread.
  static Fiber& current();
  static app::Stack stack_of(const Fiber& fiber) { return fiber.context_.stack(); }

 private:
  using Sleeper = std::pair<http::TimePoint, Fiber*>;

  Fiber& take_spare();
  void run(FiberWorker& worker, Fiber& fiber);
  void suspend(Fiber& self);
  void notify(Fiber& fiber, unsigned events, http::TimePoint now, FiberWorker* worker = nullptr);
  void make_ready(FiberWorker& worker, Fiber& fiber, http::TimePoint now);

  FiberWorker::Key key(FiberWorker& worker, const Fiber& fiber) const;
  void push(FiberWorker& worker, Fiber& fiber);
  static Fiber* pop(FiberWorker& worker);
  Fiber* take(FiberWorker& worker);
  Fiber* steal(const FiberWorker& thief);
  static void boost(FiberWorker& worker, http::TimePoint now);

  void idle(FiberWorker& worker);
  int patience() const;
  bool poll(FiberWorker& worker, int timeout);
  void wake_sleepers(FiberWorker& worker, http::TimePoint now);
  void note_next_sleeper();
  void sweep(FiberWorker& worker, http::TimePoint now);
  void call_helper();
  void call_again();
  bool somebody_waits() const;
  void control(int operation, int descriptor, std::uint32_t events, Fiber* fiber);

  const Settings settings_;
  Stacks stacks_;
  net::Fd epoll_;
  net::Fd bell_;  // ends the wait of an idle worker
  std::deque<FiberWorker> workers_;
  std::atomic<std::size_t> idle_{0};
  std::atomic<bool> called_{false};
  std::atomic<bool> stopped_{false};

  std::mutex fibers_mutex_;
  std::deque<Fiber> fibers_;
  std::vector<Fiber*> spare_;

  std::mutex sleepers_mutex_;
  std::set<Sleeper> sleepers_;
  std::atomic<http::TimePoint::rep> next_sleeper_;
  std::atomic<http::TimePoint::rep> next_sweep_{0};
};

}  // namespace quartet
