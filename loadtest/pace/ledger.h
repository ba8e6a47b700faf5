#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "loadtest/pace/histogram.h"
#include "loadtest/pace/record.h"
#include "loadtest/pace/rude.h"
#include "loadtest/pace/session_clients.h"

namespace quartet::pace {

/// What became of the requests of a closed loop, which are too many for a record each. Their latency is from
/// when a connection turned to them: from the send, or from the connect where there was none.
struct Tally {
  std::array<std::uint64_t, kOutcomes> outcomes{};
  std::array<std::uint64_t, kOutcomes> in_time{};  ///< of these, known before the plan's duration was over
  Histogram latency{};                             ///< of those that ended ok
  std::chrono::nanoseconds last_ok{0};
  std::chrono::nanoseconds gap_begin{0}, gap_end{0};  ///< the longest time without an ok
};

/// All that a run has found out.
struct Ledger {
  std::vector<Record> records{};         ///< in the order in which they were due; none of closed loops
  std::vector<Tally> tallies{};          ///< by lane; empty ones of those with records
  std::chrono::nanoseconds start{0};     ///< of the schedule, since 1970
  std::chrono::nanoseconds elapsed{0};   ///< from then until the end
  std::chrono::nanoseconds cpu_time{0};  ///< of this program, meanwhile
  std::uint64_t connections_opened = 0;  ///< successfully
  /// By lane: places of its pool that had at least one ok. A connection that is closed and opened again keeps
  /// its place.
  std::vector<std::size_t> connections_answered{};
  /// By lane: which records are of its fault, one after the other when it was asked again.
  std::vector<std::vector<std::size_t>> fault_tries{};
  bool interrupted = false;

  std::size_t held = 0;         ///< idle connections that were opened, and
  std::size_t held_served = 0;  ///< of these, got their one answer
  std::size_t held_lost = 0;    ///< of these, were closed by the server before the end

  std::vector<RudeCount> rude{};  ///< in the order of the plan
  StateCounts state{};            ///< of the clients with sessions

  /// Connections that this side could not even try to open, and the first reason: out of ports or
  /// descriptors.
  std::uint64_t local_failures = 0;
  std::string local_failure{};
};

}  // namespace quartet::pace
