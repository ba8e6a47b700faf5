#pragma once

#include <chrono>
#include <thread>

namespace quartet::suite {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

/// How long a test waits for what must happen: it bounds a failure and times nothing.
inline constexpr std::chrono::milliseconds kPatience = 20s;

/// Polls until the condition holds. @return whether it did in time
template <typename Condition>
bool eventually(Condition condition, std::chrono::milliseconds patience = kPatience) {
  const auto end = Clock::now() + patience;
  while (!condition()) {
    if (Clock::now() > end) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

}  // namespace quartet::suite
