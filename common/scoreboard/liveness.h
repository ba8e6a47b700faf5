#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string_view>

namespace quartet::app {

/// What the kernel says of a process, whatever the scoreboard says.
enum class Life : std::uint8_t {
  none,  ///< there is no process to ask about
  alive,
  stopped,  ///< by SIGSTOP or by a debugger
  dead,     ///< gone, a zombie, or another process has its pid
  unknown,  ///< it cannot be seen from here
};
/// "alive"
std::string_view to_string(Life life);

/// What tells a process from a later one with the same pid.
struct Identity {
  std::string_view name = {};                ///< of its executable; empty: any
  std::chrono::nanoseconds at_least_old{0};  ///< since it was seen
};

/// Asks procfs; no signal is sent. For a pid of this process's pid namespace.
Life life_of(pid_t process, const Identity& identity = {});

}  // namespace quartet::app
