// quartet-pace: the constant-rate and ledger client. See loadtest/pace/README.md.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>

#include "common/net/system.h"
#include "loadtest/pace/engine.h"
#include "loadtest/pace/options.h"
#include "loadtest/pace/report.h"
#include "loadtest/pace/turn.h"

namespace quartet::pace {
namespace {

constexpr int kMeasured = 0, kFailed = 1, kUsage = 2, kInvalid = 4, kInterrupted = 130;

volatile std::sig_atomic_t interrupted = 0;

void listen_to_signals() {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = 1; };
  action.sa_flags = SA_RESTART;  // epoll returns all the same; writing the results goes on
  for (const int signal : {SIGINT, SIGTERM}) net::check(::sigaction(signal, &action, nullptr), "sigaction");
  // A closed pipe or a file that may not grow is an error of one output: the others are still written.
  for (const int signal : {SIGPIPE, SIGXFSZ}) std::signal(signal, SIG_IGN);
}

/// Before the run. What was closed, reserve_standard_descriptors() has opened the wrong way round.
void check_stdout() {
  if ((::fcntl(STDOUT_FILENO, F_GETFL) & O_ACCMODE) == O_RDONLY) throw std::runtime_error("stdout is closed");
}

/// Before the run: afterwards it would be lost.
void check_writable(const std::string& path) {
  if (path.empty() || path == "-") return;
  if (!std::ofstream(path, std::ios::app)) net::throw_errno("open " + path);
}

template <typename Write>
void write_file(const std::string& path, Write write) {
  errno = 0;
  std::ofstream file(path);
  write(file);
  file.close();
  if (!file) net::throw_errno("write " + path);
}

void print(const std::string& text) {
  if (std::fputs(text.c_str(), stdout) == EOF || std::fflush(stdout) == EOF) net::throw_errno("write stdout");
}

int fail(int status, const std::exception& error) {
  net::print_error(fmt::format("quartet-pace: {}\n", error.what()));
  return status;
}

/// Says what goes wrong. Returns whether nothing did.
template <typename Write>
bool attempt(Write write) {
  try {
    write();
    return true;
  } catch (const std::exception& error) {
    fail(kFailed, error);
    return false;
  }
}

/// Each of them, whatever becomes of the others. Returns whether all are written.
bool write_results(const Options& options, const Ledger& ledger, const Summary& summary) {
  const auto json = to_json(options.plan, ledger, summary).dump(2) + "\n";
  bool all = attempt([&] { print(options.json == "-" ? json : to_text(options.plan, ledger, summary)); });
  if (!options.json.empty() && options.json != "-")
    all &= attempt([&] { write_file(options.json, [&](auto& file) { file << json; }); });
  if (!options.histogram.empty())
    all &= attempt([&] {
      write_file(options.histogram, [&](auto& file) {
        write_histogram(file, summary.lanes.empty() ? Percentiles() : summary.lanes.front().latency);
      });
    });
  if (!options.records.empty())
    all &= attempt([&] { write_records(options.records, ledger.records, ledger.start); });
  return all;
}

int exit_status(const Plan& plan, const Ledger& ledger, const Summary& summary) {
  if (ledger.interrupted) return kInterrupted;
  const auto answered = summary.total(Outcome::ok) + summary.total(Outcome::error_status);
  if (answered == 0 && (!plan.lanes.empty() || ledger.held_served == 0)) {
    net::print_error(fmt::format("quartet-pace: {} answered nothing\n", plan.server.to_string()));
    return kFailed;
  }
  return summary.problems.empty() ? kMeasured : kInvalid;
}

/// For whoever wants to look at the server while they are held.
void announce(const Ledger& ledger) { print(fmt::format("holding {}\n", ledger.held_served)); }

int measure(const Options& options) {
  for (const auto* path : {&options.json, &options.records, &options.histogram}) check_writable(*path);
  listen_to_signals();
  take_short_turns();
  const Ledger ledger = run(options.plan, interrupted, options.announce ? announce : nullptr);
  const Summary summary = summarize(options.plan, ledger);
  const bool written = write_results(options, ledger, summary);
  const int status = exit_status(options.plan, ledger, summary);
  return written ? status : kFailed;
}

}  // namespace
}  // namespace quartet::pace

int main(int argc, char** argv) try {
  quartet::net::reserve_standard_descriptors();
  quartet::pace::check_stdout();
  return quartet::pace::measure(quartet::pace::parse_options(argc, argv));
} catch (const quartet::pace::UsageError& error) {
  return quartet::pace::fail(quartet::pace::kUsage, error);
} catch (const std::exception& error) {
  return quartet::pace::fail(quartet::pace::kFailed, error);
}
