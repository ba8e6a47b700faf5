#include "common/scoreboard/liveness.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

namespace quartet::app {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

/// Of /proc/PID/stat, see proc(5).
struct ProcessStat {
  std::string name;  // the first 15 bytes
  char state = 0;
  nanoseconds started{0};  // after boot
};

nanoseconds from_ticks(std::int64_t ticks) {
  static const std::int64_t per_second = ::sysconf(_SC_CLK_TCK);  // always known on Linux
  return seconds(ticks / per_second) + nanoseconds(seconds(ticks % per_second)) / per_second;
}

std::optional<ProcessStat> parse_stat(const std::string& text) {
  const auto name_begin = text.find('('), name_end = text.rfind(')');  // the name may contain anything
  if (name_begin == std::string::npos || name_end == std::string::npos) return std::nullopt;
  ProcessStat stat{.name = text.substr(name_begin + 1, name_end - name_begin - 1)};
  std::istringstream fields(text.substr(name_end + 1));
  fields >> stat.state;
  constexpr int kParent = 4, kStartTime = 22;
  std::string skipped;
  for (int field = kParent; field < kStartTime; ++field) fields >> skipped;
  std::int64_t ticks = 0;
  if (!(fields >> ticks)) return std::nullopt;
  stat.started = from_ticks(ticks);
  return stat;
}

std::optional<ProcessStat> read_stat(pid_t process) {
  std::ifstream file(fmt::format("/proc/{}/stat", process));
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  return parse_stat(line);
}

nanoseconds since_boot() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);  // cannot fail: the clock exists since Linux 2.6.39
  return seconds(now.tv_sec) + nanoseconds(now.tv_nsec);
}

bool matches(const ProcessStat& stat, const Identity& identity) {
  constexpr std::size_t kNameBytes = 15;
  constexpr auto kRounding = std::chrono::milliseconds(100);  // ticks are 10 ms
  if (!identity.name.empty() && stat.name != identity.name.substr(0, kNameBytes)) return false;
  // A suspended machine makes a process look older than it was seen, never younger.
  return since_boot() - stat.started + kRounding >= identity.at_least_old;
}

/// Of a process that procfs does not show: gone, or hidden (the mount option hidepid). Signal 0 only asks.
Life life_unseen(pid_t process) {
  return ::kill(process, 0) == -1 && errno == ESRCH ? Life::dead : Life::unknown;
}

}  // namespace

std::string_view to_string(Life life) {
  switch (life) {
    case Life::none: return "none";
    case Life::alive: return "alive";
    case Life::stopped: return "stopped";
    case Life::dead: return "dead";
    case Life::unknown: return "unknown";
  }
  return "";
}

Life life_of(pid_t process, const Identity& identity) {
  if (process <= 0) return Life::none;
  const auto stat = read_stat(process);
  if (!stat) return life_unseen(process);
  if (stat->state == 'Z' || stat->state == 'X' || !matches(*stat, identity)) return Life::dead;
  return stat->state == 'T' || stat->state == 't' ? Life::stopped : Life::alive;
}

}  // namespace quartet::app
