#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/http/moment.h"

namespace quartet::http {

/// Where a connection stands, as /stats counts it.
enum class Phase : std::uint8_t { accepted, reading, running, sleeping, writing, idle };
inline constexpr std::size_t kPhases = 6;

/// The request whose handler is running. Another thread or process can read it, also after a crash. It has
/// one writer, and nobody waits: it is a seqlock whose sequence number is the time. On x86 its stores cost no
/// more than relaxed ones.
class FlightRecord {
 public:
  static constexpr std::size_t kBytes = 128;  ///< of method and target; the rest is cut off

  struct Entry {
    std::string request;  ///< "GET /plaintext"
    TimePoint since;
  };

  /// A handler starts. @param since not the clock's epoch, which stands for "none"
  void begin(std::string_view method, std::string_view target, TimePoint since);
  /// The handler has returned.
  void end() { since_.store(0, std::memory_order_relaxed); }
  /// What is running, if anything. Also nothing in the rare case that the entry changes during every attempt
  /// to read it.
  std::optional<Entry> read() const;
  /// Becomes a copy of another record, also of an empty one.
  void copy(const FlightRecord& other);

 private:
  using Words = std::array<std::uint64_t, kBytes / sizeof(std::uint64_t)>;

  Words load() const;
  void store(const Words& words, std::size_t count);

  std::atomic<TimePoint::rep> since_{0};
  std::array<std::atomic<std::uint64_t>, kBytes / sizeof(std::uint64_t)> text_{};
};

/// One worker's counters and gauges. A slot has one writer at a time (its worker) and any number of readers
/// in any process, so that a plain relaxed load and store is enough: no locked instruction on the hot path.
struct alignas(64) Slot {
  using Count = std::atomic<std::uint64_t>;

  std::atomic<std::int32_t> process{0};      ///< pid; 0: the slot is free, -1: its process is being forked
  std::atomic<std::int32_t> thread{0};       ///< tid
  std::atomic<std::uint32_t> worker{0};      ///< index of the slot in its table
  std::atomic<std::uint32_t> generation{0};  ///< how many workers have used this slot

  std::atomic<std::uint64_t> requests_before{0};  ///< of earlier workers of this slot, in `requests`

  // counters: never reset, also not when another worker takes the slot
  Count connections{0};     ///< connections taken up
  Count requests{0};        ///< requests that reached run()
  Count errors{0};          ///< answers that the parser gave by itself: 400, 408, 413, ...
  Count timeouts{0};        ///< connections ended by a deadline
  Count cut{0};             ///< connections cut at the drain timeout
  Count bytes_received{0};  ///< over sockets, heads included
  Count bytes_sent{0};

  std::array<Count, kPhases> gauges{};    ///< open connections by phase, with those that have departed
  std::array<Count, kPhases> departed{};  ///< of these, to other workers, which count them here: many writers
  FlightRecord running;                   ///< survives the worker, until another one takes the slot

  /// The last worker of this slot that died instead of leaving; written by the process that reaped it.
  struct Death {
    Count count{0};                            ///< of all workers that died here
    std::atomic<std::int32_t> process{0};      ///< pid
    std::atomic<std::int32_t> status{0};       ///< as from waitpid(2)
    std::atomic<std::uint32_t> generation{0};  ///< which worker of this slot it was
    std::atomic<std::int64_t> unix_seconds{0};
    FlightRecord request;  ///< what it was running
  } death;

  Count& gauge(Phase phase) { return gauges[static_cast<std::size_t>(phase)]; }
  /// Open connections in that phase. A reader may see a departure before its arrival: then 0, not less.
  std::uint64_t open(std::size_t phase) const;
  /// Another worker takes over a connection in that phase. Called by its thread, and so a locked instruction.
  void depart(Phase phase) {
    departed[static_cast<std::size_t>(phase)].fetch_add(1, std::memory_order_relaxed);
  }
};

/// Adds to a count of the slot that this worker alone writes.
inline void add(Slot::Count& count, std::uint64_t amount = 1) {
  count.store(count.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}
/// Does not go below 0: when somebody truncates the scoreboard, its gauges begin at 0 again while connections
/// are open.
inline void subtract(Slot::Count& count) {
  const auto before = count.load(std::memory_order_relaxed);
  if (before > 0) count.store(before - 1, std::memory_order_relaxed);
}

}  // namespace quartet::http
