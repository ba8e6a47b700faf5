#include "common/http/slot.h"

#include <algorithm>
#include <cstring>

namespace quartet::http {

void FlightRecord::begin(std::string_view method, std::string_view target, TimePoint since) {
  std::array<char, kBytes + sizeof(std::uint64_t)> line;
  char* end = std::copy(method.begin(), method.end(), line.begin());
  *end++ = ' ';
  const auto room = static_cast<std::size_t>(line.begin() + kBytes - end);
  end = std::copy_n(target.begin(), std::min(target.size(), room), end);
  std::fill_n(end, sizeof(std::uint64_t), '\0');  // ends the text in its last word, or in the next
  Words words;
  std::memcpy(words.data(), line.data(), sizeof words);
  store(words, static_cast<std::size_t>(end - line.begin()) / sizeof(std::uint64_t) + 1);
  since_.store(since.time_since_epoch().count(), std::memory_order_release);
}

// Each store is a release: a reader that sees a new word also sees that the old entry has ended.
void FlightRecord::store(const Words& words, std::size_t count) {
  for (std::size_t i = 0; i < std::min(count, words.size()); ++i)
    text_[i].store(words[i], std::memory_order_release);
}

FlightRecord::Words FlightRecord::load() const {
  Words words;
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = text_[i].load(std::memory_order_acquire);
  return words;
}

std::optional<FlightRecord::Entry> FlightRecord::read() const {
  constexpr int kAttempts = 10;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto since = since_.load(std::memory_order_acquire);
    if (since == 0) return std::nullopt;
    const Words words = load();
    if (since_.load(std::memory_order_relaxed) != since) continue;
    const auto* text = reinterpret_cast<const char*>(words.data());
    return Entry{std::string(text, strnlen(text, kBytes)), TimePoint(TimePoint::duration(since))};
  }
  return std::nullopt;
}

std::uint64_t Slot::open(std::size_t phase) const {
  const auto away = departed[phase].load(std::memory_order_relaxed);
  const auto counted = gauges[phase].load(std::memory_order_relaxed);
  return counted > away ? counted - away : 0;
}

void FlightRecord::copy(const FlightRecord& other) {
  end();
  const Words words = other.load();
  store(words, words.size());
  since_.store(other.since_.load(std::memory_order_relaxed), std::memory_order_release);
}

}  // namespace quartet::http
