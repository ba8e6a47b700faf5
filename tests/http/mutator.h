#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/http/corpus.h"

namespace quartet::test {

/// SplitMix64: the same numbers on every machine, which the distributions of <random> do not promise.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t mixed = state_ += 0x9e3779b97f4a7c15;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    return mixed ^ (mixed >> 31);
  }
  /// 0 to bound - 1; 0 for a bound of 0.
  std::size_t below(std::size_t bound) { return bound == 0 ? 0 : static_cast<std::size_t>(next() % bound); }
  template <typename T>
  const T& one_of(const std::vector<T>& choices) {
    return choices[below(choices.size())];
  }

 private:
  std::uint64_t state_;
};

/// FNV-1a: an input decides by itself how it is played, so that plain bytes serve as seeds, and a finding
/// repeats.
inline std::uint64_t hash(std::string_view bytes) {
  std::uint64_t result = 0xcbf29ce484222325;
  for (const char byte : bytes) result = (result ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  return result;
}

/// Longer inputs are not played byte by byte: that takes too long.
inline constexpr std::size_t kMostSingleBytes = 400;

/// Spoils requests: truncates them, flips bits, moves, repeats and drops parts, inserts what parsers trip
/// over. The same seed gives the same requests. Most of them are malformed; what happens to be well-formed is
/// still no original.
class Mutator {
 public:
  /// @param originals not empty
  Mutator(std::vector<std::string> originals, std::uint64_t seed)
      : originals_(std::move(originals)), random_(seed) {}

  /// One to three mutations of one original; never empty.
  std::string next() {
    const std::string& original = random_.one_of(originals_);
    std::string bytes = original;
    for (std::size_t left = 1 + random_.below(3); left > 0; --left) mutate(bytes);
    return bytes.empty() || bytes == original ? next() : bytes;
  }

 private:
  using Mutation = void (Mutator::*)(std::string&);

  void mutate(std::string& bytes) {
    static constexpr std::array<Mutation, 8> kMutations{
        &Mutator::truncate, &Mutator::flip_bit,  &Mutator::drop,   &Mutator::repeat,
        &Mutator::insert,   &Mutator::overwrite, &Mutator::splice, &Mutator::break_line_end};
    (this->*kMutations[random_.below(kMutations.size())])(bytes);
  }

  void truncate(std::string& bytes) { bytes.resize(random_.below(bytes.size())); }
  void flip_bit(std::string& bytes) {
    if (bytes.empty()) return;
    char& byte = bytes[random_.below(bytes.size())];
    byte = static_cast<char>(byte ^ (1 << random_.below(8)));
  }
  void drop(std::string& bytes) {
    const auto [at, count] = range(bytes);
    bytes.erase(at, count);
  }
  void repeat(std::string& bytes) {
    const auto [at, count] = range(bytes);
    bytes.insert(at, bytes.substr(at, count));
  }
  void insert(std::string& bytes) { bytes.insert(random_.below(bytes.size() + 1), trap()); }
  void overwrite(std::string& bytes) {
    const auto [at, count] = range(bytes);
    bytes.replace(at, count, trap());
  }
  void splice(std::string& bytes) {
    const auto& other = random_.one_of(originals_);
    bytes = bytes.substr(0, random_.below(bytes.size() + 1)) + other.substr(random_.below(other.size() + 1));
  }
  void break_line_end(std::string& bytes) {
    const auto at = bytes.find("\r\n", random_.below(bytes.size() + 1));
    if (at != std::string::npos) bytes.erase(at + random_.below(2), 1);
  }

  /// Up to 16 bytes of it: position and length.
  std::pair<std::size_t, std::size_t> range(std::string_view bytes) {
    const auto at = random_.below(bytes.size());
    return {at, std::min(bytes.size() - at, 1 + random_.below(16))};
  }

  std::string trap() {
    using namespace std::string_literals;
    static const std::vector<std::string> kTraps{"\0"s,
                                                 "\r",
                                                 "\n",
                                                 "\r\n",
                                                 "\r\n\r\n",
                                                 "\t",
                                                 " ",
                                                 ":",
                                                 ",",
                                                 ";",
                                                 "\"",
                                                 "%",
                                                 "#",
                                                 "\x7f",
                                                 "\x80",
                                                 "\xff",
                                                 "0",
                                                 "-1",
                                                 "18446744073709551616",
                                                 "FFFFFFFFFFFFFFFF",
                                                 "HTTP/2.0",
                                                 "\r\nContent-Length: 7",
                                                 "\r\nTransfer-Encoding: chunked",
                                                 "\r\nConnection: close",
                                                 "\r\nExpect: 100-continue",
                                                 std::string(300, 'a')};
    return random_.one_of(kTraps);
  }

  std::vector<std::string> originals_;
  Random random_;
};

/// `count` spoiled requests made from the corpus.
inline std::vector<std::string> malformed_requests(std::size_t count, std::uint64_t seed) {
  std::vector<std::string> originals;
  for (const auto& conversation : corpus()) originals.push_back(conversation.bytes);
  Mutator mutator(std::move(originals), seed);
  std::vector<std::string> requests;
  std::generate_n(std::back_inserter(requests), count, [&mutator] { return mutator.next(); });
  return requests;
}

}  // namespace quartet::test
