#pragma once

#include <functional>
#include <string>

namespace quartet::app {

/// How a process ended and what it said.
struct Captured {
  int status;  ///< as from waitpid(2)
  std::string output;
  std::string errors;

  /// -1 when it was killed by a signal.
  int exit_status() const;
  /// 0 when it exited.
  int signal() const;
};

/// Runs `body` in a forked child, whose exit status it returns. Whatever it does to the process (exit,
/// limits, signal handlers, environment) stays there.
Captured run_captured(const std::function<int()>& body);

}  // namespace quartet::app
