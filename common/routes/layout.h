#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/routes/memory_map.h"

namespace quartet::app {

/// Something of the process, and where it lies.
struct Landmark {
  std::string_view name;     ///< "stack"
  std::string_view meaning;  ///< "a local variable of this handler"
  std::uintptr_t address = 0;
};

/// Who answers, in which address space.
struct Layout {
  pid_t process = 0;
  pid_t thread = 0;
  std::uint32_t worker = 0;
  std::uint32_t generation = 0;
  std::vector<Region> regions;      ///< by address
  std::vector<Landmark> landmarks;  ///< from the highest address to the lowest, each in a region
  std::string no_guard;             ///< why none of them is the guard page; "" when one is

  bool main_thread() const { return thread == process; }
};

/// A line for each landmark, with its line of /proc/self/maps.
std::string layout_text(const Layout& layout);
/// The same as a picture of the address space: HTML that needs nothing else.
std::string layout_page(const Layout& layout);

}  // namespace quartet::app
