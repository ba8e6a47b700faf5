#pragma once

#include <string>
#include <string_view>

namespace quartet::pace {

/// The last response that was good, as bytes. A server mostly answers one request with the same ones, until
/// its Date changes: a response that begins with all of them is the same response, and needs no parser. It
/// has to be one that answers the same request, that says itself where it ends, and that keeps the
/// connection.
class KnownResponse {
 public:
  KnownResponse() { bytes_.reserve(kLongest); }

  /// How many of the bytes are the known response; 0: they begin with another one, or with a part of it.
  std::size_t match(std::string_view bytes) const {
    return !bytes_.empty() && bytes.starts_with(bytes_) ? bytes_.size() : 0;
  }
  /// Allocates nothing. What is too long to be compared cheaply is not learned.
  void learn(std::string_view bytes) {
    if (bytes.size() <= kLongest) bytes_.assign(bytes);
  }

 private:
  static constexpr std::size_t kLongest = 4096;

  std::string bytes_;
};

}  // namespace quartet::pace
