#include "tests/http/allocations.h"

#include <cstdlib>
#include <new>

namespace quartet::test {

thread_local Allocations allocations;

namespace {

/// @return nullptr where there is no memory
void* try_to_allocate(std::size_t size) {
  ++allocations.count;
  allocations.bytes += size;
  return std::malloc(size == 0 ? 1 : size);
}

void* allocate(std::size_t size) {
  if (void* memory = try_to_allocate(size)) return memory;
  throw std::bad_alloc();
}

}  // namespace
}  // namespace quartet::test

using quartet::test::allocate, quartet::test::try_to_allocate;

void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
// A library's own would be AddressSanitizer's there, which asks that its own delete frees it.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return try_to_allocate(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return try_to_allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
