#pragma once

#include <cstddef>
#include <functional>
#include <thread>
#include <vector>

#include "common/http/slot.h"

namespace quartet::app {

/// The threads of a pool. However the pool ends, also by an exception when the next thread cannot be had,
/// they are told to end before they are joined, so that the join ends.
class Threads {
 public:
  using Work = std::function<void(http::Slot&)>;

  /// @param tell_to_end called once or more, by the destructor
  explicit Threads(std::function<void()> tell_to_end) : tell_to_end_(std::move(tell_to_end)) {}
  ~Threads() { tell_to_end_(); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  /// Starts the next of so many threads, which then owns the slot. @throws std::system_error in one sentence;
  /// the slot is free again then
  void start(std::size_t wanted, http::Slot& slot, const Work& work);
  /// Blocks until all of them own their slots.
  void await_started() const;
  void join();

 private:
  std::function<void()> tell_to_end_;
  std::atomic<std::size_t> started_{0};
  std::vector<std::jthread> threads_;  // last: joined before the others go
};

}  // namespace quartet::app
