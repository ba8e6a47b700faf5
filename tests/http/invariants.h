#pragma once

#include <string_view>

namespace quartet::test {

/// Plays what one client sends in several ways, which are derived from the bytes alone, and checks that
/// - the answers are well-formed,
/// - they are the same in any number of parts, and when they leave in parts,
/// - a client that half-closes, or falls silent, is rid of in the end, whatever happens in between,
/// besides what Client checks at every step.
/// @throws std::exception with what is wrong
void check_connection(std::string_view bytes);

}  // namespace quartet::test
