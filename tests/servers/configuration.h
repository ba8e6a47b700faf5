#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "tests/servers/server_process.h"
#include "tests/servers/test_client.h"

namespace quartet::suite {

/// One way to run one server, with the facts that the server's --describe tells.
struct Configuration {
  std::string name;
  std::string executable;
  std::vector<std::string> options;
  std::string sanitizers;  ///< that it is built with, as for -fsanitize; "" for none

  bool has_parent = false;
  bool one_client_per_worker = false;
  bool process_per_request = false;
  bool many_workers = false;
  bool hands_over = false;
  bool work_stealing = false;
  bool several_loops = false;
  std::map<std::string, std::string> refuses;  ///< options that it cannot honour, and why

  /// A client holds a worker, and --workers says how many there are.
  bool pool() const { return one_client_per_worker && many_workers; }
  bool process_pool() const { return has_parent && pool(); }
  bool thread_pool() const { return !has_parent && pool(); }
  /// A client, or each of its requests, has a process of its own.
  bool process_per_client() const { return has_parent && one_client_per_worker && !many_workers; }
  /// Clients share a thread, where nothing may block; some have helpers for what does.
  bool loop() const { return !one_client_per_worker; }
  /// Handlers run in a loop, and hold up its clients.
  bool handlers_in_loop() const { return loop() && !hands_over; }
  /// Which of its threads goes on with a client is chance.
  bool threads_share_clients() const { return work_stealing && several_loops; }
  /// Whoever runs the handlers is a loop that nobody watches: if one hangs, no connection can be cut.
  bool hangs_with_handlers() const { return handlers_in_loop() && !has_parent && !work_stealing; }
  /// Threads of one process run handlers at the same time, for certain.
  bool handlers_in_threads() const { return thread_pool() || hands_over; }
  /// So many worker processes, which are replaced one by one; they may be loops.
  bool worker_processes() const { return has_parent && many_workers; }
  /// Which of them has a client is the kernel's choice.
  bool loops_in_processes() const { return has_parent && loop(); }
  /// Of a single loop the main thread is the worker.
  bool starts_threads() const { return !has_parent && many_workers; }

  /// Its server is built with AddressSanitizer.
  bool asan() const { return sanitizers.find("address") != std::string::npos; }

  /// What the catalogue of faults calls it: "fork-per-request" for per_request, "coroutines" for
  /// coroutines_1.
  std::string model() const;
  Command command(const std::vector<std::string>& more = {}) const;
};
void PrintTo(const Configuration& configuration, std::ostream* stream);

/// Every mode of every server, and servers with several loops twice: with one and with two. Under
/// ThreadSanitizer those that start threads.
/// @throws std::runtime_error when a server does not describe itself
const std::vector<Configuration>& every_configuration();
/// The one that the others are compared with: a single loop, where there is one.
const Configuration& reference_configuration();

/// Whether --gtest_filter may leave a test that has this parameter. Each test is a process of its own, and to
/// register all tests for it took 50 ms, a third of what the suite took.
bool is_asked(const std::string& parameter);
const std::vector<Configuration>& asked_configurations();

/// A test that runs once per configuration.
class ServerTest : public testing::TestWithParam<Configuration> {
 protected:
  /// On a free port of 127.0.0.1.
  ServerProcess start(const std::vector<std::string>& options = {}) const {
    return ServerProcess(GetParam().command(options));
  }
  ServerProcess start_with_faults(std::vector<std::string> options = {}) const {
    options.emplace_back("--enable-faults");
    return start(options);
  }
  /// With so many workers where a client holds one.
  ServerProcess start_with_workers(int workers, std::vector<std::string> options = {}) const;
};

#define QUARTET_EVERY_CONFIGURATION(suite)                                                   \
  INSTANTIATE_TEST_SUITE_P(Every, suite, testing::ValuesIn(asked_configurations()),          \
                           [](const auto& each) -> std::string { return each.param.name; }); \
  static_assert(true, "a semicolon follows")

}  // namespace quartet::suite
