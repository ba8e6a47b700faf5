#pragma once

#include <cstdint>

namespace quartet::app {

/// So many units of arithmetic, 10 to 20 us each: a chain of dependent operations (Steele and others,
/// splitmix64), which no compiler shortens and no cache matters to.
/// @param state what earlier units of the chain have led to
inline std::uint64_t mix(std::uint64_t units, std::uint64_t state = 0) {
  constexpr std::uint64_t kRoundsPerUnit = 3000;
  for (std::uint64_t round = units * kRoundsPerUnit; round > 0; --round) {
    state += 0x9e3779b97f4a7c15;
    state = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9;
    state = (state ^ (state >> 27)) * 0x94d049bb133111eb;
    state ^= state >> 31;
  }
  return state;
}

/// The same for its own sake. Volatile at both ends: the compiler can neither drop it nor move it past the
/// volatile accesses around it.
inline void burn(std::uint64_t units) {
  const volatile std::uint64_t amount = units;
  [[maybe_unused]] const volatile std::uint64_t result = mix(amount);
}

}  // namespace quartet::app
