#include "loadtest/pace/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

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

double seconds(Nanoseconds time) { return std::chrono::duration<double>(time).count(); }

// --- text

std::string describe_rate(const Arrivals& arrivals) {
  const auto kind = arrivals.poisson ? fmt::format(", Poisson with seed {}", arrivals.seed) : std::string();
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
  const auto column = [&](std::int64_t nanoseconds) {
    text += fmt::format(" {:>9.3f}", milliseconds(nanoseconds));
  };
  text += fmt::format(" {:>9.3f}", milliseconds(times.mean()));
  for (const double percent : {50.0, 90.0, 95.0, 99.0, 99.9, 100.0}) column(times.at(percent));
  return text + "\n";
}

std::string describe_lane(const LanePlan& plan, const LaneSummary& lane) {
  std::string text = fmt::format("{}: {} {}, {}, {}\n  {} requests: {}\n", plan.name, to_string(plan.method),
                                 plan.target, describe_rate(plan.arrivals), describe_connections(plan, lane),
                                 lane.requests, describe_outcomes(lane));
  if (lane.latency.empty()) return text;
  text += fmt::format("  {:<12} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}\n", "ms, of ok", "mean", "50 %",
                      "90 %", "95 %", "99 %", "99.9 %", "max");
  return text + describe_times("latency", lane.latency) + describe_times("service", lane.service);
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
  Json json{{"count", times.count()}};
  if (times.empty()) return json;
  json["mean_ms"] = milliseconds(times.mean());
  json["deviation_ms"] = milliseconds(times.deviation());
  json["min_ms"] = milliseconds(times.min());
  for (const Level& level : kLevels)
    json[fmt::format("{}_ms", level.name)] = milliseconds(times.at(level.percent));
  json["max_ms"] = milliseconds(times.max());
  return json;
}

Json outcomes_json(const LaneSummary& lane) {
  Json json;
  for (std::size_t i = 0; i < kOutcomes; ++i) {
    std::string name(to_string(static_cast<Outcome>(i)));
    std::ranges::replace(name, ' ', '_');
    json[name] = lane.outcomes[i];
  }
  return json;
}

Json lane_json(const LanePlan& plan, const LaneSummary& lane) {
  return {{"name", plan.name},
          {"method", to_string(plan.method)},
          {"target", plan.target},
          {"rate", plan.arrivals.rate},
          {"last_rate", plan.arrivals.last_rate},
          {"poisson", plan.arrivals.poisson},
          {"seed", plan.arrivals.seed},
          {"connections", plan.connections},
          {"connections_answered", lane.connections_answered ? Json(*lane.connections_answered) : Json()},
          {"fresh", plan.fresh},
          {"requests", lane.requests},
          {"outcomes", outcomes_json(lane)},
          {"latency", times_json(lane.latency)},
          {"service", times_json(lane.service)}};
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
  for (std::size_t i = 0; i < plan.lanes.size(); ++i) text += describe_lane(plan.lanes[i], summary.lanes[i]);
  if (plan.hold > 0) {
    text += fmt::format("held: {} of {} connections opened, {} served, {} closed by the server\n",
                        ledger.held, plan.hold, ledger.held_served, ledger.held_lost);
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
    lanes.push_back(lane_json(plan.lanes[i], summary.lanes[i]));
  return {
      {"version", 1},
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
        {"lateness", times_json(summary.lateness)}}},
      {"held",
       {{"asked", plan.hold},
        {"opened", ledger.held},
        {"served", ledger.held_served},
        {"closed_by_server", ledger.held_lost}}},
      {"connections_opened", ledger.connections_opened},
      {"workers", workers_json(summary)},
      {"cpu_s", seconds(ledger.cpu_time)},
  };
}

}  // namespace quartet::pace
