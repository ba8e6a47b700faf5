#include "tests/servers/server_process.h"

#include <cstdlib>
#include <regex>
#include <stdexcept>

#include "tests/servers/process_table.h"

namespace quartet::suite {
namespace {

std::string bin_directory() {
  const char* chosen = std::getenv("QUARTET_BIN");
  return chosen != nullptr ? chosen : QUARTET_BIN_DIRECTORY;
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
  static const std::regex line(R"(listening on \[?([0-9a-fA-F:.]+?)\]?:(\d+)\n)");
  std::smatch match;
  const auto text = out();
  if (!std::regex_match(text, match, line)) throw std::runtime_error("no server: stdout \"" + text + '"');
  endpoint_ = {match[1], std::stoi(match[2])};
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
