#pragma once

#include <cstddef>

namespace quartet::app {

/// Bytes that a jump writes.
inline constexpr std::size_t kJumpTouches = 8 * 1024;

/// Takes `size` bytes of stack in one step and writes "QUARTET!" again and again to those at the far end
/// only.
void jump_unprobed(std::size_t size);
/// The same function, compiled with -fstack-clash-protection: it touches each page that it takes.
void jump_probed(std::size_t size);

}  // namespace quartet::app
