#include "loadtest/pace/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "common/http/grammar.h"
#include "common/net/system.h"
#include "common/program/duration.h"

namespace quartet::pace {
namespace {

using app::CommandLine;
using app::into;
using app::Read;

constexpr double kMostRequestsPerSecond = 10e6;
constexpr std::uint64_t kMostRequests = 200'000'000;
constexpr std::size_t kMostConnections = 1'000'000;
constexpr std::size_t kMostPipelined = 1'000;
constexpr std::size_t kMostSources = 65'536;
constexpr std::size_t kMostLanes = 200;  // a record counts them in a byte
constexpr Nanoseconds kLongest = std::chrono::hours(24);
constexpr auto kDefaultTarget = "/plaintext";
constexpr auto kDefaultRate = "1000";

/// The command line before it makes sense.
struct Text {
  std::string server;
  std::string target;
  std::optional<std::string> rate;
  std::string duration = "10s", timeout = "10s", grace = "2s", tolerance = "1ms";
  std::string newcomer;
  std::string hold_target = kDefaultTarget;
  std::string method = "GET";
  std::string body;
  std::optional<std::string> expected_body;
  std::vector<std::string> headers;
  std::vector<std::string> mix;
  std::size_t connections = 16;
  std::size_t pipeline = 1;
  std::size_t hold = 0;
  std::size_t sources = 0;
  std::uint64_t seed = 1;
  bool fresh = false;
  bool poisson = false;
  bool closed = false;
  bool worker = false;
};

template <typename... Arguments>
[[noreturn]] void reject(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  throw UsageError(fmt::format(format, std::forward<Arguments>(arguments)...));
}

bool is_target(std::string_view text) {
  return text.starts_with('/') && std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7f'; });
}

const std::string& check_target(const std::string& target) {
  if (!is_target(target)) reject("\"{}\" is not a request target such as /plaintext", target);
  return target;
}

/// "100ms:/json": the word, and the target that may stand behind it.
std::pair<std::string, std::string> split_target(const std::string& text) {
  const auto colon = text.find(':');
  if (colon == std::string::npos) return {text, kDefaultTarget};
  return {text.substr(0, colon), check_target(text.substr(colon + 1))};
}

Read append_to(std::vector<std::string>& texts) {
  return [&texts](const std::string& text) { texts.push_back(text); };
}

void describe_load(CommandLine& command_line, Text& text) {
  command_line.add(
      {.name = "ADDRESS", .help = "Of the server, ADDR:PORT", .read = into(text.server), .required = true});
  command_line.add(
      {.name = "TARGET", .help = "Of the requests (default /plaintext)", .read = into(text.target)});
  command_line.group("Load");
  command_line.add({.name = "--rate",
                    .metavariable = "R|A:B",
                    .help = "Requests a second, or a ramp such as 100:5000 (default 1000)",
                    .read = [&text](const std::string& value) { text.rate = value; }});
  command_line.add_switch({.name = "--closed",
                           .help = "Each connection asks again when it is answered, without a rate",
                           .read = into(text.closed)});
  command_line.add({.name = "--pipeline",
                    .metavariable = "N",
                    .help = "Of --closed, requests that leave at once on a connection (default 1)",
                    .read = into(text.pipeline, 1, kMostPipelined)});
  command_line.add({.name = "-d,--duration",
                    .metavariable = "TIME",
                    .help = "Of the schedule (default 10s)",
                    .read = into(text.duration)});
  command_line.add_switch({.name = "--poisson",
                           .help = "Arrivals as of independent clients, instead of even ones",
                           .read = into(text.poisson)});
  command_line.add({.name = "--seed",
                    .metavariable = "N",
                    .help = "Of --poisson (default 1)",
                    .read = into(text.seed, 0, std::numeric_limits<std::uint64_t>::max())});
  command_line.add({.name = "-c,--connections",
                    .metavariable = "N",
                    .help = "Of each class, open at a time (default 16)",
                    .read = into(text.connections, 1, kMostConnections)});
  command_line.add_switch(
      {.name = "--fresh", .help = "A connection for each request", .read = into(text.fresh)});
  command_line.add({.name = "--mix",
                    .metavariable = "NAME=SHARE:TARGET",
                    .help = "A class with a share of the rate, and connections of its own; repeat it",
                    .read = append_to(text.mix),
                    .repeated = true});
}

void describe_company(CommandLine& command_line, Text& text) {
  command_line.group("Beside the load");
  command_line.add({.name = "--newcomer",
                    .metavariable = "TIME[:TARGET]",
                    .help = "A fresh connection so often, which asks for TARGET (default /plaintext)",
                    .read = into(text.newcomer)});
  command_line.add({.name = "--hold",
                    .metavariable = "N[:TARGET]",
                    .help = "Idle connections: one request before the start (default /plaintext), none after",
                    .read = [&text](const std::string& value) {
                      const auto [number, target] = split_target(value);
                      into(text.hold, 0, kMostConnections)(number);
                      text.hold_target = target;
                    }});
  command_line.add({.name = "--sources",
                    .metavariable = "N",
                    .help = "Connect from 127.0.0.1 to 127.0.0.N in turn: each has its own ports",
                    .read = into(text.sources, 1, kMostSources)});
}

void describe_requests(CommandLine& command_line, Text& text) {
  command_line.group("Requests");
  command_line.add({.name = "--method",
                    .metavariable = "NAME",
                    .help = "Such as HEAD or POST (default GET)",
                    .read = into(text.method)});
  command_line.add({.name = "--header",
                    .metavariable = "LINE",
                    .help = "A field line, \"Name: value\", in place of ours; repeat it",
                    .read = append_to(text.headers),
                    .repeated = true});
  command_line.add(
      {.name = "--body", .metavariable = "TEXT", .help = "Of the requests", .read = into(text.body)});
  command_line.add({.name = "--expect-body",
                    .metavariable = "TEXT",
                    .help = "Another one than TEXT is wrong content",
                    .read = [&](const std::string& body) { text.expected_body = body; }});
  command_line.add_switch(
      {.name = "--worker", .help = "Ask who answers (Quartet-Worker: ?)", .read = into(text.worker)});
  command_line.add({.name = "--timeout",
                    .metavariable = "TIME",
                    .help = "From a request's send to its whole answer (default 10s; 0: none)",
                    .read = into(text.timeout)});
  command_line.add({.name = "--grace",
                    .metavariable = "TIME",
                    .help = "After the duration, for answers still due (default 2s)",
                    .read = into(text.grace)});
}

void describe_output(CommandLine& command_line, Options& options, Text& text) {
  command_line.group("Output");
  command_line.add({.name = "--json",
                    .metavariable = "FILE",
                    .help = "The summary as JSON; - for stdout, in place of the text",
                    .read = into(options.json)});
  command_line.add({.name = "--records",
                    .metavariable = "FILE",
                    .help = "Every request, 56 bytes each; see loadtest/pace/README.md",
                    .read = into(options.records)});
  command_line.add({.name = "--histogram",
                    .metavariable = "FILE",
                    .help = "Latency of the first class, for HdrHistogram plotters, in ms",
                    .read = into(options.histogram)});
  command_line.add_switch({.name = "--announce",
                           .help = "A line on stdout when all connections are open: \"holding N\"",
                           .read = into(options.announce)});
  command_line.add({.name = "--tolerance",
                    .metavariable = "TIME",
                    .help = "How late 1 % of the requests may be dealt with here (default 1ms)",
                    .read = into(text.tolerance)});
}

const app::Program kProgram{
    .name = "quartet-pace",
    .summary =
        "Asks a server at a fixed rate, or as fast as it answers, and keeps a ledger of what became of every "
        "request.",
    .version = "quartet-pace " QUARTET_VERSION,
    .footer =
        "Durations take ms, s, m or h (250ms, 10s). Request k is due at k / R, whatever the server does, and "
        "its latency\n"
        "counts from then.\n"
        "Exits 0; 1 failed, nothing answered, or not all written; 2 usage; 4 measured, but not valid (why); "
        "130\n"
        "interrupted, with what was measured until then."};

// --- values

Nanoseconds to_time(std::string_view option, const std::string& text, Nanoseconds least) try {
  const Nanoseconds time = app::parse_duration(text);
  if (time < least || time > kLongest)
    reject("{}: \"{}\" is not a time from {} to 86400s", option, text,
           app::format_duration(std::chrono::duration_cast<std::chrono::milliseconds>(least)));
  return time;
} catch (const std::invalid_argument& error) {
  reject("{}: {}", option, error.what());
}

double to_number(std::string_view option, std::string_view text, double most) {
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (error != std::errc{} || rest != end || !(number >= 0) || number > most)
    reject("{}: \"{}\" is not a number from 0 to {:.0f}", option, text, most);
  return number;
}

std::pair<double, double> to_rates(std::string_view text) {
  const auto colon = text.find(':');
  const double first = to_number("--rate", text.substr(0, colon), kMostRequestsPerSecond);
  if (colon == std::string_view::npos) return {first, first};
  return {first, to_number("--rate", text.substr(colon + 1), kMostRequestsPerSecond)};
}

bool is_control(char c) { return (c >= '\0' && c < ' ') || c == '\x7f'; }

http::Method to_method(const std::string& text) {
  if (const auto method = http::parse_method(text)) return *method;
  reject("--method: \"{}\" is not one of GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS", text);
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
std::pair<double, double> rates_of(const Text& text) {
  return text.closed ? std::pair(0.0, 0.0) : to_rates(text.rate.value_or(kDefaultRate));
}

std::string repeated(const std::string& text, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

LanePlan plan_lane(const Text& text, const Plan& plan, const Share& share, double sum, double phase) {
  const auto [rate, last_rate] = rates_of(text);
  const double part = share.share / sum;
  return {.name = share.name,
          .target = share.target,
          .method = to_method(text.method),
          .request = repeated(request_bytes(text, plan.server, share.target, text.fresh), text.pipeline),
          .arrivals = {.rate = rate * part,
                       .last_rate = last_rate * part,
                       .duration = plan.duration,
                       .poisson = text.poisson,
                       .phase = phase,
                       .seed = text.seed + static_cast<std::uint64_t>(plan.lanes.size())},
          .connections = text.connections,
          .fresh = text.fresh,
          .closed = text.closed,
          .pipeline = text.pipeline,
          .expected_body = text.expected_body};
}

/// Each class has a schedule of its own; phases keep them from asking all at once.
void plan_lanes(const Text& text, Plan& plan) {
  const auto shares = shares_of(text);
  double sum = 0;
  for (const Share& share : shares) sum += share.share;
  if (sum <= 0) reject("--mix: all shares are 0");
  if (rates_of(text) == std::pair(0.0, 0.0) && !text.closed) {
    if (text.target.empty()) return;
    reject("\"{}\": with --rate 0 nobody asks for it; see --hold N:TARGET and --newcomer TIME:TARGET",
           text.target);
  }
  for (std::size_t i = 0; i < shares.size(); ++i)
    plan.lanes.push_back(
        plan_lane(text, plan, shares[i], sum, static_cast<double>(i) / static_cast<double>(shares.size())));
}

void plan_newcomer(const Text& text, Plan& plan) {
  if (text.newcomer.empty()) return;
  const auto [time, target] = split_target(text.newcomer);
  const auto interval = to_time("--newcomer", time, std::chrono::milliseconds(1));
  const double rate = 1 / std::chrono::duration<double>(interval).count();
  Text plain;
  plain.worker = text.worker;
  // Amid the load's requests; without a load there is one at the start, however short the run is.
  const double phase = plan.lanes.empty() ? 0 : 0.5;
  plan.lanes.push_back(
      {.name = "newcomer",
       .target = target,
       .request = request_bytes(plain, plan.server, target, true),
       .arrivals = {.rate = rate, .last_rate = rate, .duration = plan.duration, .phase = phase},
       .connections = 1000,  // those who wait must not keep others from knocking
       .fresh = true,
       .expected_body = {}});
}

/// @param records where they are to be written; empty: nowhere
void check_loop(const Text& text, const std::string& records) {
  if (!text.closed && text.pipeline > 1) reject("--pipeline: only a closed loop has it; see --closed");
  if (!text.closed) return;
  if (text.rate) reject("--rate: a closed loop (--closed) has none: it asks as fast as it is answered");
  if (text.poisson) reject("--poisson: nothing arrives at a closed loop (--closed)");
  if (!text.mix.empty()) reject("--mix: a closed loop (--closed) has no rate to share");
  if (text.worker) reject("--worker: a closed loop (--closed) keeps no record of who answered");
  if (!records.empty())
    reject("--records: a closed loop (--closed) keeps a histogram, and no record of a request");
  if (text.fresh && text.pipeline > 1) reject("--pipeline: a fresh connection (--fresh) takes one request");
}

Plan make_plan(const Text& text) {
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
  if (text.sources > 0 && plan.server.host.find(':') != std::string::npos)
    reject("--sources: 127.0.0.1 and its neighbours cannot reach {}", plan.server.to_string());
  plan_lanes(text, plan);
  plan_newcomer(text, plan);
  std::uint64_t requests = 0;
  for (const LanePlan& lane : plan.lanes) requests += Schedule(lane.arrivals).expected();
  if (requests > kMostRequests)
    reject("--rate, --duration: {} requests are more than the {} that can be kept in memory", requests,
           kMostRequests);
  if (plan.lanes.empty() && plan.hold == 0)
    reject("--rate 0: there is nothing to do without --hold or --newcomer");
  return plan;
}

}  // namespace

Options parse_options(int argc, const char* const* argv) {
  Options options;
  Text text;
  CommandLine command_line(kProgram);
  describe_load(command_line, text);
  describe_company(command_line, text);
  describe_requests(command_line, text);
  describe_output(command_line, options, text);
  command_line.parse(argc, argv);
  check_loop(text, options.records);
  options.plan = make_plan(text);
  return options;
}

}  // namespace quartet::pace
