#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace quartet::pace {

/// Whether others took the CPU while something was measured: from pressure stall information and from the
/// time that the hypervisor stole.
class Disturbance {
 public:
  Disturbance();

  /// Since the construction, in a sentence; empty when the machine was quiet, or does not tell.
  std::string describe() const;

 private:
  struct Reading {
    std::chrono::steady_clock::time_point time;
    std::chrono::microseconds stalled{0};  ///< "some" of /proc/pressure/cpu
    std::chrono::milliseconds stolen{0};   ///< of /proc/stat, over all CPUs
  };
  static Reading read();

  Reading start_;
};

}  // namespace quartet::pace
