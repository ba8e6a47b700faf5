#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/servers/server_process.h"
#include "tests/servers/test_client.h"

namespace quartet::suite {

/// The sanitizers that this build has, as for -fsanitize; "" for none.
inline constexpr std::string_view kSanitizers = QUARTET_SANITIZE;

enum class Model { prefork, per_connection, per_request, threads, coroutines, epoll };

/// One way to run one server.
struct Configuration {
  std::string name;
  std::string executable;
  std::vector<std::string> options;
  Model model;

  bool forks() const { return model <= Model::per_request; }
  /// A client holds a worker; there are 16 unless --workers says otherwise.
  bool pool() const { return model == Model::prefork || model == Model::threads; }
  /// Clients share a thread, where nothing may block.
  bool loop() const { return model >= Model::coroutines; }

  Command command(const std::vector<std::string>& more = {}) const;
};
void PrintTo(const Configuration& configuration, std::ostream* stream);

/// All of them; under ThreadSanitizer those that have threads.
std::vector<Configuration> every_configuration();
/// The one that the others are compared with.
Configuration reference_configuration();

/// A test that runs once per configuration.
class ServerTest : public testing::TestWithParam<Configuration> {
 protected:
  /// On a free port of 127.0.0.1.
  ServerProcess start(const std::vector<std::string>& options = {}) const {
    return ServerProcess(GetParam().command(options));
  }
  /// The same with so many workers where a client holds one.
  ServerProcess start_with_workers(int workers, std::vector<std::string> options = {}) const;
};

#define QUARTET_EVERY_CONFIGURATION(suite)                                                   \
  INSTANTIATE_TEST_SUITE_P(Every, suite, testing::ValuesIn(every_configuration()),           \
                           [](const auto& each) -> std::string { return each.param.name; }); \
  static_assert(true, "a semicolon follows")

}  // namespace quartet::suite
