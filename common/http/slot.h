#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace quartet::http {

/// Where a connection stands, as /stats counts it.
enum class Phase : std::uint8_t { accepted, reading, running, sleeping, writing, idle };
inline constexpr std::size_t kPhases = 6;

/// One worker's counters and gauges. A slot has one writer at a time (its worker) and any number of readers
/// in any process, so that a plain relaxed load and store is enough: no locked instruction on the hot path.
struct alignas(64) Slot {
  using Count = std::atomic<std::uint64_t>;

  std::atomic<std::int32_t> process{0};      ///< pid; 0: the slot is free
  std::atomic<std::int32_t> thread{0};       ///< tid
  std::atomic<std::uint32_t> worker{0};      ///< index of the slot in its table
  std::atomic<std::uint32_t> generation{0};  ///< how many workers have used this slot

  // counters: never reset, also not when another worker takes the slot
  Count connections{0};     ///< connections taken up
  Count requests{0};        ///< requests that reached run()
  Count errors{0};          ///< answers that the parser gave by itself: 400, 408, 413, ...
  Count timeouts{0};        ///< connections ended by a deadline
  Count cut{0};             ///< connections cut at the drain timeout
  Count bytes_received{0};  ///< over sockets, heads included
  Count bytes_sent{0};

  std::array<Count, kPhases> gauges{};  ///< open connections by phase

  Count& gauge(Phase phase) { return gauges[static_cast<std::size_t>(phase)]; }
};

/// Adds to a count of the slot that this worker alone writes.
inline void add(Slot::Count& count, std::uint64_t amount = 1) {
  count.store(count.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}
inline void subtract(Slot::Count& count) {
  count.store(count.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
}

}  // namespace quartet::http
