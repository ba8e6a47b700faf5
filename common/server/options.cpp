#include "common/server/options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <llhttp.h>
#include <unistd.h>

#include <algorithm>
#include <asio/version.hpp>
#include <cctype>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "common/net/system.h"
#include "common/program/command_line.h"
#include "common/program/duration.h"
#include "common/program/number.h"
#include "common/server/describe.h"
#include "common/server/server.h"

namespace quartet::app {
namespace {

using std::chrono::milliseconds;

// The most that an option takes: far above any use, and far below where sums overflow.
constexpr std::size_t kMostBytes = std::size_t{1} << 40;
constexpr std::size_t kMostConnections = 1'000'000;
constexpr std::size_t kMostRequests = 1'000'000'000;
constexpr std::size_t kMostWorkers = 10'000;
constexpr std::size_t kMostMebibytes = std::size_t{1} << 20;

template <typename... Arguments>
[[noreturn]] void reject(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  throw std::invalid_argument(fmt::format(format, std::forward<Arguments>(arguments)...));
}

// On the command line a limit of 0 is no limit.
std::size_t parse_limit(std::string_view text, std::size_t most) {
  const std::size_t limit = parse_number(text, 0, most);
  return limit == 0 ? http::kUnlimited : limit;
}

milliseconds parse_timeout(std::string_view text) {
  const milliseconds timeout = parse_duration(text);
  return timeout == milliseconds::zero() ? http::kForever : timeout;
}

std::filesystem::path parse_directory(const std::string& text) {
  std::error_code error;  // whatever is wrong with it, it is no directory that we can serve
  if (!std::filesystem::is_directory(text, error)) reject("\"{}\" is not a directory", text);
  return text;
}

/// "prefork, per-connection and per-request"
std::string join_names(const std::vector<std::string_view>& names) {
  std::string joined;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) joined += i + 1 == names.size() ? " and " : ", ";
    joined += names[i];
  }
  return joined;
}

std::string join_names(const std::vector<Mode>& modes) {
  std::vector<std::string_view> names(modes.size());
  std::ranges::transform(modes, names.begin(), &Mode::name);
  return join_names(names);
}

const Mode& parse_mode(std::string_view text, const Model& model) {
  const auto found = std::ranges::find(model.modes, text, &Mode::name);
  if (found == model.modes.end()) reject("\"{}\" is not one of {}", text, join_names(model.modes));
  return *found;
}

/// "16", or "prefork 16, per-connection 1"
std::string default_workers(const Model& model) {
  if (model.modes.size() == 1) return fmt::format("{}", model.modes[0].default_workers);
  std::vector<std::string> defaults;
  for (const Mode& mode : model.modes)
    defaults.push_back(fmt::format("{} {}", mode.name, mode.default_workers));
  return fmt::format("{}", fmt::join(defaults, ", "));
}

std::string version(const Model& model) {
#ifdef __clang__
  constexpr std::string_view kCompiler = "clang++ " __clang_version__;
#else
  constexpr std::string_view kCompiler = "g++ " __VERSION__;
#endif
  return fmt::format("{} {}\nllhttp {}.{}.{}\nAsio {}.{}.{}\n{}", model.name, QUARTET_VERSION,
                     LLHTTP_VERSION_MAJOR, LLHTTP_VERSION_MINOR, LLHTTP_VERSION_PATCH, ASIO_VERSION / 100'000,
                     ASIO_VERSION / 100 % 1000, ASIO_VERSION % 100, kCompiler);
}

/// "--max-body" -> "QUARTET_MAX_BODY"
std::string environment_name(std::string_view option) {
  std::string name = "QUARTET_";
  for (const char c : option.substr(2)) name += c == '-' ? '_' : static_cast<char>(std::toupper(c));
  return name;
}

/// How many letters have to be changed, added or left out to make one of the other (Levenshtein).
std::size_t distance(std::string_view one, std::string_view other) {
  std::vector<std::size_t> row(other.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < one.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < other.size(); ++j) {
      const std::size_t changed = diagonal + (one[i] == other[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

/// The names of the environment's variables that start like ours.
std::vector<std::string> our_variables() {
  std::vector<std::string> names;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    if (text.starts_with("QUARTET_")) names.emplace_back(text.substr(0, text.find('=')));
  }
  return names;
}

/// The options of one server, on its command line and in the environment.
class ServerOptions {
 public:
  ServerOptions(const Model& model, Options& options);

  /// @throws UsageError
  void read(int argc, char** argv);

 private:
  void add_server_options();
  void add_process_options();
  void add_size_limits();
  void add_time_limits();
  void add_demo_options();
  void add_mode();
  void add_own(const OwnOption& option);
  void add_own_number(const OwnOption& option);
  void add(const std::string& name, const std::string& metavariable, const std::string& help, Read read);
  void add_limit(const std::string& name, const std::string& metavariable, std::size_t& target,
                 std::size_t most, const std::string& help);
  void add_timeout(const std::string& name, milliseconds& target, const std::string& help);
  void add_switch(const std::string& name, const std::string& help, std::function<void(bool)> set);
  /// With its variable, which is known from now on.
  Option with_variable(Option option);
  void warn_of_unknown_variables() const;

  void choose(const Mode& mode);
  /// @throws std::invalid_argument when the mode cannot honour the option
  void demand(std::string_view option) const;
  void choose_by_name(std::string_view text);
  void count_workers(std::size_t workers);
  void supervise(bool enable);
  void bound_workers(std::size_t requests);
  void decide_for_orphans(std::string_view text);
  void allow_faults(bool enable);

  const Model& model_;
  Options& options_;
  CommandLine command_line_;
  std::vector<std::string> variables_;
};

Program program(const Model& model) {
  return {
      .name = std::string(model.name),
      .summary = std::string(model.summary),
      .version = version(model),
      .footer =
          "Durations take ms, s, m or h (250ms, 10s). A limit of 0 is no limit.\n"
          "Every option is an environment variable as well, --max-body as QUARTET_MAX_BODY; the command "
          "line wins.\n"
          "SIGTERM, SIGINT, SIGQUIT and SIGHUP drain; another one after a second ends the server at once."};
}

ServerOptions::ServerOptions(const Model& model, Options& options)
    : model_(model), options_(options), command_line_(program(model)) {
  choose(model.modes.front());
  command_line_.add_printer("--describe", "Print what this model is as JSON, for programs, and exit",
                            [&model] { return app::describe(model); });
  add_server_options();
  add_process_options();
  add_size_limits();
  add_time_limits();
  add_demo_options();
}

void ServerOptions::add_server_options() {
  command_line_.group("Server");
  add("--listen", "ADDR:PORT",
      fmt::format("IPv4, [IPv6] or name; port 0: the kernel chooses (default {})",
                  options_.listen.to_string()),
      [this](const std::string& text) { options_.listen = net::Address::parse(text); });
  add_mode();
  add("--workers", "N", fmt::format("Processes, threads or loops (default {})", default_workers(model_)),
      [this](const std::string& text) { count_workers(parse_number(text, 1, kMostWorkers)); });
  for (const OwnOption& option : model_.own_options) add_own(option);
}

void ServerOptions::add_own(const OwnOption& option) {
  if (option.words.empty()) return add_own_number(option);
  std::string& chosen = options_.own[option.name];
  chosen = option.words.front();
  const auto choose = [&option, &chosen](const std::string& text) {
    if (std::ranges::find(option.words, text) == option.words.end())
      reject("\"{}\" is not one of {}", text, join_names(option.words));
    chosen = text;
  };
  add(std::string(option.name), fmt::format("{}", fmt::join(option.words, "|")),
      fmt::format("{} (default {})", option.help, chosen), choose);
}

void ServerOptions::add_own_number(const OwnOption& option) {
  std::size_t& chosen = options_.own_numbers[option.name];
  chosen = option.number;
  add(std::string(option.name), std::string(option.unit), fmt::format("{} (default {})", option.help, chosen),
      into(chosen, option.least, option.most));
}

void ServerOptions::add_process_options() {
  command_line_.group("Processes");
  add("--scoreboard", "FILE", "For quartet-top, kept after a crash (default /dev/shm/quartet-PORT)",
      [this](const std::string& text) { options_.scoreboard = text; });
  add_switch("--supervise", "A parent keeps the socket and restarts the server when it dies",
             [this](bool enable) { supervise(enable); });
  add("--max-requests-per-worker", "N", "Then a worker process is replaced (default 0: never)",
      [this](const std::string& text) { bound_workers(parse_limit(text, kMostRequests)); });
  add("--orphans", "drain|serve", "What workers do when their parent has died (default drain)",
      [this](const std::string& text) { decide_for_orphans(text); });
}

void ServerOptions::add_mode() {
  command_line_.add(
      with_variable({.name = "--mode",
                     .metavariable = "MODE",
                     .help = fmt::format("{} (default {})", join_names(model_.modes), options_.mode.name),
                     .read = [this](const std::string& text) { choose_by_name(text); },
                     .hidden = model_.modes.size() == 1}));
}

void ServerOptions::add_size_limits() {
  command_line_.group("Limits");
  http::Limits& limits = options_.limits;
  add_limit("--max-request-line", "BYTES", limits.max_request_line, kMostBytes, "Request line; above: 414");
  add_limit("--max-header-bytes", "BYTES", limits.max_header_bytes, kMostBytes,
            "All field lines; above: 431");
  add_limit("--max-headers", "N", limits.max_headers, kMostBytes, "Number of field lines; above: 431");
  add_limit("--max-body", "BYTES", limits.max_body, kMostBytes, "Request body; above: 413");
  add_limit("--max-connections", "N", limits.max_connections, kMostConnections,
            "Open connections over all workers; then clients wait");
  add_limit("--max-requests-per-connection", "N", limits.max_requests_per_connection, kMostRequests,
            "Then the connection is closed");
  add_limit("--min-body-rate", "BYTES", limits.min_body_rate, kMostBytes,
            "A second: what prolongs --body-timeout and --write-timeout");
}

void ServerOptions::add_time_limits() {
  command_line_.group("Timeouts");
  http::Limits& limits = options_.limits;
  add_timeout("--header-timeout", limits.header_timeout,
              "From a request's first byte to the end of its head");
  add_timeout("--body-timeout", limits.body_timeout, "From the end of the head to the end of the body");
  add_timeout("--keep-alive-timeout", limits.keep_alive_timeout, "Between an answer and the next request");
  add_timeout("--write-timeout", limits.write_timeout, "For an answer that cannot be sent at once");
  add_timeout("--drain-timeout", limits.drain_timeout, "From SIGTERM to the cut of what is left");
}

void ServerOptions::add_demo_options() {
  command_line_.group("Demo");
  add("--root", "DIR", "Directory that /file/ serves (default: none)",
      [this](const std::string& text) { options_.root = parse_directory(text); });
  add("--ballast", "MiB",
      fmt::format("Touched memory that every fork has to map (default {})", options_.ballast),
      into(options_.ballast, 0, kMostMebibytes));
  add_switch("--enable-faults", "Serve /fault/... (loopback addresses only)",
             [this](bool enable) { allow_faults(enable); });
}

void ServerOptions::add(const std::string& name, const std::string& metavariable, const std::string& help,
                        Read read) {
  command_line_.add(
      with_variable({.name = name, .metavariable = metavariable, .help = help, .read = std::move(read)}));
}

void ServerOptions::add_limit(const std::string& name, const std::string& metavariable, std::size_t& target,
                              std::size_t most, const std::string& help) {
  add(name, metavariable, fmt::format("{} (default {})", help, target),
      [&target, most](const std::string& text) { target = parse_limit(text, most); });
}

void ServerOptions::add_timeout(const std::string& name, milliseconds& target, const std::string& help) {
  add(name, "TIME", fmt::format("{} (default {})", help, format_duration(target)),
      [&target](const std::string& text) { target = parse_timeout(text); });
}

void ServerOptions::add_switch(const std::string& name, const std::string& help,
                               std::function<void(bool)> set) {
  const auto read = [set = std::move(set)](const std::string& text) {
    bool enable = false;
    into(enable)(text);
    set(enable);
  };
  command_line_.add_switch(with_variable({.name = name, .help = help, .read = read}));
}

Option ServerOptions::with_variable(Option option) {
  option.variable = variables_.emplace_back(environment_name(option.name));
  return option;
}

void ServerOptions::choose(const Mode& mode) {
  options_.mode = mode;
  options_.workers = mode.default_workers;
}

void ServerOptions::demand(std::string_view option) const {
  for (const Refusal& refusal : refusals(model_, options_.mode))
    if (refusal.option == option) throw std::invalid_argument(refusal.why);
}

void ServerOptions::choose_by_name(std::string_view text) {
  demand("--mode");
  choose(parse_mode(text, model_));
}

void ServerOptions::count_workers(std::size_t workers) {
  if (workers > 1) demand("--workers");
  options_.workers = workers;
}

void ServerOptions::supervise(bool enable) {
  if (enable) demand("--supervise");
  options_.supervise = enable;
}

void ServerOptions::bound_workers(std::size_t requests) {
  if (requests != http::kUnlimited) demand("--max-requests-per-worker");
  options_.max_requests_per_worker = requests;
}

void ServerOptions::decide_for_orphans(std::string_view text) {
  if (text != "drain" && text != "serve") reject("\"{}\" is neither drain nor serve", text);
  if (!options_.mode.has_parent() && !options_.supervise)
    reject("{} has no parent without --supervise", model_.name);
  options_.orphans = text == "serve" ? Orphans::serve : Orphans::drain;
}

void ServerOptions::allow_faults(bool enable) {
  if (enable && !options_.listen.is_loopback()) {
    reject("anybody could crash a server on {}; listen on a loopback address such as 127.0.0.1:8080",
           options_.listen.to_string());
  }
  options_.enable_faults = enable;
}

void ServerOptions::read(int argc, char** argv) {
  command_line_.parse(argc, argv);
  warn_of_unknown_variables();
}

void ServerOptions::warn_of_unknown_variables() const {
  for (const auto& name : our_variables()) {
    if (std::ranges::find(variables_, name) != variables_.end()) continue;
    constexpr std::size_t kTypo = 3;
    const auto far = [&](const std::string& other) { return distance(name, other); };
    const auto nearest = *std::ranges::min_element(variables_, {}, far);
    net::print_error(fmt::format("{}: warning: no option is called {}{}\n", model_.name, name,
                                 far(nearest) <= kTypo ? "; did you mean " + nearest + "?" : ""));
  }
}

}  // namespace

Options parse_options(int argc, char** argv, const Model& model) {
  Options options;
  try {
    ServerOptions(model, options).read(argc, argv);
  } catch (const UsageError& error) {
    net::print_error(fmt::format("{}: {}\n", model.name, error.what()));
    std::exit(kUsage);
  }
  return options;
}

}  // namespace quartet::app
