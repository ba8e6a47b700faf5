#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "common/http/slot.h"

namespace quartet::app {

/// The slots of all workers, in anonymous memory that forks share. Slots that nobody took cost no memory.
class SlotTable {
 public:
  /// @throws std::system_error when it cannot be mapped
  explicit SlotTable(std::size_t count);
  ~SlotTable();
  SlotTable(const SlotTable&) = delete;
  SlotTable& operator=(const SlotTable&) = delete;

  /// Takes the first free slot for the calling thread. Safe against every other process and thread.
  /// @throws std::runtime_error when all are taken
  http::Slot& take();
  /// Takes the first free slot for a process that is about to be forked. The parent then stores the child's
  /// pid in Slot::process (the child may die before it calls own()), and frees the slot after reaping it.
  /// @throws std::runtime_error when all are taken
  http::Slot& reserve();
  /// The calling thread owns the slot that its parent reserved.
  static void own(http::Slot& slot);
  /// Frees it: gauges go to 0 (a crash leaves them behind), counters stay.
  static void release(http::Slot& slot);
  /// Frees the slot of a process that was reaped. @return it, or null
  http::Slot* release_process(pid_t process);

  /// Connections open now, over all slots.
  std::size_t open_connections() const;
  std::span<http::Slot> all() const { return {slots_, count_}; }
  /// All slots that were ever taken.
  std::span<http::Slot> used() const;

 private:
  http::Slot& claim(std::int32_t process);

  http::Slot* slots_;
  std::size_t count_;
};

}  // namespace quartet::app
