#include "loadtest/pace/planner.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <ranges>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "common/http/grammar.h"
#include "common/program/duration.h"
#include "loadtest/pace/rude.h"

namespace quartet::pace {
namespace {

constexpr double kMostRequestsPerSecond = 10e6;
constexpr std::uint64_t kMostRequests = 200'000'000;
constexpr std::size_t kMostLanes = 200;      // a record counts them in a byte, with newcomers and faults
constexpr std::size_t kMostChanges = 1'000;  // of the rate
constexpr std::size_t kMostFaults = 50;
constexpr std::size_t kMostCrowds = 50;
constexpr std::size_t kMostRude = 100'000;
constexpr Nanoseconds kFaultInterval = std::chrono::milliseconds(100);  // between its client's requests
constexpr auto kDefaultRate = "1000";

/// How the load's rate goes.
struct Rates {
  double first = 0;
  double last = 0;
  std::vector<RateChange> changes{};

  bool nothing() const {
    return first == 0 && last == 0 && std::ranges::all_of(changes, [](auto& one) { return one.rate == 0; });
  }
};

bool is_control(char c) { return (c >= '\0' && c < ' ') || c == '\x7f'; }

Nanoseconds to_time_within(std::string_view option, const std::string& text, const Plan& plan) {
  const auto time = to_time(option, text, Nanoseconds(0));
  if (time < plan.duration) return time;
  reject("{}: {} is not within the schedule, which ends at {}", option, text,
         app::format_duration(std::chrono::duration_cast<std::chrono::milliseconds>(plan.duration)));
}

/// "3s=400", after the steps before it.
RateChange to_change(const std::string& text, const Rates& before, const Plan& plan) {
  const auto equals = text.find('=');
  if (equals == std::string::npos)
    reject("--rate: \"{}\" is not of the form TIME=RATE, such as 3s=400", text);
  const auto time = to_time_within("--rate", text.substr(0, equals), plan);
  if (time <= (before.changes.empty() ? Nanoseconds(0) : before.changes.back().time))
    reject("--rate: the step at {} does not come after what stands before it", text.substr(0, equals));
  return {time, to_number("--rate", std::string_view(text).substr(equals + 1), kMostRequestsPerSecond)};
}

/// "200", "100:5000" or "200,3s=400,5s=0"
Rates to_rates(const std::string& text, const Plan& plan) {
  const auto comma = text.find(','), colon = text.find(':');
  if (colon != std::string::npos && comma != std::string::npos)
    reject("--rate: \"{}\" is a ramp and has steps; it can be one of them", text);
  const auto first = std::string_view(text).substr(0, std::min(comma, colon));
  Rates rates;
  rates.first = rates.last = to_number("--rate", first, kMostRequestsPerSecond);
  if (colon != std::string::npos)
    rates.last = to_number("--rate", std::string_view(text).substr(colon + 1), kMostRequestsPerSecond);
  for (auto from = comma; from != std::string::npos;) {
    const auto to = text.find(',', from + 1);
    rates.changes.push_back(to_change(text.substr(from + 1, to - from - 1), rates, plan));
    from = to;
  }
  if (rates.changes.size() > kMostChanges)
    reject("--rate: there can be {} steps, not {}", kMostChanges, rates.changes.size());
  return rates;
}

std::string_view name_of(std::string_view line) { return line.substr(0, line.find(':')); }

/// A field line, as the servers read it.
void check_header(const std::string& line) {
  if (!http::parse_field_line(line))
    reject("--header: \"{}\" is not a field line such as \"Accept: text/plain\"", line);
  for (const auto* length : {"Content-Length", "Transfer-Encoding"})
    if (http::equals_ignoring_case(name_of(line), length))
      reject("--header: {} is for --body to say, or requests would not end", length);
}

// --- requests

std::string request_bytes(const Text& text, const net::Address& server, const std::string& target,
                          bool fresh) {
  std::string bytes = fmt::format("{} {} HTTP/1.1\r\n", text.method, target);
  const auto add = [&](std::string_view name, const std::string& value) {  // unless --header has another one
    const auto given = [&](const std::string& line) {
      return http::equals_ignoring_case(name_of(line), name);
    };
    if (std::ranges::none_of(text.headers, given)) bytes += fmt::format("{}: {}\r\n", name, value);
  };
  add("Host", server.to_string());
  for (const auto& line : text.headers) bytes += line + "\r\n";
  if (text.worker) add("Quartet-Worker", "?");
  if (fresh) add("Connection", "close");
  if (!text.body.empty()) add("Content-Length", std::to_string(text.body.size()));
  return bytes + "\r\n" + text.body;
}

/// It is printed, and JSON is UTF-8 (RFC 8259, 8.1).
void check_name(const std::string& name) {
  if (std::ranges::any_of(name, is_control)) reject("--mix: a name holds a control character");
  try {
    static_cast<void>(nlohmann::json(name).dump());
  } catch (const nlohmann::json::type_error&) {
    reject("--mix: the name \"{}\" is not UTF-8", name);
  }
}

struct Share {
  std::string name;
  double share;
  std::string target;
};

/// "victim=9:/plaintext"
Share to_share(const std::string& text) {
  const auto equals = text.find('=');
  const auto colon = text.find(':', equals == std::string::npos ? 0 : equals);
  if (equals == std::string::npos || equals == 0 || colon == std::string::npos)
    reject("--mix: \"{}\" is not of the form NAME=SHARE:TARGET, such as victim=9:/plaintext", text);
  check_name(text.substr(0, equals));
  const double share = to_number("--mix", std::string_view(text).substr(equals + 1, colon - equals - 1),
                                 kMostRequestsPerSecond);
  return {text.substr(0, equals), share, check_target(text.substr(colon + 1))};
}

std::vector<Share> shares_of(const Text& text) {
  if (text.mix.empty())
    return {{"requests", 1, check_target(text.target.empty() ? kDefaultTarget : text.target)}};
  if (!text.target.empty()) reject("\"{}\": with --mix every class has a target of its own", text.target);
  if (text.mix.size() > kMostLanes)
    reject("--mix: there can be {} classes, not {}", kMostLanes, text.mix.size());
  std::vector<Share> shares;
  for (const auto& each : text.mix) shares.push_back(to_share(each));
  return shares;
}

/// Nothing arrives at a closed loop.
Rates rates_of(const Text& text, const Plan& plan) {
  return text.closed ? Rates{} : to_rates(text.rate.value_or(kDefaultRate), plan);
}

/// That a class has of them.
Arrivals share_of(Rates rates, double part) {
  for (RateChange& change : rates.changes) change.rate *= part;
  return {.rate = rates.first * part, .last_rate = rates.last * part, .changes = std::move(rates.changes)};
}

std::string repeated(const std::string& text, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

LanePlan plan_lane(const Text& text, const Plan& plan, const Share& share, double sum, double phase) {
  Arrivals arrivals = share_of(rates_of(text, plan), share.share / sum);
  arrivals.duration = plan.duration;
  arrivals.poisson = text.poisson;
  arrivals.phase = phase;
  arrivals.seed = text.seed + static_cast<std::uint64_t>(plan.lanes.size());
  return {.name = share.name,
          .target = share.target,
          .method = to_method("--method", text.method),
          .request = repeated(request_bytes(text, plan.server, share.target, text.fresh), text.pipeline),
          .arrivals = std::move(arrivals),
          .connections = text.connections,
          .fresh = text.fresh,
          .closed = text.closed,
          .pipeline = text.pipeline,
          .expected_body = text.expected_body,
          .same_body = text.same_body};
}

/// Each class has a schedule of its own; phases keep them from asking all at once.
void plan_lanes(const Text& text, Plan& plan) {
  const auto shares = shares_of(text);
  double sum = 0;
  for (const Share& share : shares) sum += share.share;
  if (sum <= 0) reject("--mix: all shares are 0");
  if (rates_of(text, plan).nothing() && !text.closed) {
    if (text.target.empty()) return;
    reject("\"{}\": with --rate 0 nobody asks for it; see --hold N:TARGET and --newcomer TIME:TARGET",
           text.target);
  }
  for (std::size_t i = 0; i < shares.size(); ++i)
    plan.lanes.push_back(
        plan_lane(text, plan, shares[i], sum, static_cast<double>(i) / static_cast<double>(shares.size())));
}

/// Of clients that are not the load: what it sends is no matter of theirs.
Text plain(const Text& text) {
  Text words;
  words.worker = text.worker;
  return words;
}

void plan_newcomer(const Text& text, Plan& plan) {
  if (text.newcomer.empty()) return;
  const auto [time, target] = split_target(text.newcomer);
  const auto interval = to_time("--newcomer", time, std::chrono::milliseconds(1));
  const double rate = 1 / std::chrono::duration<double>(interval).count();
  // Amid the load's requests; without a load there is one at the start, however short the run is.
  const double phase = plan.lanes.empty() ? 0 : 0.5;
  plan.lanes.push_back(
      {.name = "newcomer",
       .target = target,
       .request = request_bytes(plain(text), plan.server, target, true),
       .arrivals = {.rate = rate, .last_rate = rate, .duration = plan.duration, .phase = phase},
       .connections = 1000,  // those who wait must not keep others from knocking
       .fresh = true,
       .expected_body = {},
       .same_body = text.same_body});
}

// --- faults

/// Of RFC 9110, 8.6: a request without a body says so where its method expects one.
bool expects_body(http::Method method) {
  return method == http::Method::post || method == http::Method::put || method == http::Method::patch;
}

/// The client of a fault says what the load says, but in its last line.
std::string fault_request(const Text& text, const net::Address& server, const FaultPlan& fault) {
  Text words = plain(text);
  words.method = to_string(fault.method);
  words.headers = text.headers;
  auto bytes = request_bytes(words, server, fault.target, false);
  if (expects_body(fault.method)) bytes.insert(bytes.size() - 2, "Content-Length: 0\r\n");
  return bytes;
}

/// "500ms:/fault/segv" or "500ms:GET /cpu?units=1"
FaultPlan to_fault(const Text& text, const Plan& plan, const std::string& words) {
  const auto colon = words.find(':');
  if (colon == std::string::npos)
    reject("--fault: \"{}\" is not of the form TIME:TARGET, such as 500ms:/fault/segv", words);
  const auto time = to_time_within("--fault", words.substr(0, colon), plan);
  const auto rest = words.substr(colon + 1);
  const auto space = rest.find(' ');
  FaultPlan fault{.time = time, .retries = text.fault_retries};
  if (space != std::string::npos) fault.method = to_method("--fault", rest.substr(0, space));
  fault.target = check_target(space == std::string::npos ? rest : rest.substr(space + 1));
  fault.request = fault_request(text, plan.server, fault);
  return fault;
}

/// Every 100 ms, at such times that the fault takes the place of one of them.
Arrivals fault_arrivals(const FaultPlan& fault, Nanoseconds duration) {
  using Seconds = std::chrono::duration<double>;
  const double rate = 1 / Seconds(kFaultInterval).count();
  const double phase = Seconds(fault.time % kFaultInterval) / Seconds(kFaultInterval);
  return {.rate = rate, .last_rate = rate, .duration = duration, .phase = phase};
}

/// @param has_load it is in front of the lanes, and the faults' clients ask for what its first class asks for
void plan_faults(const Text& text, Plan& plan, bool has_load) {
  if (text.faults.empty() && text.fault_retries > 0) reject("--fault-retries: there is no --fault");
  if (text.faults.size() > kMostFaults)
    reject("--fault: there can be {}, not {}", kMostFaults, text.faults.size());
  const std::string target = has_load ? plan.lanes.front().target : kDefaultTarget;
  Text words = has_load ? text : plain(text);
  words.fault_retries = text.fault_retries;
  for (std::size_t i = 0; i < text.faults.size(); ++i) {
    const auto fault = to_fault(words, plan, text.faults[i]);
    plan.lanes.push_back({.name = i == 0 ? "faulty" : fmt::format("faulty-{}", i + 1),
                          .target = target,
                          .method = to_method("--method", words.method),
                          .request = request_bytes(words, plan.server, target, false),
                          .arrivals = fault_arrivals(fault, plan.duration),
                          .connections = 1,
                          .expected_body = words.expected_body,
                          .fault = fault,
                          .same_body = text.same_body});
  }
}

// --- rude clients

const RudeKind* to_kind(std::string_view name) {
  const auto kinds = rude_kinds();
  const auto found = std::ranges::find(kinds, name, &RudeKind::name);
  if (found != kinds.end()) return &*found;
  std::string names;
  for (const RudeKind& kind : kinds) names += fmt::format("{}{}", names.empty() ? "" : ", ", kind.name);
  reject("--rude: \"{}\" is not one of {}", name, names);
}

/// "500ms:slow-reader=100:/bytes?n=1000000"
RudePlan to_rude(const Plan& plan, const std::string& words) {
  const auto colon = words.find(':');
  const auto equals = words.find('=', colon == std::string::npos ? 0 : colon);
  if (colon == std::string::npos || equals == std::string::npos)
    reject("--rude: \"{}\" is not of the form TIME:KIND=N[:TARGET], such as 1s:slow-reader=100", words);
  const auto behind = words.find(':', equals);
  const RudeKind* const kind = to_kind(words.substr(colon + 1, equals - colon - 1));
  RudePlan rude{.time = to_time_within("--rude", words.substr(0, colon), plan),
                .kind = kind,
                .connections = to_count("--rude", words.substr(equals + 1, behind - equals - 1), kMostRude),
                .target = std::string(kind->target)};
  if (behind == std::string::npos) return rude;
  if (kind->target.empty()) reject("--rude: {} asks for nothing, so it has no target", kind->name);
  rude.target = check_target(words.substr(behind + 1));
  return rude;
}

void plan_rude(const Text& text, Plan& plan) {
  if (text.rude.size() > kMostCrowds)
    reject("--rude: there can be {}, not {}", kMostCrowds, text.rude.size());
  for (const auto& words : text.rude) plan.rude.push_back(to_rude(plan, words));
}

void check_loop(const Text& text, const std::string& records) {
  if (!text.closed && text.pipeline > 1) reject("--pipeline: only a closed loop has it; see --closed");
  if (!text.closed) return;
  if (text.rate) reject("--rate: a closed loop (--closed) has none: it asks as fast as it is answered");
  if (text.poisson) reject("--poisson: nothing arrives at a closed loop (--closed)");
  if (!text.mix.empty()) reject("--mix: a closed loop (--closed) has no rate to share");
  if (!text.faults.empty()) reject("--fault: a closed loop (--closed) keeps no record of whom it harmed");
  if (text.same_body) reject("--same-body: a closed loop (--closed) does not read every body");
  if (text.worker) reject("--worker: a closed loop (--closed) keeps no record of who answered");
  if (!records.empty())
    reject("--records: a closed loop (--closed) keeps a histogram, and no record of a request");
  if (text.fresh && text.pipeline > 1) reject("--pipeline: a fresh connection (--fresh) takes one request");
}

}  // namespace

Plan make_plan(const Text& text, const std::string& records) {
  check_loop(text, records);
  Plan plan;
  try {
    plan.server = net::Address::parse(text.server);
  } catch (const std::invalid_argument& error) {
    reject("{}", error.what());
  }
  std::ranges::for_each(text.headers, check_header);
  constexpr Nanoseconds kTick = std::chrono::milliseconds(1);
  plan.duration = to_time("--duration", text.duration, kTick);
  plan.timeout = to_time("--timeout", text.timeout, Nanoseconds(0));
  plan.grace = to_time("--grace", text.grace, Nanoseconds(0));
  plan.tolerance = to_time("--tolerance", text.tolerance, Nanoseconds(0));
  plan.hold = text.hold;
  plan.hold_request = request_bytes(Text{}, plan.server, text.hold_target, false);
  plan.sources = text.sources;
  plan.sessions = text.sessions;
  if (text.same_body && text.expected_body)
    reject("--same-body: --expect-body says already which body is the right one");
  if (text.sources > 0 && plan.server.host.find(':') != std::string::npos)
    reject("--sources: 127.0.0.1 and its neighbours cannot reach {}", plan.server.to_string());
  plan_lanes(text, plan);
  const bool has_load = !plan.lanes.empty();
  plan_newcomer(text, plan);
  plan_faults(text, plan, has_load);
  plan_rude(text, plan);
  std::uint64_t requests = 0;
  for (const LanePlan& lane : plan.lanes) requests += Schedule(lane.arrivals).expected();
  if (requests > kMostRequests)
    reject("--rate, --duration: {} requests are more than the {} that can be kept in memory", requests,
           kMostRequests);
  if (plan.lanes.empty() && plan.hold == 0)
    reject("--rate 0: there is nothing to do without --hold, --newcomer or --fault");
  return plan;
}

}  // namespace quartet::pace
