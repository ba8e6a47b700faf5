#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <limits>
#include <list>
#include <mutex>
#include <stdexcept>

#include "common/routes/parameters.h"
#include "common/routes/routes.h"
#include "common/routes/work.h"

namespace quartet::app {
namespace {

using http::Method;
using http::Outcome;
using http::Request;
using http::Slot;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// The pointer is volatile, or the compiler turns the store into a trap (SIGILL); UBSan would report it first
// and exit.
[[gnu::noinline, gnu::no_sanitize("undefined")]] Outcome segv(const Request&, const Slot&) {
  int* volatile nowhere = nullptr;
  *nowhere = 1;  // NOLINT(clang-analyzer-core.NullDereference): the purpose
  return http::text_response(500, "wrote to address 0 and survived");
}

Outcome abort_process(const Request&, const Slot&) { std::abort(); }

// Not exit(3): it would run the destructors of statics under the feet of other threads, and in a forked
// process end what belongs to the parent. And never another status: 64 and 65 of a process per request are
// words to its parent.
Outcome exit_process(const Request&, const Slot&) { ::_exit(1); }

Outcome throw_error(const Request&, const Slot&) { throw std::runtime_error("as asked for"); }

// Behind a noexcept nobody can catch it, not even run().
// NOLINTNEXTLINE(bugprone-exception-escape): the purpose
Outcome throw_uncaught(const Request& request, const Slot& slot) noexcept {
  return throw_error(request, slot);
}

/// The value of `ms` that nobody gave.
constexpr std::uint64_t kForEver = std::numeric_limits<std::uint64_t>::max();

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

void add_fault(http::Router& router, const char* path, std::string summary, http::Handler handler) {
  router.add({{Method::post}, path, std::move(summary), false, std::move(handler)});
}

}  // namespace

void add_fault_routes(http::Router& router) {
  add_fault(router, "/fault/segv", "Writes to a null pointer: SIGSEGV", segv);
  add_fault(router, "/fault/abort", "Calls abort(3): SIGABRT", abort_process);
  add_fault(router, "/fault/exit", "Calls _exit(1) in the middle of a request", exit_process);
  add_fault(router, "/fault/throw", "Throws an exception: 500", throw_error);
  add_fault(router, "/fault/throw-uncaught", "Throws through a noexcept function: std::terminate, SIGABRT",
            throw_uncaught);
  const std::vector<Parameter> duration{Number{"ms", kForEver, 60'000}};
  add_fault(router, "/fault/spin", "Burns CPU for ms (at most 60000), or for ever without it",
            with_parameters(duration, spin));
  add_fault(router, "/fault/block", "Blocks its thread for ms (at most 60000), or for ever without it",
            with_parameters(duration, hang));
  const std::vector<Parameter> size{Number{"mib", 1, 1024}};
  add_fault(router, "/fault/leak", summary_of("Allocates, touches and never frees.", size),
            with_parameters(size, leak));
}

}  // namespace quartet::app
