#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/http/router.h"
#include "common/routes/sessions.h"
#include "common/scoreboard/scoreboard.h"
#include "tests/http/mutator.h"
#include "tests/http/reference.h"
#include "tests/servers/configuration.h"

namespace quartet::suite {

/// What the servers' routes answer, asked in this process. Some answers depend on the process, on what came
/// before or on time, or take long: an input that asks for one is not for comparing.
class Oracle {
 public:
  /// @param root as for --root
  explicit Oracle(const std::string& root);

  /// @return nothing for an input that is not for comparing
  std::optional<test::Dues> dues(std::string_view bytes);

 private:
  http::Router originals_;
  http::Router router_;
  app::Scoreboard scoreboard_{1};
  app::SharedSessions sessions_;
  bool comparable_ = true;
};

/// Sends the same bytes to two servers, whole to one and in pieces to the other, and compares what comes back
/// with what is due and with each other. Servers are started when they are first needed, and end with it.
class Differential {
 public:
  Differential();

  /// The bytes alone decide about servers and pieces. QUARTET_FUZZ_PAIR=epoll,prefork chooses the servers.
  /// @throws std::exception with what is wrong
  void check(std::string_view bytes);
  void end_servers() { servers_.clear(); }

 private:
  struct Server {
    explicit Server(const Command& command) : process(command) {}
    /// @throws std::logic_error when it says more than when it started
    void expect_calm() const;

    ServerProcess process;
    std::string said = process.err();
  };
  using Pair = std::pair<const Configuration*, const Configuration*>;

  Pair choose(test::Random& random) const;
  const Server& server(const Configuration& configuration);

  std::vector<Configuration> configurations_;
  Oracle oracle_;
  std::map<std::string, Server> servers_;
};

}  // namespace quartet::suite
