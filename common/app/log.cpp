#include "common/app/log.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

namespace quartet::app {
namespace {

std::string& log_name() {
  static std::string name = "quartet";
  return name;
}

std::string describe_signal(int signal) {
  const char* description = ::sigdescr_np(signal);  // null for real-time signals
  if (description == nullptr) return fmt::format("signal {}", signal);
  return fmt::format("signal {} ({})", signal, description);
}

}  // namespace

void set_log_name(std::string_view name) { log_name() = name; }

std::string log_text(std::string_view text) {
  return fmt::format("{}[{}]: {}\n", log_name(), ::getpid(), text);
}

void log_line(std::string_view text) {
  const std::string line = log_text(text);
  // A server goes on when nobody reads its log.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

std::string describe_exit(int status) {
  if (WIFSIGNALED(status)) return "was killed by " + describe_signal(WTERMSIG(status));
  return fmt::format("exited with status {}", WEXITSTATUS(status));
}

}  // namespace quartet::app
