#pragma once

#include <algorithm>
#include <chrono>
#include <thread>

namespace quartet::suite {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

/// How long a test waits for what must happen: it bounds a failure and times nothing.
inline constexpr std::chrono::milliseconds kPatience = 20s;

/// Polls until the condition holds: what takes longer is asked less often, because most conditions read all
/// of /proc.
/// @return whether it did in time
template <typename Condition>
bool eventually(Condition condition, std::chrono::milliseconds patience = kPatience) {
  const auto begin = Clock::now();
  while (!condition()) {
    const auto waited = Clock::now() - begin;
    if (waited > patience) return false;
    std::this_thread::sleep_for(std::clamp<Clock::duration>(waited / 10, 2ms, 50ms));
  }
  return true;
}

}  // namespace quartet::suite
