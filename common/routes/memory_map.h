#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quartet::app {

/// A line of /proc/PID/maps (proc(5)): the addresses from `begin` to before `end`.
struct Region {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
  std::string permissions;  ///< "rw-p"
  std::string name;         ///< a file, "[stack]", or "" for memory without a name
  std::string line;         ///< all of it

  std::uintptr_t size() const { return end - begin; }
  bool contains(std::uintptr_t address) const { return begin <= address && address < end; }
};

/// In the kernel's order, by address. Leaves out lines that are none of the kernel's.
std::vector<Region> parse_maps(std::string_view text);
/// The calling process's. @throws std::system_error when they cannot be read
std::vector<Region> read_maps();

/// Null where nothing is mapped.
const Region* find_region(std::span<const Region> regions, std::uintptr_t address);
/// The region that nobody may touch directly below this one, as pthread_create(3) puts it below a stack; or
/// null.
const Region* guard_below(std::span<const Region> regions, const Region& stack);

}  // namespace quartet::app
