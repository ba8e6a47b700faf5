#pragma once

#include <unistd.h>

#include <cstdint>
#include <utility>

namespace quartet::http {

/// A part of an open file that is to be sent as a body. It owns the descriptor and closes it; common/http
/// never reads from it (net::send_output does).
class FileRange {
 public:
  /// @param descriptor open for reading, owned from here on
  /// @param offset, length in bytes, within the file
  FileRange(int descriptor, std::uint64_t offset, std::uint64_t length)
      : descriptor_(descriptor), offset_(offset), length_(length) {}
  FileRange(FileRange&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)), offset_(other.offset_), length_(other.length_) {}
  FileRange& operator=(FileRange&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    offset_ = other.offset_;
    length_ = other.length_;
    return *this;
  }
  ~FileRange() {
    if (descriptor_ >= 0) ::close(descriptor_);  // opened read-only: nothing can be lost
  }

  int descriptor() const { return descriptor_; }
  std::uint64_t offset() const { return offset_; }
  std::uint64_t length() const { return length_; }

  /// The first `count` bytes are sent.
  void advance(std::uint64_t count) {
    offset_ += count;
    length_ -= count;
  }

 private:
  int descriptor_;
  std::uint64_t offset_;
  std::uint64_t length_;
};

}  // namespace quartet::http
