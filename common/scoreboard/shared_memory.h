#pragma once

#include <atomic>
#include <cstddef>
#include <string>
#include <utility>

namespace quartet::app {

/// A shared mapping of a file, or of anonymous memory. A file can lose its memory while it is mapped:
/// somebody truncates it, or its file system is full. What has been mapped here reads as zeros then, where
/// any other mapping is a SIGBUS.
class SharedMemory {
 public:
  /// Where lost pages are taken from, and what is said of it.
  struct Spare {
    void* memory = nullptr;  ///< shared, anonymous, as large as the mapping; null: zeros, not shared
    std::atomic<bool>* said = nullptr;  ///< in shared memory: one process says it for all of them
    std::string sentence = {};          ///< a line for stderr
  };

  /// @param descriptor -1: anonymous. @throws std::system_error
  SharedMemory(int descriptor, std::size_t size, int protection);
  ~SharedMemory();
  SharedMemory(SharedMemory&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(other.size_),
        guard_(std::exchange(other.guard_, -1)) {}
  SharedMemory& operator=(SharedMemory&&) = delete;

  void* data() const { return data_; }
  std::size_t size() const { return size_; }

  /// Lost pages are the same ones in all processes that are forked from here on.
  void set_spare(const Spare& spare);
  /// This process has met a page that the file no longer has.
  bool lost() const;

 private:
  void* data_;
  std::size_t size_;
  int guard_ = -1;  // its place among the guarded mappings; -1: none
};

}  // namespace quartet::app
