#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/scoreboard/scoreboard.h"

namespace quartet::app {

/// A slot's counters, or their sum over several slots.
struct Counts {
  static constexpr std::array<std::string_view, 7> kCounters{
      "connections", "requests", "errors", "timeouts", "cut", "bytes_received", "bytes_sent"};
  static constexpr std::array<std::string_view, http::kPhases> kGauges{"accepted", "reading", "running",
                                                                       "sleeping", "writing", "idle"};

  std::array<std::uint64_t, kCounters.size()> counters{};
  std::array<std::uint64_t, kGauges.size()> gauges{};  ///< open connections, by http::Phase

  std::uint64_t requests() const { return counters[1]; }
  std::uint64_t open() const;
  Counts& operator+=(const Counts& other);
};

/// What a worker does, as far as its connections tell: the first that fits. A loop has many of them.
enum class State : char {
  free = '.',      ///< nobody has the slot
  starting = 'S',  ///< its process is being forked
  running = 'X',   ///< a handler runs
  writing = 'W',
  reading = 'R',
  sleeping = 'Z',  ///< waits, for the client's sake, to answer
  accepted = 'A',  ///< waits for a first byte
  idle = 'K',      ///< waits for the next request (keep-alive)
  ready = '_',     ///< has no connection
};
/// "running"
std::string_view to_string(State state);

/// One slot at one time.
struct WorkerSnapshot {
  struct InHand {
    std::string request;  ///< method and target; bytes that are not printable ASCII are '?'
    std::chrono::nanoseconds duration;
  };
  struct Death {
    std::uint64_t count;
    std::int32_t process;
    std::uint32_t generation;
    std::int32_t status;  ///< as from waitpid(2)
    std::string manner;   ///< "was killed by signal 11 (Segmentation fault)"
    std::int64_t unix_seconds;
    std::string request;  ///< whose handler was running; empty: none
  };

  std::uint32_t worker;
  std::uint32_t generation;
  std::int32_t process;  ///< 0: the slot is free
  std::int32_t thread;
  State state;
  Counts counts;
  std::optional<InHand> in_hand;
  std::optional<Death> last_death;
};

/// A whole scoreboard at one time: only data, for every way to show it.
struct Snapshot {
  std::string model;
  std::string mode;
  std::string address;
  std::int32_t process;
  bool supervised;
  std::uint64_t pid_namespace;
  std::int64_t unix_seconds;  ///< of the server's start
  std::chrono::nanoseconds uptime;
  std::optional<std::chrono::nanoseconds> draining;  ///< for how long
  std::uint64_t replaced;
  std::uint64_t deaths;
  Counts totals;
  std::vector<WorkerSnapshot> workers;  ///< every slot that was ever taken
  bool incomplete = false;              ///< there may be workers without a slot that can be seen
};

/// Reads without a lock: each number is right, the sum of two of them need not be.
Snapshot take_snapshot(const Board& board, std::span<const http::Slot> slots, http::TimePoint now);

/// As /stats and quartet-top --json show it.
nlohmann::ordered_json to_json(const Snapshot& snapshot);

}  // namespace quartet::app
