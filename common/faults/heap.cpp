// Faults that damage the heap. glibc finds these two and aborts; what it does not find goes on with wrong
// data.
#include <malloc.h>

#include <cstdlib>
#include <new>
#include <vector>

#include "common/faults/fault.h"

namespace quartet::app {
namespace {

using http::Outcome;

/// What the compiler must know nothing about: it warns of what it sees through, and leaves out what it may.
using Block = char* volatile;

char* allocate(std::size_t size) {
  const Block block = static_cast<char*>(std::malloc(size));
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

/// glibc keeps a chunk's size in the eight bytes in front of it, directly behind the block before.
constexpr std::size_t kHeader = 8;

struct Neighbours {
  char* block;
  char* next;
};

/// Two blocks side by side, of many: between the first few may lie blocks of other requests, which must not
/// be the ones that are damaged. AddressSanitizer lets none touch; it is content with any two.
Neighbours allocate_neighbours() {
  constexpr std::size_t kSize = 2000;  // more than glibc keeps for a thread unchecked (tcache: up to 1032)
  constexpr int kMost = 256;
  char* block = allocate(kSize);
  char* next = allocate(kSize);
  for (int i = 2;
       i < kMost && next - block != static_cast<std::ptrdiff_t>(::malloc_usable_size(block) + kHeader); ++i) {
    block = next;  // the one before is leaked: a freed one could come between
    next = allocate(kSize);
  }
  return {block, next};
}

// 'H' in each byte of a size makes one that no chunk has: it is no multiple of 16. Its bits for "mapped" and
// "of another arena" are off, so that free(3) looks at the size before it follows anything.
[[gnu::noinline]] Outcome overflow_heap(const Values&) {
  const auto [block, next] = allocate_neighbours();
  volatile char* bytes = block;  // memset would be checked by _FORTIFY_SOURCE
  const std::size_t size = ::malloc_usable_size(block);
  for (std::size_t i = 0; i < size + kHeader; ++i) bytes[i] = 'H';
  std::free(next);
  return http::text_response(500, "freed a block without a header, and nobody noticed");
}

// Nothing is allocated in between, or the second free would be a legal one of somebody else's block. The
// first puts the block into this thread's own list, where the second finds it.
[[gnu::noinline]] Outcome free_twice(const Values&) {
  const Block block = allocate(64);
  std::free(block);
  std::free(block);  // NOLINT(clang-analyzer-unix.Malloc): the purpose
  return http::text_response(500, "freed a block twice, and nobody noticed");
}

}  // namespace

std::vector<Fault> heap_faults() {
  return {{"heap-overflow", {}, overflow_heap}, {"double-free", {}, free_twice}};
}

}  // namespace quartet::app
