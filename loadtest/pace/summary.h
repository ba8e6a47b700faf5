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
  std::array<std::uint64_t, kOutcomes> outcomes{};  ///< add up to `requests`
  /// Places of its pool that had at least one ok; nothing for fresh connections, which have no place.
  std::optional<std::size_t> connections_answered{};
  Percentiles latency{{}};  ///< from due to done, of those that ended ok
  Percentiles service{{}};  ///< from sent to done, of the same

  std::uint64_t count(Outcome outcome) const { return outcomes[static_cast<std::size_t>(outcome)]; }
};

/// The longest time in which no request of any lane ended ok, between the start of the schedule and the end.
struct Gap {
  Nanoseconds begin{0};
  Nanoseconds end{0};

  Nanoseconds length() const { return end - begin; }
};

struct Summary {
  std::vector<LaneSummary> lanes;
  Gap gap;
  Percentiles lateness{{}};  ///< of this program, over all requests
  bool schedule_kept = true;
  std::map<std::pair<std::int32_t, std::uint32_t>, std::uint64_t> workers;  ///< (pid, slot) -> answers
  std::vector<std::string> problems;  ///< why these numbers are not to be trusted, in sentences

  std::uint64_t total(Outcome outcome) const;
};

Summary summarize(const Plan& plan, const Ledger& ledger);

}  // namespace quartet::pace
