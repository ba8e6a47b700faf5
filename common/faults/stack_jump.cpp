// Compiled twice, with and without -fstack-clash-protection; QUARTET_JUMP is the function's name. Some
// compilers have the option on by default (Ubuntu's), others have not (Debian's).
#include "common/faults/stack_jump.h"

namespace quartet::app {

// Nothing is called while the stack pointer is down there, as ThreadSanitizer would: a call writes, too.
// AddressSanitizer would mark what alloca gives, page by page of its own memory.
[[gnu::noinline, gnu::no_sanitize("address", "thread")]] void QUARTET_JUMP(std::size_t size) {
  constexpr char kPattern[] = {'Q', 'U', 'A', 'R', 'T', 'E', 'T', '!'};
  volatile char* const frame = static_cast<char*>(__builtin_alloca(size));  // the stack grows down
  for (std::size_t i = 0; i < kJumpTouches; ++i) frame[i] = kPattern[i % sizeof kPattern];
}

}  // namespace quartet::app
