#include "loadtest/pace/summary.h"

#include <fmt/format.h>

#include <algorithm>

#include "loadtest/pace/milliseconds.h"

namespace quartet::pace {
namespace {

constexpr double kPunctual = 99;  // %, of the requests, must be within the tolerance

template <typename Value>
Percentiles percentiles_of_ok(const Ledger& ledger, std::uint8_t lane, Value value) {
  std::vector<std::int64_t> values;
  for (const Record& record : ledger.records)
    if (record.lane == lane && record.outcome == Outcome::ok) values.push_back(value(record));
  return Percentiles(std::move(values));
}

LaneSummary summarize_lane(const LanePlan& plan, const Ledger& ledger, std::uint8_t lane) {
  LaneSummary summary{.name = plan.name};
  if (!plan.fresh) summary.connections_answered = ledger.connections_answered.at(lane);
  for (const Record& record : ledger.records) {
    if (record.lane != lane) continue;
    ++summary.requests;
    ++summary.outcomes[static_cast<std::size_t>(record.outcome)];
  }
  summary.latency = percentiles_of_ok(ledger, lane, latency);
  summary.service = percentiles_of_ok(ledger, lane, service_time);
  return summary;
}

Gap longest_gap(const Ledger& ledger) {
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

std::vector<std::string> problems_of(const Plan& plan, const Ledger& ledger, const Summary& summary) {
  std::vector<std::string> problems;
  if (!summary.schedule_kept) problems.push_back(not_kept(plan, summary.lateness));
  if (ledger.local_failures > 0) {
    problems.push_back(
        fmt::format("{} connections could not be tried from this side (counted as refused): {}",
                    ledger.local_failures, ledger.local_failure));
  }
  if (ledger.held < plan.hold) {
    problems.push_back(
        fmt::format("only {} of {} connections to hold could be opened", ledger.held, plan.hold));
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
  for (const LanePlan& lane : plan.lanes)
    summary.lanes.push_back(summarize_lane(lane, ledger, static_cast<std::uint8_t>(summary.lanes.size())));
  summary.gap = longest_gap(ledger);
  summary.lateness = lateness_of(ledger);
  summary.schedule_kept = summary.lateness.at(kPunctual) <= plan.tolerance.count();
  for (const Record& record : ledger.records)
    if (record.worker_process != 0) ++summary.workers[{record.worker_process, record.worker_slot}];
  summary.problems = problems_of(plan, ledger, summary);
  return summary;
}

}  // namespace quartet::pace
