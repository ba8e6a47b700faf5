#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "tests/servers/patience.h"

namespace quartet::suite {

/// How a process ended: by exit, or by a signal.
struct Ending {
  int code = 0;
  int signal = 0;

  bool operator==(const Ending&) const = default;
};
constexpr Ending exited(int code) { return {.code = code}; }
constexpr Ending killed_by(int signal) { return {.signal = signal}; }
void PrintTo(const Ending& ending, std::ostream* stream);

/// What to execute, and in which surroundings.
struct Command {
  std::string executable;
  std::vector<std::string> arguments = {};
  std::vector<std::string> environment = {};  ///< "NAME=value", besides the test's own without QUARTET_*
  std::optional<rlim_t> descriptors = std::nullopt;    ///< RLIMIT_NOFILE, soft and hard
  std::optional<rlim_t> address_space = std::nullopt;  ///< RLIMIT_AS in bytes, soft and hard
};

/// Runs a line of bash before the command, in its process.
Command after(const std::string& line, const Command& command);

/// A process in a session of its own: nothing that it starts can get lost, because this process adopts its
/// orphans (PR_SET_CHILD_SUBREAPER) and the destructor ends the whole session. It prints stderr when a test
/// failed.
class ChildProcess {
 public:
  /// @throws std::system_error when it cannot be started
  explicit ChildProcess(const Command& command);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  bool running();
  /// How it ended. @throws std::runtime_error when it has not by then
  Ending wait_exit(std::chrono::milliseconds patience = kPatience);

  void signal(int number) const;
  /// The process and all that it started, as Ctrl-C does.
  void signal_group(int number) const;
  /// Stops the process and all that it started, and returns when they stand still; SIGCONT to the group lets
  /// them go on. Sent earlier, it would miss a process that is just being forked: Linux keeps a group's
  /// SIGSTOP for it until the fork is done, and does not drop that when SIGCONT follows.
  /// @throws std::runtime_error when they do not stop
  void freeze() const;

  /// What it has written so far.
  std::string out() const;
  std::string err() const;

  /// The live processes of its session, itself included.
  std::vector<pid_t> processes() const;
  /// The live processes whose parent it is.
  std::vector<pid_t> children() const;
  /// CPU time used by the live processes of its session.
  std::chrono::milliseconds cpu_time() const;

 private:
  void end_session();

  std::string name_;
  int out_;  // memfd: a pipe could fill up
  int err_;
  pid_t pid_;
  std::optional<Ending> ending_;
};

/// Sends a signal until the process has ended: those of the first second are one wish.
/// @throws std::runtime_error when it does not end
void insist(ChildProcess& process, int number);

}  // namespace quartet::suite
