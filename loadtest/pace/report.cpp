#include "loadtest/pace/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "loadtest/pace/histogram.h"
#include "loadtest/pace/milliseconds.h"

namespace quartet::pace {
namespace {

using Json = nlohmann::ordered_json;

struct Level {
  const char* name;
  double percent;
};
constexpr Level kLevels[] = {{"p50", 50}, {"p75", 75},     {"p90", 90},      {"p95", 95},
                             {"p99", 99}, {"p99_9", 99.9}, {"p99_99", 99.99}};

/// In which the answers of a closed loop are counted.
Nanoseconds window(const Plan& plan, const Ledger& ledger) { return std::min(ledger.elapsed, plan.duration); }

double seconds(Nanoseconds time) { return std::chrono::duration<double>(time).count(); }

// --- text

std::string describe_steps(const Arrivals& arrivals) {
  std::string text = fmt::format("{:g}", arrivals.rate);
  for (const auto& [time, rate] : arrivals.changes)
    text += fmt::format(", from {:g} s {:g}", seconds(time), rate);
  return text;
}

std::string describe_load(const LanePlan& plan) {
  if (plan.closed && plan.pipeline > 1) return fmt::format("closed loop, {} requests at once", plan.pipeline);
  if (plan.closed) return "closed loop";
  const Arrivals& arrivals = plan.arrivals;
  const auto kind = arrivals.poisson ? fmt::format(", Poisson with seed {}", arrivals.seed) : std::string();
  if (!arrivals.changes.empty()) return fmt::format("{} requests/s{}", describe_steps(arrivals), kind);
  if (arrivals.rate == arrivals.last_rate) return fmt::format("{:g} requests/s{}", arrivals.rate, kind);
  return fmt::format("{:g} to {:g} requests/s{}", arrivals.rate, arrivals.last_rate, kind);
}

std::string describe_connections(const LanePlan& plan, const LaneSummary& lane) {
  const auto text = fmt::format("{} {} connection{}", plan.connections, plan.fresh ? "fresh" : "kept",
                                plan.connections == 1 ? "" : "s");
  const auto answered = lane.connections_answered.value_or(plan.connections);
  return answered < plan.connections ? fmt::format("{}, {} of them answered", text, answered) : text;
}

std::string describe_outcomes(const LaneSummary& lane) {
  std::string text;
  for (std::size_t i = 0; i < kOutcomes; ++i)
    if (i == 0 || lane.outcomes[i] > 0)
      text +=
          fmt::format("{}{} {}", i == 0 ? "" : ", ", lane.outcomes[i], to_string(static_cast<Outcome>(i)));
  return text;
}

std::string describe_times(std::string_view name, const Percentiles& times) {
  if (times.empty()) return {};
  std::string text = fmt::format("  {:<12}", name);
  const auto column = [&](double nanoseconds, bool is_bound) {
    const auto number = milliseconds(nanoseconds);
    text += fmt::format(" {:>9}", is_bound ? fmt::format("> {:.6g}", number) : fmt::format("{:.3f}", number));
  };
  column(times.mean(), times.censored() > 0);
  for (const double percent : {50.0, 90.0, 95.0, 99.0, 99.9, 100.0})
    column(static_cast<double>(times.at(percent)), times.is_bound(percent));
  return text + "\n";
}

/// A second.
double throughput(const LaneSummary& lane, Nanoseconds window) {
  return static_cast<double>(lane.answered_in_time) / std::max(seconds(window), 1e-9);
}

std::string describe_throughput(const LaneSummary& lane, Nanoseconds window) {
  return fmt::format("  {:.0f} answered/s, of {} within {:.3g} s\n", throughput(lane, window),
                     lane.answered_in_time, seconds(window));
}

std::string describe_fault(const FaultPlan& fault, const LaneSummary& lane) {
  std::string text = fmt::format("  fault at {:g} ms: {} {}", milliseconds(fault.time),
                                 to_string(fault.method), fault.target);
  if (lane.fault_tries.empty()) return text + ", not asked\n";
  for (const Record& attempt : lane.fault_tries) {
    text += fmt::format("{} {}",
                        &attempt == lane.fault_tries.data() ? ":" : ", again:", to_string(attempt.outcome));
    if (attempt.status != 0) text += fmt::format(" ({})", attempt.status);
  }
  return text + "\n";
}

std::string describe_lane(const LanePlan& plan, const LaneSummary& lane, Nanoseconds window) {
  std::string text = fmt::format("{}: {} {}, {}, {}\n  {} requests: {}\n", plan.name, to_string(plan.method),
                                 plan.target, describe_load(plan), describe_connections(plan, lane),
                                 lane.requests, describe_outcomes(lane));
  if (plan.closed) text += describe_throughput(lane, window);
  if (plan.fault) text += describe_fault(*plan.fault, lane);
  if (lane.latency.empty()) return text;
  const auto* of = lane.latency.censored() > 0 ? "ms, ok, lost" : "ms, of ok";
  text += fmt::format("  {:<12} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}\n", of, "mean", "50 %", "90 %",
                      "95 %", "99 %", "99.9 %", "max");
  return text + describe_times("latency", lane.latency) + describe_times("service", lane.service);
}

std::string describe_rude(const RudePlan& plan, const RudeCount& count) {
  std::string text =
      fmt::format("rude, from {:g} s: {} {}{}{}: {} opened, {} refused, {} closed by the server",
                  seconds(plan.time), plan.connections, plan.kind->name, plan.target.empty() ? "" : " of ",
                  plan.target, count.opened, count.refused, count.closed_by_server);
  for (const auto& [status, answers] : count.answers)
    text += fmt::format(", {} answered with {}", answers, status);
  return text + "\n";
}

std::string describe_fates(std::string_view what, const FateCounts& counts) {
  std::string text;
  for (std::size_t i = 0; i < kFates; ++i)
    if (counts.at(i) > 0)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", counts.at(i), to_string(static_cast<Fate>(i)));
  return fmt::format("{}: {}\n", what, text);
}

std::string describe_schedule(const Summary& summary) {
  const auto& lateness = summary.lateness;
  if (lateness.empty()) return {};
  return fmt::format(
      "schedule {}: dealt with {:.3f} ms late in the median, 99 % {:.3f} ms, at most {:.3f} ms\n",
      summary.schedule_kept ? "kept" : "NOT KEPT", milliseconds(lateness.at(50)),
      milliseconds(lateness.at(99)), milliseconds(lateness.max()));
}

// --- JSON

Json times_json(const Percentiles& times) {
  Json json{{"count", times.count()}, {"censored", times.censored()}};
  if (times.empty()) return json;
  json["mean_ms"] = milliseconds(times.mean());
  json["deviation_ms"] = milliseconds(times.deviation());
  json["min_ms"] = milliseconds(times.min());
  for (const Level& level : kLevels)
    json[fmt::format("{}_ms", level.name)] = milliseconds(times.at(level.percent));
  json["max_ms"] = milliseconds(times.max());
  return json;
}

/// [[nanoseconds, how many], ...], of those that ended ok: its size is bounded.
Json histogram_json(const Percentiles& times) {
  Json json = Json::array();
  std::size_t counted = 0;
  for (const auto& [value, up_to] : times.entries()) {
    const auto count = up_to - std::exchange(counted, up_to);
    const bool same = !json.empty() && json.back()[0] == rounded(value);
    if (same) {
      json.back()[1] = json.back()[1].get<std::size_t>() + count;
    } else {
      json.push_back({rounded(value), count});
    }
  }
  return json;
}

template <typename Kind>
std::string name_of(Kind kind) {
  std::string name(to_string(kind));
  std::ranges::replace(name, ' ', '_');
  return name;
}

Json outcomes_json(const LaneSummary& lane) {
  Json json;
  for (std::size_t i = 0; i < kOutcomes; ++i) json[name_of(static_cast<Outcome>(i))] = lane.outcomes[i];
  return json;
}

/// Of one of its tries. Nulls: there was no status, it was never done.
Json try_json(const Record& record) {
  return {{"due_ms", milliseconds(record.due)},
          {"outcome", name_of(record.outcome)},
          {"status", record.status == 0 ? Json() : Json(record.status)},
          {"done_ms", record.done == Record::kNever ? Json() : Json(milliseconds(record.done))}};
}

/// Its outcome is that of the first try; null: the run ended before it was asked.
Json fault_json(const LanePlan& plan, const LaneSummary& lane) {
  if (!plan.fault) return nullptr;
  const auto& tries = lane.fault_tries;
  const Json first = tries.empty() ? Json() : try_json(tries.front());
  const auto field = [&](const char* name) { return first.is_null() ? Json() : first[name]; };
  Json retries = Json::array();
  for (std::size_t i = 1; i < tries.size(); ++i) retries.push_back(try_json(tries[i]));
  return {{"at_ms", milliseconds(plan.fault->time)},
          {"method", to_string(plan.fault->method)},
          {"target", plan.fault->target},
          {"outcome", field("outcome")},
          {"status", field("status")},
          {"done_ms", field("done_ms")},
          {"retries", retries}};
}

Json closed_json(const LanePlan& plan, const LaneSummary& lane, Nanoseconds window) {
  if (!plan.closed) return nullptr;
  return {{"pipeline", plan.pipeline},
          {"window_s", seconds(window)},
          {"answered_per_s", throughput(lane, window)}};
}

Json changes_json(const Arrivals& arrivals) {
  Json changes = Json::array();
  for (const auto& [time, rate] : arrivals.changes)
    changes.push_back({{"time_s", seconds(time)}, {"rate", rate}});
  return changes;
}

Json lane_json(const LanePlan& plan, const LaneSummary& lane, Nanoseconds window) {
  return {{"name", plan.name},
          {"method", to_string(plan.method)},
          {"target", plan.target},
          {"rate", plan.arrivals.rate},
          {"last_rate", plan.arrivals.last_rate},
          {"rate_changes", changes_json(plan.arrivals)},
          {"poisson", plan.arrivals.poisson},
          {"seed", plan.arrivals.seed},
          {"connections", plan.connections},
          {"connections_answered", lane.connections_answered ? Json(*lane.connections_answered) : Json()},
          {"fresh", plan.fresh},
          {"requests", lane.requests},
          {"outcomes", outcomes_json(lane)},
          {"answered_in_time", lane.answered_in_time},
          {"ok_in_time", lane.ok_in_time},
          {"closed_loop", closed_json(plan, lane, window)},
          {"fault", fault_json(plan, lane)},
          {"patience_ms", milliseconds(lane.patience)},
          {"latency", times_json(lane.latency)},
          {"service", times_json(lane.service)},
          {"latency_histogram", histogram_json(lane.latency)}};
}

Json rude_json(const RudePlan& plan, const RudeCount& count) {
  Json statuses = Json::object();
  for (const auto& [status, answers] : count.answers) statuses[std::to_string(status)] = answers;
  return {{"kind", plan.kind->name},
          {"at_ms", milliseconds(plan.time)},
          {"target", plan.target.empty() ? Json() : Json(plan.target)},
          {"connections", plan.connections},
          {"opened", count.opened},
          {"refused", count.refused},
          {"closed_by_server", count.closed_by_server},
          {"answered", count.answered()},
          {"statuses", statuses}};
}

Json fates_json(const FateCounts& counts) {
  Json json;
  for (std::size_t i = 0; i < kFates; ++i) json[name_of(static_cast<Fate>(i))] = counts.at(i);
  return json;
}

Json state_json(const Plan& plan, const StateCounts& state) {
  return {{"clients", plan.sessions},
          {"sessions", fates_json(state.sessions)},
          {"counters", fates_json(state.counters)}};
}

Json workers_json(const Summary& summary) {
  Json json = Json::object();
  for (const auto& [worker, answers] : summary.workers)
    json[fmt::format("{}/{}", worker.first, worker.second)] = answers;
  return json;
}

}  // namespace

std::string to_text(const Plan& plan, const Ledger& ledger, const Summary& summary) {
  std::string text = fmt::format("{} for {:.3g} s{}\n", plan.server.to_string(), seconds(ledger.elapsed),
                                 ledger.interrupted ? ", interrupted" : "");
  for (std::size_t i = 0; i < plan.lanes.size(); ++i)
    text += describe_lane(plan.lanes[i], summary.lanes[i], window(plan, ledger));
  if (plan.hold > 0) {
    text += fmt::format("held: {} of {} connections opened, {} served, {} closed by the server\n",
                        ledger.held, plan.hold, ledger.held_served, ledger.held_lost);
  }
  for (std::size_t i = 0; i < plan.rude.size(); ++i) text += describe_rude(plan.rude[i], ledger.rude.at(i));
  if (plan.sessions > 0) {
    text += describe_fates("sessions", ledger.state.sessions);
    text += describe_fates("counters", ledger.state.counters);
  }
  if (!plan.lanes.empty()) {
    text += fmt::format("longest time without an ok: {:.3f} ms, from {:.3f} s\n",
                        milliseconds(summary.gap.length()), seconds(summary.gap.begin));
  }
  if (!summary.workers.empty()) text += fmt::format("workers that answered: {}\n", summary.workers.size());
  text += describe_schedule(summary);
  text += fmt::format("this program used {:.0f} % of a CPU\n",
                      100 * seconds(ledger.cpu_time) / std::max(seconds(ledger.elapsed), 1e-9));
  for (const auto& problem : summary.problems) text += fmt::format("not valid: {}\n", problem);
  return text;
}

Json to_json(const Plan& plan, const Ledger& ledger, const Summary& summary) {
  Json lanes = Json::array();
  for (std::size_t i = 0; i < plan.lanes.size(); ++i)
    lanes.push_back(lane_json(plan.lanes[i], summary.lanes[i], window(plan, ledger)));
  Json rude = Json::array();
  for (std::size_t i = 0; i < plan.rude.size(); ++i)
    rude.push_back(rude_json(plan.rude[i], ledger.rude.at(i)));
  return {
      {"version", 2},
      {"server", plan.server.to_string()},
      {"duration_s", seconds(plan.duration)},
      {"elapsed_s", seconds(ledger.elapsed)},
      {"start_unix_s", seconds(ledger.start)},
      {"interrupted", ledger.interrupted},
      {"valid", summary.problems.empty()},
      {"problems", summary.problems},
      {"lanes", lanes},
      {"longest_gap",
       {{"begin_s", seconds(summary.gap.begin)}, {"length_ms", milliseconds(summary.gap.length())}}},
      {"schedule",
       {{"kept", summary.schedule_kept},
        {"tolerance_ms", milliseconds(plan.tolerance)},
        {"lateness", times_json(summary.lateness)},
        {"lateness_histogram", histogram_json(summary.lateness)}}},
      {"held",
       {{"asked", plan.hold},
        {"opened", ledger.held},
        {"served", ledger.held_served},
        {"closed_by_server", ledger.held_lost}}},
      {"rude", rude},
      {"state", state_json(plan, ledger.state)},
      {"connections_opened", ledger.connections_opened},
      {"workers", workers_json(summary)},
      {"cpu_s", seconds(ledger.cpu_time)},
  };
}

}  // namespace quartet::pace
