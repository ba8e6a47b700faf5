// Faults in memory that the requests of one process share. A fork has a copy of it; threads, coroutines and a
// loop have the thing itself.
#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/faults/fault.h"
#include "common/routes/work.h"

namespace quartet::app {
namespace {

using http::Method;
using http::Outcome;
using http::Request;
using http::Slot;

// --- the cached answer

constexpr std::size_t kLines = 16;
constexpr std::size_t kLine = 64;  // bytes, with the newline

std::string make_answer() {
  std::string text;
  for (std::size_t line = 1; line <= kLines; ++line)
    text += fmt::format("{:.<{}}\n", fmt::format("line {} of {}, made once for all requests ", line, kLines),
                        kLine - 1);
  return text;
}

/// A buffer without a terminating zero: of a size that malloc(3) keeps free chunks of for each thread.
using Buffer = std::unique_ptr<char[]>;
constexpr std::size_t kBuffer = kLines * kLine;
Buffer make_buffer() { return std::make_unique_for_overwrite<char[]>(kBuffer); }

/// An answer in ordinary heap memory, of which every request gets a copy.
class CachedAnswer {
 public:
  CachedAnswer() { std::ranges::copy(make_answer(), buffer_.get()); }

  std::string copy() {
    const std::lock_guard lock(mutex_);
    return {buffer_.get(), kBuffer};
  }

  void overwrite(char with) {
    const std::lock_guard lock(mutex_);
    std::fill_n(buffer_.get(), kBuffer, with);
  }

  /// Moves the answer to a new buffer, as a cache does that is renewed. @return its address
  const char* renew(Buffer fresh) {
    const std::lock_guard lock(mutex_);
    std::copy_n(buffer_.get(), kBuffer, fresh.get());
    buffer_.swap(fresh);
    return buffer_.get();
  }

 private:
  std::mutex mutex_;
  Buffer buffer_ = make_buffer();
};

CachedAnswer& cached_answer() {
  static CachedAnswer answer;
  return answer;
}

Outcome corrupt_shared_state(const Values&) {
  cached_answer().overwrite('!');
  return http::text_response(200, "the cached answer is overwritten");
}

// --- a pointer to what was freed

/// Allocates until malloc(3) hands out the chunk at that address, which it has just been given back. The
/// first try gets it: the chunk is on top of this thread's list. AddressSanitizer holds it back.
Buffer allocate_at(const char* address) {
  std::array<Buffer, 64> others;  // kept until the end, or the same one would come again
  for (Buffer& other : others) {
    if (Buffer buffer = make_buffer(); buffer.get() == address)
      return buffer;
    else
      other = std::move(buffer);
  }
  return make_buffer();
}

/// The data race with those who copy the answer is a part of the fault: ThreadSanitizer must not end the
/// server for it.
[[gnu::noinline, gnu::no_sanitize("thread")]] void write_through(volatile char* pointer) {
  for (std::size_t i = 0; i < kBuffer; ++i) pointer[i] = '?';
}

Outcome use_after_free(const Values&) {
  Buffer session = make_buffer();
  // Volatile, or the compiler sees what happens, and refuses.
  char* volatile dangling = session.get();
  session.reset();
  // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDelete): the purpose
  const bool reused = cached_answer().renew(allocate_at(dangling)) == dangling;
  write_through(dangling);
  if (reused) return http::text_response(200, "wrote to freed memory, where the cached answer is now");
  return http::text_response(500, "wrote to freed memory, which nobody uses");
}

// --- updates without a lock

/// A counter that bursts of increments share, and the sum that it must have when none of them runs.
class Tally {
 public:
  void begin(std::uint64_t increments) {
    const std::lock_guard lock(mutex_);
    if (running_++ == 0) {
      added_ = 0;
      sum_ = counter;
    }
    added_ += increments;
    sum_ += increments;
  }

  struct Result {
    bool known;           ///< no burst runs any longer
    std::uint64_t added;  ///< by all bursts that overlapped
    std::uint64_t lost;   ///< of these
  };
  Result end() {
    const std::lock_guard lock(mutex_);
    if (--running_ > 0) return {.known = false, .added = added_, .lost = 0};
    return {.known = true, .added = added_, .lost = sum_ - counter};
  }

  // Volatile, or load and store become one instruction, which loses nothing on one CPU.
  volatile std::uint64_t counter = 0;

 private:
  std::mutex mutex_;
  std::size_t running_ = 0;
  std::uint64_t added_ = 0;
  std::uint64_t sum_ = 0;
};

/// Loads, works, stores: what others have stored meanwhile is lost. ThreadSanitizer must not end the server
/// for it.
[[gnu::noinline, gnu::no_sanitize("thread")]] void increment(volatile std::uint64_t& counter) {
  constexpr std::uint64_t kYield = 100;
  const std::uint64_t before = counter;
  burn(1);
  if (before % kYield == 0) ::sched_yield();  // on one CPU another burst would seldom get a turn just here
  counter = before + 1;
}

Outcome describe(const Tally::Result& result, std::uint64_t increments) {
  if (!result.known)
    return http::text_response(200, fmt::format("added {}; another burst has not ended yet", increments));
  if (result.lost == 0)
    return http::text_response(200, fmt::format("none of {} updates is lost", result.added));
  return http::text_response(500, fmt::format("lost {} of {} updates", result.lost, result.added));
}

Outcome race(const Values& values) {
  static std::array<Tally, 2> tallies;  // one for each way to guard the counter
  static std::mutex guard;
  const bool guarded = values[0] != 0;
  const std::uint64_t increments = values[1];
  Tally& tally = tallies[values[0]];
  tally.begin(increments);
  for (std::uint64_t i = 0; i < increments; ++i) {
    std::unique_lock lock(guard, std::defer_lock);
    if (guarded) lock.lock();
    increment(tally.counter);
  }
  return describe(tally.end(), increments);
}

}  // namespace

std::vector<Fault> shared_state_faults() {
  return {{"corrupt-shared-state", {}, corrupt_shared_state},
          {"use-after-free", {}, use_after_free},
          {"race", {Choice{"sync", {"none", "mutex"}}, Number{"increments", 6'000, 100'000}}, race}};
}

void add_cached_route(http::Router& router) {
  cached_answer();  // made before any fork
  router.add({{Method::get},
              "/fault/cached",
              "A text that is made once and copied for every request: the victim of two faults",
              false,
              [](const Request&, const Slot&) -> Outcome {
                return http::Response{.body = cached_answer().copy()};
              }});
}

}  // namespace quartet::app
