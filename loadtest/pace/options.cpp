#include "loadtest/pace/options.h"

#include <limits>
#include <string>
#include <vector>

#include "loadtest/pace/planner.h"
#include "loadtest/pace/values.h"

namespace quartet::pace {
namespace {

using app::CommandLine;
using app::into;
using app::Read;

constexpr std::size_t kMostConnections = 1'000'000;
constexpr std::size_t kMostPipelined = 1'000;
constexpr std::size_t kMostSources = 65'536;
constexpr std::size_t kMostRetries = 1'000;
constexpr std::size_t kMostSessions = 100;

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
                    .metavariable = "R|A:B|R,TIME=R,...",
                    .help = "Requests a second: constant (default 1000), a ramp (100:5000), or steps "
                            "(200,3s=400)",
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
  command_line.add({.name = "--fault",
                    .metavariable = "TIME:TARGET",
                    .help = "A client asks for TARGET once, by POST (or TIME:METHOD TARGET); repeat it",
                    .read = append_to(text.faults),
                    .repeated = true});
  command_line.add({.name = "--fault-retries",
                    .metavariable = "N",
                    .help = "How often a fault that is lost is asked again (default 0)",
                    .read = into(text.fault_retries, 0, kMostRetries)});
  command_line.add({.name = "--rude",
                    .metavariable = "TIME:KIND=N[:TARGET]",
                    .help = "N clients: slow-header, slow-reader, abort or flood; repeat it",
                    .read = append_to(text.rude),
                    .repeated = true});
  command_line.add({.name = "--hold",
                    .metavariable = "N[:TARGET]",
                    .help = "Idle connections: one request before the start (default /plaintext), none after",
                    .read = [&text](const std::string& value) {
                      const auto [number, target] = split_target(value);
                      into(text.hold, 0, kMostConnections)(number);
                      text.hold_target = target;
                    }});
  command_line.add({.name = "--sessions",
                    .metavariable = "N",
                    .help = "Clients that store a session before the start: is it there at the end?",
                    .read = into(text.sessions, 1, kMostSessions)});
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
  command_line.add_switch({.name = "--same-body",
                           .help = "Another one than the first good one of the class is wrong content",
                           .read = into(text.same_body)});
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
  options.plan = make_plan(text, options.records);
  return options;
}

}  // namespace quartet::pace
