// Faults that keep something: the processor, a thread, memory.
#include <fmt/format.h>

#include <chrono>
#include <condition_variable>
#include <list>
#include <mutex>
#include <string>

#include "common/faults/fault.h"
#include "common/routes/work.h"

namespace quartet::app {
namespace {

using http::Outcome;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

Outcome spin(const Values& values) {
  const auto start = steady_clock::now();
  while (values[0] == kForEver || steady_clock::now() - start < milliseconds(values[0])) burn(1);
  return http::text_response(200, fmt::format("spun {} ms", values[0]));
}

Outcome hang(const Values& values) {
  std::mutex mutex;
  std::condition_variable signalled;  // by nobody: they are this handler's own
  std::unique_lock lock(mutex);
  const auto never = [] { return false; };
  if (values[0] == kForEver) signalled.wait(lock, never);
  signalled.wait_for(lock, milliseconds(values[0]), never);
  return http::text_response(200, fmt::format("blocked {} ms", values[0]));
}

/// What this process has leaked.
struct Leak {
  std::mutex mutex;
  std::list<std::string> blocks;
  std::uint64_t mebibytes = 0;
};

Outcome leak(const Values& values) {
  // Never destroyed, always reachable: to LeakSanitizer this is no leak.
  static Leak& leaked = *new Leak;
  const std::lock_guard lock(leaked.mutex);
  leaked.blocks.emplace_back(values[0] << 20, 'x');  // which touches every page
  leaked.mebibytes += values[0];
  return http::text_response(
      200, fmt::format("leaked {} MiB, {} MiB in this process by now", values[0], leaked.mebibytes));
}

}  // namespace

std::vector<Fault> hanging_faults() {
  const std::vector<Parameter> duration{Number{"ms", kForEver, 60'000}};
  return {{"spin", duration, spin}, {"block", duration, hang}, {"leak", {Number{"mib", 1, 1024}}, leak}};
}

}  // namespace quartet::app
