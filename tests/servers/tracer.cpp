#include "tests/servers/tracer.h"

#include <algorithm>
#include <csignal>
#include <optional>
#include <sstream>

#include "tests/servers/process_table.h"

namespace quartet::suite {
namespace {

/// "1234  recvfrom(5, ..., 0) = 49" or "1234  <... recvfrom resumed>..., 0) = -1 EAGAIN (...)"
std::optional<Call> parse_call(const std::string& line) {
  const auto equals = line.rfind(" = ");
  if (equals == std::string::npos) return std::nullopt;
  Call call;
  std::istringstream words(line);
  words >> call.thread >> call.name;
  if (call.name == "<...") words >> call.name;
  call.name = call.name.substr(0, call.name.find('('));
  std::istringstream(line.substr(equals + 3)) >> call.result;  // "?" where it was interrupted: 0
  return call;
}

Command command(const ServerProcess& server) {
  Command strace{.executable = "strace", .arguments = {"-f", "-q", "-s", "0", "-o", "/dev/stdout"}};
  for (const auto pid : server.processes())
    strace.arguments.insert(strace.arguments.end(), {"-p", std::to_string(pid)});
  return strace;
}

}  // namespace

Tracer::Tracer(const ServerProcess& server) : strace_(command(server)) {
  attached_ = eventually([&] {
                const auto processes = server.processes();
                return !strace_.running() || std::all_of(processes.begin(), processes.end(), is_traced);
              }) &&
              strace_.running();
}

std::vector<Call> Tracer::finish() {
  strace_.signal(SIGTERM);
  strace_.wait_exit();
  std::vector<Call> calls;
  std::istringstream lines(strace_.out());
  for (std::string line; std::getline(lines, line);) {
    if (auto call = parse_call(line)) calls.push_back(std::move(*call));
  }
  return calls;
}

}  // namespace quartet::suite
