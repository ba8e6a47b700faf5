#pragma once

#include <algorithm>
#include <chrono>

#include "common/http/connection.h"

namespace quartet::app {

/// When a worker that died may be replaced: at once, but those that die in vain one after the other wait
/// longer and longer, up to a second; and when that has gone on for ten seconds it is a crash loop, which no
/// restart will end. A worker has died in vain when it was young and had answered nothing. Time is an
/// argument.
class Backoff {
 public:
  static constexpr std::chrono::milliseconds kYoung{1'000};
  static constexpr std::chrono::milliseconds kFirstPause{100};  ///< before the third one in a row is replaced
  static constexpr std::chrono::milliseconds kLongestPause{1'000};
  static constexpr std::chrono::milliseconds kPatience{10'000};  ///< from the first death in vain
  static constexpr int kMostDeaths = 10;                         ///< at least so many of them

  void on_death(http::TimePoint started, http::TimePoint died, bool answered) {
    const bool in_vain = !answered && died - started < kYoung;
    if (!in_vain) deaths_ = 0;
    if (in_vain && deaths_++ == 0) first_ = died;
    last_ = died;
  }

  bool may_start(http::TimePoint now) const { return now >= last_ + pause(); }
  bool crash_loop() const { return deaths_ >= kMostDeaths && last_ - first_ >= kPatience; }

 private:
  std::chrono::milliseconds pause() const {
    if (deaths_ < 2) return std::chrono::milliseconds(0);
    return std::min(kFirstPause * (1 << std::min(deaths_ - 2, 10)), kLongestPause);
  }

  int deaths_ = 0;  // in vain, in a row
  http::TimePoint first_{};
  http::TimePoint last_{};
};

}  // namespace quartet::app
