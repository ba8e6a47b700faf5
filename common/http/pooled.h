#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace quartet::http {

/// Empties a buffer; a rare huge one does not stay in the pool.
inline void recycle(std::string& buffer) {
  constexpr std::size_t kKeptCapacity = 256 * 1024;
  if (buffer.capacity() > kKeptCapacity) buffer = {};
  buffer.clear();
}

/// Holds a T only while it is in use, taken from a free list of the thread. Thus a busy connection allocates
/// nothing and an idle one holds nothing. T needs a free function recycle(T&) that empties it and gives up
/// excessive memory.
template <typename T>
class Pooled {
 public:
  Pooled() = default;
  Pooled(Pooled&&) noexcept = default;
  Pooled& operator=(Pooled&&) noexcept = default;
  ~Pooled() { release(); }

  explicit operator bool() const { return value_ != nullptr; }
  const T& operator*() const { return *value_; }
  T* operator->() { return value_.get(); }
  const T* operator->() const { return value_.get(); }

  /// The value, taken from the pool when there is none yet.
  T& take() {
    if (value_) return *value_;
    auto& pool = free_list();
    if (pool.empty()) {
      value_ = std::make_unique<T>();
    } else {
      value_ = std::move(pool.back());
      pool.pop_back();
    }
    return *value_;
  }

  void release() {
    if (!value_) return;
    auto& pool = free_list();
    if (pool.size() == kKept) return value_.reset();
    recycle(*value_);
    pool.push_back(std::move(value_));
  }

 private:
  static constexpr std::size_t kKept = 64;

  static std::vector<std::unique_ptr<T>>& free_list() {
    static thread_local auto list = [] {
      std::vector<std::unique_ptr<T>> empty;
      empty.reserve(kKept);
      return empty;
    }();
    return list;
  }

  std::unique_ptr<T> value_;
};

}  // namespace quartet::http
