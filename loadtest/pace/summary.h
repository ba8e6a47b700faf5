#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "loadtest/pace/ledger.h"
#include "loadtest/pace/percentiles.h"
#include "loadtest/pace/plan.h"

namespace quartet::pace {

/// What became of the requests of one lane.
struct LaneSummary {
  std::string name;
  std::uint64_t requests = 0;
  /// Answered, well or badly, and of these ok, before the duration was over.
  std::uint64_t answered_in_time = 0, ok_in_time = 0;
  std::array<std::uint64_t, kOutcomes> outcomes{};  ///< add up to `requests`
  /// Places of its pool that had at least one ok; nothing for fresh connections, which have no place.
  std::optional<std::size_t> connections_answered{};
  /// From due to done, of those that ended ok; who was never answered is censored. An error status and wrong
  /// content are answers, but not those that were asked for: they are not in here.
  Percentiles latency{};
  Percentiles service{};  ///< from sent to done, of the same if they were sent; a closed loop has none
  std::vector<Record> fault_tries{};  ///< of its fault: not among latency and service
  Nanoseconds patience{0};            ///< so long at least was waited for each that was never answered

  std::uint64_t count(Outcome outcome) const { return outcomes[static_cast<std::size_t>(outcome)]; }
};

/// The longest time in which no request of any lane ended ok, between the start of the schedule and the end.
/// In a closed loop: no request of its own.
struct Gap {
  Nanoseconds begin{0};
  Nanoseconds end{0};

  Nanoseconds length() const { return end - begin; }
};

struct Summary {
  std::vector<LaneSummary> lanes;
  Gap gap;
  Percentiles lateness{};  ///< of this program, over all requests
  bool schedule_kept = true;
  std::map<std::pair<std::int32_t, std::uint32_t>, std::uint64_t> workers;  ///< (pid, slot) -> answers
  std::vector<std::string> problems;  ///< why these numbers are not to be trusted, in sentences

  std::uint64_t total(Outcome outcome) const;
};

Summary summarize(const Plan& plan, const Ledger& ledger);

}  // namespace quartet::pace
