#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace quartet::app {

/// A stack, as far as it may grow: downwards.
struct Stack {
  std::uintptr_t lowest = 0;
  std::size_t guard = 0;  ///< bytes below it that nobody may touch
};

/// A scheduler in user space, for a handler that it runs.
class UserScheduler {
 public:
  /// Others may go first. Returns when the handler may go on; that may be on another kernel thread.
  /// @param deadline of the answer, from the arrival of the request; 0: none
  virtual void give_way(std::chrono::milliseconds deadline) = 0;
  /// Of the caller.
  virtual Stack stack() const = 0;

 protected:
  ~UserScheduler() = default;
};

/// Set by a model that has one, before its first request. Null: only the kernel schedules, and a handler that
/// has begun goes on until it returns.
inline UserScheduler* user_scheduler = nullptr;

}  // namespace quartet::app
