#include "common/server/options.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/app/captured.h"
#include "tests/app/sample_models.h"

namespace quartet::app {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Arguments = std::vector<std::string>;

Options parse(Arguments arguments, const Model& model = kEpoll) {
  arguments.insert(arguments.begin(), std::string(model.name));
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  return parse_options(static_cast<int>(arguments.size()), argv.data(), model);
}

Captured parse_captured(const Arguments& arguments, const Model& model = kEpoll) {
  return run_captured([&] {
    parse(arguments, model);
    return 0;
  });
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

/// The sentence of a usage error.
std::string usage_error(const Arguments& arguments, const Model& model = kEpoll) {
  const Captured run = parse_captured(arguments, model);
  EXPECT_EQ(run.exit_status(), 2) << run.errors;
  EXPECT_EQ(run.output, "");
  EXPECT_EQ(std::ranges::count(run.errors, '\n'), 1) << run.errors;
  return run.errors;
}

/// An environment variable while it lives.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) { ::setenv(name, value, 1); }
  ~Variable() { ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

TEST(Options, HaveDefaults) {
  const Options options = parse({});
  EXPECT_EQ(options.listen.to_string(), "127.0.0.1:8080");
  EXPECT_EQ(options.mode.name, "");
  EXPECT_EQ(options.workers, 1u);
  EXPECT_EQ(options.limits.max_request_line, 8192u);
  EXPECT_EQ(options.limits.max_header_bytes, 32768u);
  EXPECT_EQ(options.limits.max_headers, 100u);
  EXPECT_EQ(options.limits.max_body, 1048576u);
  EXPECT_EQ(options.limits.max_connections, 10000u);
  EXPECT_EQ(options.limits.max_requests_per_connection, 1000u);
  EXPECT_EQ(options.limits.min_body_rate, 500u);
  EXPECT_EQ(options.limits.keep_alive_timeout, seconds(5));
  for (const milliseconds timeout : {options.limits.header_timeout, options.limits.body_timeout,
                                     options.limits.write_timeout, options.limits.drain_timeout}) {
    EXPECT_EQ(timeout, seconds(10));
  }
  EXPECT_TRUE(options.root.empty());
  EXPECT_EQ(options.ballast, 0u);
  EXPECT_FALSE(options.enable_faults);
}

struct NumberOption {
  const char* name;
  std::size_t& (*value)(Options&);
  std::size_t zero = http::kUnlimited;  // what 0 stands for
};

class NumberOptions : public testing::TestWithParam<NumberOption> {};

TEST_P(NumberOptions, TakeWholeNumbers) {
  const auto& [name, value, zero] = GetParam();
  for (const std::size_t number : {std::size_t{0}, std::size_t{1}, std::size_t{1'000'000}}) {
    Options options = parse({name, std::to_string(number)});
    EXPECT_EQ(value(options), number == 0 ? zero : number);
  }
  Options options = parse({fmt::format("{}=17", name)});
  EXPECT_EQ(value(options), 17u);
}

TEST_P(NumberOptions, RefuseAnythingElse) {
  const std::string name = GetParam().name;
  for (const std::string text :
       {"", "-1", "+1", "12x", "x", " 12", "1.5", "1e3", "10k", "0x10", "18446744073709551616"}) {
    const std::string start =
        fmt::format("quartet-epoll: {}: \"{}\" is not a whole number from 0 to ", name, text);
    EXPECT_TRUE(usage_error({name, text}).starts_with(start)) << usage_error({name, text});
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, NumberOptions,
    testing::Values(
        NumberOption{"--max-request-line",
                     [](Options& o) -> std::size_t& { return o.limits.max_request_line; }},
        NumberOption{"--max-header-bytes",
                     [](Options& o) -> std::size_t& { return o.limits.max_header_bytes; }},
        NumberOption{"--max-headers", [](Options& o) -> std::size_t& { return o.limits.max_headers; }},
        NumberOption{"--max-body", [](Options& o) -> std::size_t& { return o.limits.max_body; }},
        NumberOption{"--max-connections",
                     [](Options& o) -> std::size_t& { return o.limits.max_connections; }},
        NumberOption{"--max-requests-per-connection",
                     [](Options& o) -> std::size_t& { return o.limits.max_requests_per_connection; }},
        NumberOption{"--min-body-rate", [](Options& o) -> std::size_t& { return o.limits.min_body_rate; }},
        NumberOption{"--ballast", [](Options& o) -> std::size_t& { return o.ballast; }, 0}));

struct DurationOption {
  const char* name;
  milliseconds http::Limits::*value;
};

class DurationOptions : public testing::TestWithParam<DurationOption> {};

TEST_P(DurationOptions, TakeMinutesAndHours) {
  const auto& [name, value] = GetParam();
  EXPECT_EQ(parse({name, "10m"}).limits.*value, std::chrono::minutes(10));
  EXPECT_EQ(parse({name, "2h"}).limits.*value, std::chrono::hours(2));
}

TEST_P(DurationOptions, TakeSecondsMillisecondsAndZero) {
  const auto& [name, value] = GetParam();
  EXPECT_EQ(parse({name, "3s"}).limits.*value, seconds(3));
  EXPECT_EQ(parse({name, "250ms"}).limits.*value, milliseconds(250));
  EXPECT_EQ(parse({name, "0"}).limits.*value, http::kForever);
  EXPECT_EQ(parse({name, "0s"}).limits.*value, http::kForever);
  EXPECT_EQ(parse({name, "1000000s"}).limits.*value, seconds(1'000'000));
  EXPECT_EQ(parse({name, "1000000000ms"}).limits.*value, seconds(1'000'000));
}

TEST_P(DurationOptions, RefuseAnythingElse) {
  const std::string name = GetParam().name;
  for (const std::string text : {"", "10", "s", "ms", "-1s", "1.5s", "10 s", "10S", "10M", "1d", "10sx",
                                 "1000001s", "16667m", "278h", "1000000001ms", "18446744073709551617ms"}) {
    EXPECT_EQ(
        usage_error({name, text}),
        fmt::format("quartet-epoll: {}: \"{}\" is not a whole number of ms, s, m or h, such as 250ms or 10s "
                    "(at most 1000000s; 0 is unlimited)\n",
                    name, text));
  }
}

INSTANTIATE_TEST_SUITE_P(All, DurationOptions,
                         testing::Values(DurationOption{"--header-timeout", &http::Limits::header_timeout},
                                         DurationOption{"--body-timeout", &http::Limits::body_timeout},
                                         DurationOption{"--keep-alive-timeout",
                                                        &http::Limits::keep_alive_timeout},
                                         DurationOption{"--write-timeout", &http::Limits::write_timeout},
                                         DurationOption{"--drain-timeout", &http::Limits::drain_timeout}));

TEST(Listen, TakesBothFamiliesAndPortZero) {
  EXPECT_EQ(parse({"--listen", "0.0.0.0:80"}).listen.to_string(), "0.0.0.0:80");
  EXPECT_EQ(parse({"--listen", "[::1]:0"}).listen.to_string(), "[::1]:0");
  EXPECT_EQ(parse({"--listen=[::]:65535"}).listen.to_string(), "[::]:65535");
}

TEST(Listen, RefusesWhatIsNoAddress) {
  for (const char* text : {"", "8080", "127.0.0.1", "127.0.0.1:", ":8080", "localhost", "[::1]", "::1:80",
                           "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:8x", "[127.0.0.1]:80"}) {
    EXPECT_TRUE(usage_error({"--listen", text}).starts_with("quartet-epoll: --listen: ")) << text;
  }
}

TEST(Listen, TakesNames) {
  EXPECT_EQ(parse({"--listen", "localhost:8080"}).listen.to_string(), "127.0.0.1:8080");
  EXPECT_TRUE(parse({"--listen", "localhost:8080", "--enable-faults"}).enable_faults);
}

TEST(Listen, SaysWhatToWriteWhereTheAddressIsMissing) {
  EXPECT_EQ(
      usage_error({"--listen", ":80"}),
      "quartet-epoll: --listen: \":80\" names no address: write 127.0.0.1:80, or 0.0.0.0:80 for all of this "
      "machine's\n");
}

TEST(ModeOption, ChoosesModeAndItsWorkers) {
  EXPECT_EQ(parse({}, kFork).mode.name, "prefork");
  EXPECT_EQ(parse({}, kFork).workers, 16u);
  const Options options = parse({"--mode", "per-request"}, kFork);
  EXPECT_EQ(options.mode.name, "per-request");
  EXPECT_EQ(options.workers, 1u);
}

TEST(ModeOption, ListsTheModesWhenItIsNone) {
  for (const std::string text : {"pre", "", "Prefork", "threads"}) {
    EXPECT_EQ(
        usage_error({"--mode", text}, kFork),
        fmt::format("quartet-fork: --mode: \"{}\" is not one of prefork, per-connection and per-request\n",
                    text));
  }
}

TEST(ModeOption, IsRefusedByModelsWithoutModes) {
  EXPECT_EQ(usage_error({"--mode", "prefork"}), "quartet-epoll: --mode: quartet-epoll has only one mode\n");
}

TEST(Workers, AreTakenByModelsWithManyOfThem) {
  EXPECT_EQ(parse({}, kThreads).workers, 16u);
  EXPECT_EQ(parse({"--workers", "4"}, kThreads).workers, 4u);
  EXPECT_EQ(parse({"--workers", "4", "--mode", "prefork"}, kFork).workers, 4u);
}

TEST(Workers, MayBeOneInEveryModel) {
  EXPECT_EQ(parse({"--workers", "1"}).workers, 1u);
  EXPECT_EQ(parse({"--workers", "1", "--mode", "per-connection"}, kFork).workers, 1u);
}

TEST(Workers, AreRefusedWithTheReasonOfTheModel) {
  EXPECT_EQ(usage_error({"--workers", "4"}),
            "quartet-epoll: --workers: quartet-epoll takes only 1, because one thread serves every client\n");
  EXPECT_EQ(
      usage_error({"--workers", "2", "--mode", "per-request"}, kFork),
      "quartet-fork: --workers: quartet-fork --mode per-request takes only 1, because every request gets a "
      "process of its own\n");
}

TEST(Workers, AreAtLeastOne) {
  for (const std::string text : {"0", "-1", "10001", "two", "99999999999999999999"}) {
    EXPECT_EQ(
        usage_error({"--workers", text}, kThreads),
        fmt::format("quartet-threads: --workers: \"{}\" is not a whole number from 1 to 10000\n", text));
  }
}

TEST(OwnOption, IsTheFirstWordWhereNothingIsChosen) {
  EXPECT_EQ(parse({}, kMultiprocess).own.at("--listen-mode"), "shared");
  EXPECT_EQ(parse({"--listen-mode", "reuseport"}, kMultiprocess).own.at("--listen-mode"), "reuseport");
  EXPECT_EQ(
      parse({"--listen-mode", "reuseport", "--listen-mode", "shared"}, kMultiprocess).own.at("--listen-mode"),
      "shared");
}

TEST(OwnOption, ListsItsWordsWhenItIsNone) {
  for (const std::string text : {"share", "", "Shared", "reuseport "}) {
    EXPECT_EQ(usage_error({"--listen-mode", text}, kMultiprocess),
              fmt::format("quartet-multiprocess: --listen-mode: \"{}\" is not one of shared and reuseport\n",
                          text));
  }
}

TEST(OwnOption, MayBeANumberWithinARange) {
  EXPECT_EQ(parse({}, kMultiprocess).own_numbers.at("--depth"), 5u);
  EXPECT_EQ(parse({"--depth", "20"}, kMultiprocess).own_numbers.at("--depth"), 20u);
  for (const std::string text : {"0", "21", "deep", "", "5m"}) {
    EXPECT_EQ(
        usage_error({"--depth", text}, kMultiprocess),
        fmt::format("quartet-multiprocess: --depth: \"{}\" is not a whole number from 1 to 20\n", text));
  }
  EXPECT_TRUE(has(parse_captured({"--help"}, kMultiprocess).output, "How deep (default 5)"));
}

TEST(OwnOption, HasAVariable) {
  const Variable variable("QUARTET_LISTEN_MODE", "reuseport");
  EXPECT_EQ(parse({}, kMultiprocess).own.at("--listen-mode"), "reuseport");
  EXPECT_EQ(parse({"--listen-mode", "shared"}, kMultiprocess).own.at("--listen-mode"), "shared");
  const Variable wrong("QUARTET_LISTEN_MODE", "both");
  EXPECT_EQ(usage_error({}, kMultiprocess),
            "quartet-multiprocess: QUARTET_LISTEN_MODE: \"both\" is not one of shared and reuseport\n");
}

TEST(OwnOption, IsNoOptionOfOtherModels) {
  EXPECT_TRUE(parse({}).own.empty());
  EXPECT_TRUE(has(usage_error({"--listen-mode", "shared"}), "--listen-mode"));
  EXPECT_FALSE(has(parse_captured({"--help"}).output, "--listen-mode"));
}

TEST(OwnOption, IsShownWithItsWordsAndItsDefault) {
  const auto help = parse_captured({"--help"}, kMultiprocess).output;
  for (const auto* text : {"--listen-mode shared|reuseport", "One socket or many (default shared)"})
    EXPECT_TRUE(has(help, text)) << help;
}

TEST(Numbers, WithUnitsAreRefusedWithTheNumberToWrite) {
  const auto advice = [](const Arguments& arguments) {
    const auto sentence = usage_error(arguments, kThreads);
    return sentence.substr(sentence.find(" to ") + 4);
  };
  EXPECT_EQ(advice({"--max-body", "1m"}), "1099511627776: write 1048576\n");
  EXPECT_EQ(advice({"--max-body", "1MiB"}), "1099511627776: write 1048576\n");
  EXPECT_EQ(advice({"--max-body", "64kB"}), "1099511627776: write 65536\n");
  EXPECT_EQ(advice({"--max-body", "2G"}), "1099511627776: write 2147483648\n");
  EXPECT_EQ(advice({"--workers", "4k"}), "10000: write 4096\n");
  for (const auto* text : {"1mm", "m", "1t", "999999999999g", "1.5m", "-1k"})
    EXPECT_EQ(advice({"--max-body", text}), "1099511627776\n") << text;
}

TEST(Root, IsAnExistingDirectory) {
  EXPECT_EQ(parse({"--root", "/tmp"}).root, "/tmp");
  EXPECT_EQ(usage_error({"--root", "/no/such"}), "quartet-epoll: --root: \"/no/such\" is not a directory\n");
  EXPECT_EQ(usage_error({"--root", "/etc/passwd"}),
            "quartet-epoll: --root: \"/etc/passwd\" is not a directory\n");
  EXPECT_EQ(usage_error({"--root", ""}), "quartet-epoll: --root: \"\" is not a directory\n");
}

TEST(Scoreboard, IsAFileOfAnyName) {
  EXPECT_EQ(parse({}).scoreboard, "");
  EXPECT_EQ(parse({"--scoreboard", "/tmp/board"}).scoreboard, "/tmp/board");
}

TEST(Supervise, IsForModelsWithoutAParent) {
  EXPECT_TRUE(parse({"--supervise"}, kThreads).supervise);
  EXPECT_FALSE(parse({}, kThreads).supervise);
  EXPECT_EQ(usage_error({"--supervise"}, kFork),
            "quartet-fork: --supervise: quartet-fork --mode prefork has a parent of its own\n");
}

TEST(MaxRequestsPerWorker, IsForThePoolOfProcesses) {
  EXPECT_EQ(parse({"--max-requests-per-worker", "100"}, kFork).max_requests_per_worker, 100u);
  EXPECT_EQ(parse({"--max-requests-per-worker", "0"}).max_requests_per_worker, http::kUnlimited);
  EXPECT_EQ(
      usage_error({"--mode", "per-request", "--max-requests-per-worker", "1"}, kFork),
      "quartet-fork: --max-requests-per-worker: quartet-fork --mode per-request has no worker processes "
      "that could be replaced one by one\n");
  usage_error({"--max-requests-per-worker", "1"}, kThreads);
  usage_error({"--max-requests-per-worker", "-1"}, kFork);
}

TEST(Orphans, NeedAParentThatCanDie) {
  EXPECT_EQ(parse({}, kFork).orphans, Orphans::drain);
  EXPECT_EQ(parse({"--orphans", "serve"}, kFork).orphans, Orphans::serve);
  EXPECT_EQ(parse({"--orphans", "serve", "--supervise"}).orphans, Orphans::serve);
  EXPECT_EQ(usage_error({"--orphans", "serve"}),
            "quartet-epoll: --orphans: quartet-epoll has no parent without --supervise\n");
  EXPECT_EQ(usage_error({"--orphans", "adopt"}, kFork),
            "quartet-fork: --orphans: \"adopt\" is neither drain nor serve\n");
}

TEST(EnableFaults, IsForLoopbackAddressesOnly) {
  EXPECT_TRUE(parse({"--enable-faults"}).enable_faults);
  EXPECT_TRUE(parse({"--enable-faults", "--listen", "[::1]:80"}).enable_faults);
  EXPECT_TRUE(parse({"--enable-faults", "--listen", "[0:0:0:0:0:0:0:1]:80"}).enable_faults);
  EXPECT_TRUE(parse({"--enable-faults", "--listen", "[::ffff:127.0.0.1]:80"}).enable_faults);
  for (const std::string address : {"0.0.0.0:80", "[::]:80", "192.0.2.1:80", "[::ffff:192.0.2.1]:80"}) {
    EXPECT_EQ(usage_error({"--enable-faults", "--listen", address}),
              fmt::format(
                  "quartet-epoll: --enable-faults: anybody could crash a server on {}; listen on a loopback "
                  "address such as 127.0.0.1:8080\n",
                  address));
  }
}

TEST(EnableFaults, IsASwitch) {
  EXPECT_TRUE(parse({"--enable-faults=1"}).enable_faults);
  EXPECT_FALSE(parse({"--enable-faults=false"}).enable_faults);
  EXPECT_EQ(usage_error({"--enable-faults=yes"}),
            "quartet-epoll: --enable-faults: \"yes\" is neither 1 nor 0\n");
  EXPECT_NE(usage_error({"--enable-faults", "1"}), "");
}

TEST(ServerCommandLine, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(usage_error({"--no-such"}),
            "quartet-epoll: The following argument was not expected: --no-such\n");
  EXPECT_NE(usage_error({"8080"}).find("8080"), std::string::npos);
  EXPECT_NE(usage_error({"-w", "1"}), "");
}

TEST(ServerCommandLine, TakesNoAbbreviations) {
  EXPECT_NE(usage_error({"--max-bod", "1"}), "");
  EXPECT_NE(usage_error({"--work", "1"}), "");
}

TEST(ServerCommandLine, AsksForAMissingValue) {
  for (const std::string name : {"--listen", "--workers", "--max-body", "--root", "--drain-timeout"}) {
    EXPECT_EQ(usage_error({name}), fmt::format("quartet-epoll: {}: a value is missing\n", name));
  }
}

TEST(ServerCommandLine, LastOptionWins) {
  EXPECT_EQ(parse({"--max-body", "1", "--max-body", "2"}).limits.max_body, 2u);
}

TEST(Environment, SpeaksWhereTheCommandLineIsSilent) {
  const Variable body("QUARTET_MAX_BODY", "77");
  const Variable rotation("QUARTET_MAX_REQUESTS_PER_CONNECTION", "3");
  const Variable timeout("QUARTET_KEEP_ALIVE_TIMEOUT", "700ms");
  const Variable listen("QUARTET_LISTEN", "[::1]:0");
  const Options options = parse({});
  EXPECT_EQ(options.limits.max_body, 77u);
  EXPECT_EQ(options.limits.max_requests_per_connection, 3u);
  EXPECT_EQ(options.limits.keep_alive_timeout, milliseconds(700));
  EXPECT_EQ(options.listen.to_string(), "[::1]:0");
  EXPECT_EQ(parse({"--max-body", "5"}).limits.max_body, 5u);
}

TEST(Environment, IsNotReadWhereTheCommandLineSpeaks) {
  const Variable body("QUARTET_MAX_BODY", "nonsense");
  EXPECT_EQ(parse({"--max-body", "5"}).limits.max_body, 5u);
}

TEST(Environment, SwitchesFaults) {
  {
    const Variable faults("QUARTET_ENABLE_FAULTS", "1");
    EXPECT_TRUE(parse({}).enable_faults);
  }
  {
    const Variable faults("QUARTET_ENABLE_FAULTS", "0");
    EXPECT_FALSE(parse({}).enable_faults);
    EXPECT_TRUE(parse({"--enable-faults"}).enable_faults);
  }
  const Variable faults("QUARTET_ENABLE_FAULTS", "yes");
  EXPECT_EQ(usage_error({}), "quartet-epoll: QUARTET_ENABLE_FAULTS: \"yes\" is neither 1 nor 0\n");
}

TEST(Environment, IsNamedInItsErrors) {
  {
    const Variable timeout("QUARTET_DRAIN_TIMEOUT", "10");
    EXPECT_TRUE(
        usage_error({}).starts_with("quartet-epoll: QUARTET_DRAIN_TIMEOUT: \"10\" is not a whole number"));
  }
  {
    const Variable mode("QUARTET_MODE", "prefork");
    EXPECT_TRUE(usage_error({}).starts_with("quartet-epoll: QUARTET_MODE: quartet-epoll has only one mode"));
  }
  const Variable workers("QUARTET_WORKERS", "4");
  EXPECT_TRUE(usage_error({}).starts_with("quartet-epoll: QUARTET_WORKERS: quartet-epoll takes only 1"));
  EXPECT_EQ(parse({}, kThreads).workers, 4u);
}

TEST(Environment, IsWarnedOfWhereNoOptionHasTheVariable) {
  const auto warning = [](const char* name) {
    const Variable variable(name, "1");
    const Captured run = parse_captured({});
    EXPECT_EQ(run.exit_status(), 0);
    return run.errors;
  };
  EXPECT_EQ(warning("QUARTET_MAX_BODI"),
            "quartet-epoll: warning: no option is called QUARTET_MAX_BODI; did you mean QUARTET_MAX_BODY?\n");
  EXPECT_EQ(warning("QUARTET_MAXBODY"),
            "quartet-epoll: warning: no option is called QUARTET_MAXBODY; did you mean QUARTET_MAX_BODY?\n");
  EXPECT_EQ(warning("QUARTET_COLOUR"), "quartet-epoll: warning: no option is called QUARTET_COLOUR\n");
  EXPECT_EQ(warning("QUARTET_MAX_BODY"), "");
  EXPECT_EQ(warning("QUARTETS"), "");
}

TEST(Environment, IsAbsentWhenEmpty) {
  const Variable body("QUARTET_MAX_BODY", "");
  EXPECT_EQ(parse({}).limits.max_body, 1048576u);
}

TEST(Help, ListsEveryOptionWithItsDefault) {
  const Captured run = parse_captured({"--help"}, kFork);
  EXPECT_EQ(run.exit_status(), 0);
  EXPECT_EQ(run.errors, "");
  for (const char* text : {"Processes.",
                           "--listen ADDR:PORT",
                           "127.0.0.1:8080",
                           "--mode MODE",
                           "--workers N",
                           "prefork 16",
                           "--max-request-line BYTES",
                           "8192",
                           "--max-header-bytes BYTES",
                           "32768",
                           "--max-headers N",
                           "--max-body BYTES",
                           "1048576",
                           "--max-connections N",
                           "10000",
                           "--max-requests-per-connection N",
                           "--min-body-rate BYTES",
                           "--header-timeout TIME",
                           "10s",
                           "--body-timeout TIME",
                           "--keep-alive-timeout TIME",
                           "5s",
                           "--write-timeout TIME",
                           "--drain-timeout TIME",
                           "--root DIR",
                           "--ballast MiB",
                           "--enable-faults",
                           "--help",
                           "--version",
                           "QUARTET_MAX_BODY"}) {
    EXPECT_NE(run.output.find(text), std::string::npos) << text;
  }
}

TEST(Help, HidesTheModeOfModelsWithoutModes) {
  EXPECT_EQ(parse_captured({"--help"}).output.find("--mode"), std::string::npos);
}

TEST(Version, NamesLibrariesAndCompiler) {
  const Captured run = parse_captured({"--version"});
  EXPECT_EQ(run.exit_status(), 0);
  for (const char* text : {"quartet-epoll ", "\nllhttp ", "\nAsio 1.", "++ "}) {
    EXPECT_NE(run.output.find(text), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace quartet::app
