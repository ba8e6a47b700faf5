#pragma once

#include <boost/context/fiber.hpp>
#include <boost/context/stack_context.hpp>
#include <cstddef>
#include <functional>
#include <mutex>
#include <vector>

#include "common/routes/user_scheduler.h"

namespace quartet {

/// Stacks of one size, cut from larger mappings: below each lies another one. A page of it is in memory once
/// it was touched.
class Stacks {
 public:
  /// @param size of each, in bytes; rounded up to whole pages
  /// @param guarded the lowest page of each cannot be touched: who leaves a stack by small steps is ended by
  /// SIGSEGV. Otherwise he writes into the stack below, and nobody notices
  Stacks(std::size_t size, bool guarded);
  ~Stacks();
  Stacks(const Stacks&) = delete;
  Stacks& operator=(const Stacks&) = delete;

  /// @throws std::bad_alloc
  boost::context::stack_context allocate();
  void deallocate(const boost::context::stack_context& stack) noexcept;
  std::size_t size() const { return size_; }
  /// Bytes at the low end of a stack that nobody may touch.
  std::size_t guard() const { return guard_; }

 private:
  void map_more();

  const std::size_t size_;
  const std::size_t guard_;
  std::mutex mutex_;
  std::vector<boost::context::stack_context> warm_;  // free, and used before
  std::vector<boost::context::stack_context> cold_;  // free, and without memory
  std::vector<void*> mappings_;
};

/// A computation on a stack of its own, which can be suspended and resumed: by a call, without the kernel.
/// Code that suspends may go on in another thread. So it must not keep the address of anything thread-local,
/// and a compiler may keep that of errno, which it takes for a constant within a function: what looks at
/// errno is a function of its own (no inlining), which does not suspend.
class Context {
 public:
  Context() = default;
  Context(const Context&) = delete;  // the computation refers to it
  Context& operator=(const Context&) = delete;

  /// For a new computation, or after one has ended. It begins with resume(). @throws std::bad_alloc
  /// @param body must not throw
  void prepare(Stacks& stacks, std::function<void()> body);
  /// Goes on with the computation. Returns when it suspends or ends.
  void resume();
  /// Called by the computation.
  void suspend();
  bool ended() const { return !inside_; }
  app::Stack stack() const;

 private:
  /// What a sanitizer wants to know before and after each change of stacks.
  struct Notes {
    void* fake_stack = nullptr;
    const void* lowest = nullptr;  ///< of the stack of whoever resumed
    std::size_t size = 0;
    void* thread = nullptr;
    void* outside = nullptr;
  };
  void arrive();

  boost::context::fiber inside_;   // while it is suspended
  boost::context::fiber outside_;  // who has resumed it
  boost::context::stack_context stack_;
  std::size_t guard_ = 0;
  Notes notes_;
};

}  // namespace quartet
