// Recursion without a stack: each level of a coroutine is a frame on the heap, and no guard page is ever met.
#include <fmt/format.h>

#include <coroutine>
#include <cstdint>
#include <exception>
#include <new>
#include <utility>

#include "common/faults/fault.h"

namespace quartet::app {
namespace {

using http::Outcome;

/// Resumes one coroutine after the other. Did they resume each other, each would stand on the stack of the
/// one before it, unless the compiler makes tail calls: it makes none in a debug build.
struct Trampoline {
  std::coroutine_handle<> next;
  std::uint64_t frame_bytes = 0;  ///< of all frames that there were

  void run() {
    while (next) std::exchange(next, nullptr).resume();
  }
};

/// A call that is a coroutine. It owns its frame, and runs when it is awaited.
class Level {
 public:
  struct Promise {
    /// Called with the size of the frame, and with what the coroutine is called with.
    static void* operator new(std::size_t size, Trampoline& trampoline, std::uint64_t) noexcept {
      trampoline.frame_bytes += size;
      return ::operator new(size, std::nothrow);
    }
    static void operator delete(void* frame) { ::operator delete(frame); }
    /// Not an exception: it would be thrown anew in each of a million levels.
    static Level get_return_object_on_allocation_failure() { return Level(nullptr); }

    Promise(Trampoline& runs_on, std::uint64_t) : trampoline(runs_on) {}
    Level get_return_object() { return Level(Handle::from_promise(*this)); }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept {
      trampoline.next = caller;
      return {};
    }
    void return_value(std::uint64_t value) { depth = value; }
    void unhandled_exception() { std::terminate(); }  // nothing throws here

    Trampoline& trampoline;
    std::coroutine_handle<> caller;
    std::uint64_t depth = 0;
  };
  using promise_type = Promise;  // the name that the language looks for
  using Handle = std::coroutine_handle<Promise>;

  explicit Level(Handle handle) : handle_(handle) {}
  Level(Level&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Level& operator=(Level&&) = delete;
  ~Level() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const { return !handle_; }
  void await_suspend(std::coroutine_handle<> caller) {
    handle_.promise().caller = caller;
    handle_.promise().trampoline.next = handle_;
  }
  /// How many levels there were, this one included; 0 when it found no memory.
  std::uint64_t await_resume() const { return handle_ ? handle_.promise().depth : 0; }

  std::uint64_t run() {
    if (await_ready()) return 0;
    await_suspend(nullptr);
    handle_.promise().trampoline.run();
    return await_resume();
  }

 private:
  Handle handle_;
};

Level descend(Trampoline& trampoline, std::uint64_t levels) {  // NOLINT(misc-no-recursion): the purpose
  if (levels <= 1) co_return levels;
  co_return 1 + co_await descend(trampoline, levels - 1);
}

Outcome recurse_in_coroutines(const Values& values) {
  Trampoline trampoline;
  const std::uint64_t depth = descend(trampoline, values[0]).run();
  if (depth < values[0]) throw std::bad_alloc();
  return http::text_response(
      200, fmt::format("{} levels deep: {} bytes of frames on the heap", depth, trampoline.frame_bytes));
}

}  // namespace

std::vector<Fault> coroutine_faults() {
  // So many functions would need more than a stack of 8 MiB: each takes at least 16 bytes on x86-64 and
  // arm64.
  return {{"coroutine-recursion", {Number{"depth", 600'000, 2'000'000}}, recurse_in_coroutines}};
}

}  // namespace quartet::app
