#include "common/routes/memory_map.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <optional>

#include "common/net/fd.h"
#include "common/net/system.h"

namespace quartet::app {
namespace {

/// Takes what comes before the separator off the text, and the separator too.
std::string_view take_until(std::string_view& text, char separator) {
  const std::string_view taken = text.substr(0, text.find(separator));
  text.remove_prefix(std::min(taken.size() + 1, text.size()));
  return taken;
}

std::optional<std::uintptr_t> parse_address(std::string_view text) {
  std::uintptr_t address = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, address, 16);
  if (rest != end || error != std::errc()) return std::nullopt;
  return address;
}

/// "7f0e9c000000-7f0e9c021000 rw-p 00000000 00:00 0    NAME"; the name may be missing, or contain spaces.
std::optional<Region> parse_region(const std::string_view line) {
  std::string_view rest = line;
  const auto begin = parse_address(take_until(rest, '-'));
  const auto end = parse_address(take_until(rest, ' '));
  const std::string_view permissions = take_until(rest, ' ');
  if (!begin || !end || *end <= *begin || permissions.size() != 4) return std::nullopt;
  for (int skipped = 0; skipped < 3; ++skipped) take_until(rest, ' ');  // offset, device, inode
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  return Region{*begin, *end, std::string(permissions), std::string(rest), std::string(line)};
}

}  // namespace

std::vector<Region> parse_maps(std::string_view text) {
  std::vector<Region> regions;
  while (!text.empty()) {
    if (auto region = parse_region(take_until(text, '\n'))) regions.push_back(std::move(*region));
  }
  return regions;
}

std::vector<Region> read_maps() {
  const net::Fd file(net::check(::open("/proc/self/maps", O_RDONLY | O_CLOEXEC), "open /proc/self/maps"));
  std::string text;
  std::array<char, 4096> buffer;  // the kernel gives whole lines, a page of them at most
  for (;;) {
    const auto count = ::read(file.get(), buffer.data(), buffer.size());
    if (count < 0 && net::is_transient(errno)) continue;
    if (net::check(static_cast<int>(count), "read /proc/self/maps") == 0) return parse_maps(text);
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

const Region* find_region(std::span<const Region> regions, std::uintptr_t address) {
  const auto found =
      std::ranges::find_if(regions, [&](const Region& each) { return each.contains(address); });
  return found == regions.end() ? nullptr : &*found;
}

const Region* guard_below(std::span<const Region> regions, const Region& stack) {
  const auto found = std::ranges::find(regions, stack.begin, &Region::end);
  return found != regions.end() && found->permissions == "---p" ? &*found : nullptr;
}

}  // namespace quartet::app
