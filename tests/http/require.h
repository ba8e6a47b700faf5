#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace quartet::test {

/// @throws std::logic_error with the rule that is broken
inline void require(bool condition, std::string_view rule) {
  if (!condition) throw std::logic_error(std::string(rule));
}

}  // namespace quartet::test
