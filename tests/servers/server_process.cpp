#include "tests/servers/server_process.h"

#include <unistd.h>

#include <cstdlib>
#include <stdexcept>
#include <string_view>

#include "tests/servers/process_table.h"

namespace quartet::suite {
namespace {

std::string bin_directory() {
  const char* chosen = std::getenv("QUARTET_BIN");
  return chosen != nullptr ? chosen : QUARTET_BIN_DIRECTORY;
}

/// "listening on 127.0.0.1:8080\n", "listening on [::1]:8080\n"; that and nothing else.
Endpoint parse_announcement(const std::string& out) {
  constexpr std::string_view kStart = "listening on ";
  const auto colon = out.rfind(':');
  const auto port = colon == std::string::npos ? 0 : std::atoi(out.c_str() + colon + 1);
  if (!out.starts_with(kStart) || !out.ends_with(std::to_string(port) + "\n")) {
    throw std::runtime_error("no server: stdout \"" + out + '"');
  }
  auto host = out.substr(kStart.size(), colon - kStart.size());
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return {host, port};
}

}  // namespace

Command server_command(const std::string& executable, std::vector<std::string> arguments) {
  return {
      .executable = bin_directory() + "/" + executable,
      .arguments = std::move(arguments),
      // A crash is to be the signal that it is without a sanitizer.
      .environment = {"ASAN_OPTIONS=handle_segv=0:handle_abort=0", "UBSAN_OPTIONS=print_stacktrace=1",
                      "TSAN_OPTIONS=handle_segv=0:handle_abort=0"},
  };
}

ServerProcess::ServerProcess(const Command& command) : ChildProcess(command) {
  eventually([this] { return out().ends_with('\n') || !running(); });
  endpoint_ = parse_announcement(out());
}

ServerProcess::~ServerProcess() {
  const auto usual = "/dev/shm/quartet-" + std::to_string(port());
  const auto file = endpoint_.host == "127.0.0.1" ? usual : usual + "-" + endpoint_.host;
  if (!keeps_scoreboard_) unlink(file.c_str());
}

void ServerProcess::await_taken() const {
  const auto taken = eventually([this] {
    const auto queues = port_queues(port());
    return queues.unaccepted == 0 && queues.unread_bytes == 0;
  });
  if (!taken) throw std::runtime_error("the server does not take what clients have sent");
}

Finished run(const Command& command) {
  ChildProcess process(command);
  const auto ending = process.wait_exit();
  return {ending, process.out(), process.err()};
}

}  // namespace quartet::suite
