// Faults of a stack: it is finite, and who leaves it by small steps is caught by a guard page. Who jumps is
// not.
#include <fmt/format.h>
#include <pthread.h>
#include <unistd.h>

#include <cstdint>
#include <system_error>

#include "common/faults/fault.h"
#include "common/faults/stack_jump.h"
#include "common/net/system.h"
#include "common/routes/user_scheduler.h"

namespace quartet::app {
namespace {

using http::Outcome;

constexpr std::size_t kFrame = 1024;
/// A stack without a limit must not take all memory.
constexpr std::uint64_t kMostFrames = (std::uint64_t{1} << 30) / kFrame;

// The frame is looked at after the call: with a tail call, or if the frame were not needed, the compiler
// would make a loop of it. AddressSanitizer, where it may handle SIGSEGV, says stack-overflow and exits.
[[gnu::noinline]] std::uint64_t recurse(std::uint64_t frames) {  // NOLINT(misc-no-recursion): the purpose
  volatile char frame[kFrame];
  frame[frames % kFrame] = 1;
  const std::uint64_t below = frames == 0 ? 0 : recurse(frames - 1);
  return below + static_cast<std::uint64_t>(frame[frames % kFrame]);
}

Outcome overflow_stack(const Values&) {
  return http::text_response(500, fmt::format("{} frames of {} bytes fit", recurse(kMostFrames), kFrame));
}

Stack own_stack() {
  if (user_scheduler != nullptr) return user_scheduler->stack();
  pthread_attr_t attributes;
  const int error = ::pthread_getattr_np(::pthread_self(), &attributes);
  if (error != 0) throw std::system_error(error, std::generic_category(), "pthread_getattr_np");
  void* address = nullptr;
  std::size_t size = 0;
  Stack stack;
  // Of valid arguments these three cannot fail.
  ::pthread_attr_getstack(&attributes, &address, &size);
  ::pthread_attr_getguardsize(&attributes, &stack.guard);
  ::pthread_attr_destroy(&attributes);
  stack.lowest = reinterpret_cast<std::uintptr_t>(address);
  // The main thread's has no guard page. The kernel lets nothing else be mapped 256 pages below it.
  if (stack.guard == 0) stack.guard = 256 * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return stack;
}

Outcome jump(const Values& values) {
  const Stack stack = own_stack();
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  const std::size_t size = here - stack.lowest + stack.guard + kJumpTouches;
  (values[0] == 0 ? jump_unprobed : jump_probed)(size);
  return http::text_response(200, fmt::format("a frame of {} bytes: wrote {} bytes below the guard of {}",
                                              size, kJumpTouches, stack.guard));
}

}  // namespace

std::vector<Fault> stack_faults() {
  return {{"stack-overflow", {}, overflow_stack}, {"stack-jump", {Choice{"probes", {"off", "on"}}}, jump}};
}

}  // namespace quartet::app
