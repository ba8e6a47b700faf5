#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace quartet::pace {

/// A queue in one piece of memory, which grows when it must: no allocation while its length stays below what
/// it has been.
template <typename T>
class Ring {
 public:
  explicit Ring(std::size_t capacity) : places_(capacity < 1 ? 1 : capacity) {}

  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  const T& front() const { return places_[begin_]; }

  void push(T value) {
    if (size_ == places_.size()) grow();
    places_[(begin_ + size_) % places_.size()] = std::move(value);
    ++size_;
  }

  T pop() {
    T value = std::move(places_[begin_]);
    begin_ = (begin_ + 1) % places_.size();
    --size_;
    return value;
  }

 private:
  void grow() {
    std::vector<T> larger(2 * places_.size());
    for (std::size_t i = 0; i < size_; ++i) larger[i] = std::move(places_[(begin_ + i) % places_.size()]);
    places_ = std::move(larger);
    begin_ = 0;
  }

  std::vector<T> places_;
  std::size_t begin_ = 0;
  std::size_t size_ = 0;
};

}  // namespace quartet::pace
