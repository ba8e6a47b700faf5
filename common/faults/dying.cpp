// Faults that end a process, or would if nobody caught them.
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>

#include "common/faults/fault.h"

namespace quartet::app {
namespace {

using http::Outcome;

// The pointer is volatile, or the compiler turns the store into a trap (SIGILL); UBSan would report it first
// and exit.
[[gnu::noinline, gnu::no_sanitize("undefined")]] Outcome segv(const Values&) {
  int* volatile nowhere = nullptr;
  *nowhere = 1;  // NOLINT(clang-analyzer-core.NullDereference): the purpose
  return http::text_response(500, "wrote to address 0 and survived");
}

Outcome abort_process(const Values&) { std::abort(); }

// Not exit(3): it would run the destructors of statics under the feet of other threads, and in a forked
// process end what belongs to the parent. And never another status: 64 and 65 of a process per request are
// words to its parent.
Outcome exit_process(const Values&) { ::_exit(1); }

Outcome throw_error(const Values&) { throw std::runtime_error("as asked for"); }

// Behind a noexcept nobody can catch it, not even run().
// NOLINTNEXTLINE(bugprone-exception-escape): the purpose
Outcome throw_uncaught(const Values& values) noexcept { return throw_error(values); }

}  // namespace

std::vector<Fault> dying_faults() {
  return {{"segv", {}, segv},
          {"abort", {}, abort_process},
          {"exit", {}, exit_process},
          {"throw", {}, throw_error},
          {"throw-uncaught", {}, throw_uncaught}};
}

}  // namespace quartet::app
