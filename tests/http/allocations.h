// Counts what is allocated: whoever links allocations.cpp has its operator new and delete.
#pragma once

#include <cstddef>

namespace quartet::test {

/// Since the thread began, whether freed since or not. In bytes: what was asked for.
struct Allocations {
  std::size_t count = 0;
  std::size_t bytes = 0;
};

/// Of this thread: other tests have several.
extern thread_local Allocations allocations;

}  // namespace quartet::test
