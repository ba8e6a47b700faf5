#pragma once

#include <string>

#include "tests/servers/child_process.h"

namespace quartet::suite {

/// Where a server listens: a numeric host without brackets.
struct Endpoint {
  std::string host;
  int port = 0;
};

/// The command that runs a server of the build under test (QUARTET_BIN, or the build directory).
Command server_command(const std::string& executable, std::vector<std::string> arguments);

/// A server that serves: it has said where it listens.
class ServerProcess : public ChildProcess {
 public:
  /// @throws std::runtime_error when it exits, or does not say "listening on ADDR:PORT"
  explicit ServerProcess(const Command& command);
  /// Removes the scoreboard that a crash has left behind.
  ~ServerProcess();
  /// Leaves it there.
  void keep_scoreboard() { keeps_scoreboard_ = true; }

  const Endpoint& endpoint() const { return endpoint_; }
  int port() const { return endpoint_.port; }
  /// Waits until all that clients have sent is in the server's hands. @throws std::runtime_error when it is
  /// not
  void await_taken() const;

 private:
  Endpoint endpoint_;
  bool keeps_scoreboard_ = false;
};

/// Runs a command that is expected to end by itself.
struct Finished {
  Ending ending;
  std::string out;
  std::string err;
};
Finished run(const Command& command);

}  // namespace quartet::suite
