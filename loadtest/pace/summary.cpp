#include "loadtest/pace/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "loadtest/pace/milliseconds.h"

namespace quartet::pace {
namespace {

constexpr double kPunctual = 99;  // %, of the requests, must be within the tolerance

std::uint64_t count(const std::array<std::uint64_t, kOutcomes>& outcomes, Outcome outcome) {
  return outcomes[static_cast<std::size_t>(outcome)];
}

std::uint64_t answered(const std::array<std::uint64_t, kOutcomes>& outcomes) {
  return count(outcomes, Outcome::ok) + count(outcomes, Outcome::error_status) +
         count(outcomes, Outcome::wrong_content);
}

/// A request that the run's end cut off had waited for the grace, not for the whole timeout. Who is
/// interrupted knows of none how long it would have taken.
Nanoseconds patience_of(const Plan& plan, const Ledger& ledger, const LaneSummary& lane) {
  if (ledger.interrupted && lane.count(Outcome::unanswered) > 0) return Nanoseconds(0);
  if (plan.timeout == Nanoseconds(0)) return plan.grace;
  return lane.count(Outcome::unanswered) == 0 ? plan.timeout : std::min(plan.timeout, plan.grace);
}

/// @param counts which of the lane's records there is such a time of
template <typename Counts, typename Value>
Percentiles percentiles_of(const Ledger& ledger, std::uint8_t lane, Nanoseconds patience, Counts counts,
                           Value value) {
  std::vector<std::int64_t> values;
  Censored censored{.bound = patience.count()};
  for (const Record& record : ledger.records) {
    if (record.lane != lane || !counts(record)) continue;
    if (record.outcome == Outcome::ok) values.push_back(value(record));
    if (!is_answer(record.outcome)) ++censored.count;
  }
  return Percentiles(std::move(values), censored);
}

std::size_t index_of(const Ledger& ledger, const Record& record) {
  return static_cast<std::size_t>(&record - ledger.records.data());
}

void summarize_records(LaneSummary& summary, const Plan& plan, const Ledger& ledger, std::uint8_t lane) {
  for (const Record& record : ledger.records) {
    if (record.lane != lane) continue;
    ++summary.outcomes[static_cast<std::size_t>(record.outcome)];
    if (!is_answer(record.outcome) || record.done >= plan.duration.count()) continue;
    ++summary.answered_in_time;
    if (record.outcome == Outcome::ok) ++summary.ok_in_time;
  }
  summary.patience = patience_of(plan, ledger, summary);
  const auto& tries = ledger.fault_tries.at(lane);
  for (const std::size_t record : tries) summary.fault_tries.push_back(ledger.records[record]);
  // A fault is asked to do harm: how long that takes is no latency of anybody.
  const auto ordinary = [&](const Record& record) {
    return std::ranges::find(tries, index_of(ledger, record)) == tries.end();
  };
  // when a request was sent that the end cut off, its own time says next to nothing
  const auto was_sent = [&](const Record& record) {
    return ordinary(record) && record.sent != Record::kNever && record.outcome != Outcome::unanswered;
  };
  summary.latency = percentiles_of(ledger, lane, summary.patience, ordinary, latency);
  summary.service = percentiles_of(ledger, lane, summary.patience, was_sent, service_time);
}

void summarize_tally(LaneSummary& summary, const Plan& plan, const Ledger& ledger, const Tally& tally) {
  summary.outcomes = tally.outcomes;
  summary.answered_in_time = answered(tally.in_time);
  summary.ok_in_time = count(tally.in_time, Outcome::ok);
  summary.patience = patience_of(plan, ledger, summary);
  const auto sum = std::accumulate(tally.outcomes.begin(), tally.outcomes.end(), std::uint64_t{0});
  summary.latency = Percentiles(tally.latency,
                                {.count = sum - answered(tally.outcomes), .bound = summary.patience.count()});
}

LaneSummary summarize_lane(const Plan& plan, const Ledger& ledger, std::uint8_t lane) {
  const LanePlan& lane_plan = plan.lanes[lane];
  LaneSummary summary{.name = lane_plan.name};
  if (!lane_plan.fresh) summary.connections_answered = ledger.connections_answered.at(lane);
  if (lane_plan.closed) {
    summarize_tally(summary, plan, ledger, ledger.tallies.at(lane));
  } else {
    summarize_records(summary, plan, ledger, lane);
  }
  summary.requests = std::accumulate(summary.outcomes.begin(), summary.outcomes.end(), std::uint64_t{0});
  return summary;
}

Gap longest_gap(const Plan& plan, const Ledger& ledger) {
  for (std::size_t i = 0; i < plan.lanes.size(); ++i)
    if (plan.lanes[i].closed) return {ledger.tallies.at(i).gap_begin, ledger.tallies.at(i).gap_end};
  std::vector<std::int64_t> ends{0};
  for (const Record& record : ledger.records)
    if (record.outcome == Outcome::ok) ends.push_back(record.done);
  ends.push_back(ledger.elapsed.count());
  std::ranges::sort(ends);
  Gap longest;
  for (std::size_t i = 1; i < ends.size(); ++i)
    if (ends[i] - ends[i - 1] > longest.length().count())
      longest = {Nanoseconds(ends[i - 1]), Nanoseconds(ends[i])};
  return longest;
}

Percentiles lateness_of(const Ledger& ledger) {
  std::vector<std::int64_t> values;
  values.reserve(ledger.records.size());
  for (const Record& record : ledger.records) values.push_back(record.lateness);
  return Percentiles(std::move(values));
}

std::string not_kept(const Plan& plan, const Percentiles& lateness) {
  return fmt::format(
      "the schedule was not kept: 1 % of the requests were dealt with {:.3g} ms too late or later, and "
      "--tolerance is {:.3g} ms; this program lacked CPU time, or the rate is too high for it",
      milliseconds(lateness.at(kPunctual)), milliseconds(plan.tolerance));
}

/// What this program or this machine broke. What the server did is a result: late answers, none, connections
/// that it refused or closed.
std::vector<std::string> problems_of(const Plan& plan, const Ledger& ledger, const Summary& summary) {
  std::vector<std::string> problems;
  if (!summary.schedule_kept) problems.push_back(not_kept(plan, summary.lateness));
  if (ledger.local_failures > 0) {
    problems.push_back(
        fmt::format("{} connections could not be tried from this side (counted as refused): {}",
                    ledger.local_failures, ledger.local_failure));
  }
  return problems;
}

}  // namespace

std::uint64_t Summary::total(Outcome outcome) const {
  std::uint64_t sum = 0;
  for (const LaneSummary& lane : lanes) sum += lane.count(outcome);
  return sum;
}

Summary summarize(const Plan& plan, const Ledger& ledger) {
  Summary summary;
  for (std::size_t i = 0; i < plan.lanes.size(); ++i)
    summary.lanes.push_back(summarize_lane(plan, ledger, static_cast<std::uint8_t>(i)));
  summary.gap = longest_gap(plan, ledger);
  summary.lateness = lateness_of(ledger);
  summary.schedule_kept = summary.lateness.at(kPunctual) <= plan.tolerance.count();
  for (const Record& record : ledger.records)
    if (record.worker_process != 0) ++summary.workers[{record.worker_process, record.worker_slot}];
  summary.problems = problems_of(plan, ledger, summary);
  return summary;
}

}  // namespace quartet::pace
