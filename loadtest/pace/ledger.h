#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "loadtest/pace/record.h"

namespace quartet::pace {

/// All that a run has found out.
struct Ledger {
  std::vector<Record> records{};         ///< in the order in which they were due
  std::chrono::nanoseconds start{0};     ///< of the schedule, since 1970
  std::chrono::nanoseconds elapsed{0};   ///< from then until the end
  std::chrono::nanoseconds cpu_time{0};  ///< of this program, meanwhile
  std::uint64_t connections_opened = 0;  ///< successfully
  /// By lane: places of its pool that had at least one ok. A connection that is closed and opened again keeps
  /// its place.
  std::vector<std::size_t> connections_answered{};
  bool interrupted = false;

  std::size_t held = 0;         ///< idle connections that were opened, and
  std::size_t held_served = 0;  ///< of these, got their one answer
  std::size_t held_lost = 0;    ///< of these, were closed by the server before the end

  /// Connections that this side could not even try to open, and the first reason: out of ports or
  /// descriptors.
  std::uint64_t local_failures = 0;
  std::string local_failure{};
};

}  // namespace quartet::pace
