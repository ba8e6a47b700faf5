#include "tests/servers/memory_group.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "tests/servers/patience.h"

namespace quartet::suite {
namespace {

namespace fs = std::filesystem;

const fs::path kGroups = "/sys/fs/cgroup";

/// Where this process is in the hierarchy of those controllers (cgroups(7)); "" is that of version 2.
/// @return empty where there is none
std::string place_of(const std::string& controllers) {
  std::ifstream lines("/proc/self/cgroup");
  const auto sought = ":" + controllers + ":/";
  for (std::string line; std::getline(lines, line);) {
    if (const auto at = line.find(sought); at == line.find(':')) return line.substr(at + sought.size() - 1);
  }
  return "";
}

bool put(const fs::path& file, const std::string& value) {
  std::ofstream stream(file);
  stream << value << std::flush;
  return stream.good();
}

}  // namespace

MemoryGroup::MemoryGroup(std::size_t bytes) {
  const auto name = "quartet-" + std::to_string(::getpid());
  const auto limit = std::to_string(bytes);
  const auto first = place_of("memory");
  std::error_code error;
  bool limited = false;
  if (!first.empty()) {
    directory_ = kGroups / "memory" / first.substr(1) / name;
    limited = fs::create_directory(directory_, error) && put(directory_ / "memory.limit_in_bytes", limit);
    put(directory_ / "memory.memsw.limit_in_bytes", limit);  // where swap is counted
  } else if (const auto second = place_of(""); !second.empty()) {
    // Beside ours: a group that has processes may have none with limits in it, the root excepted.
    const auto parent = kGroups / fs::path(second).relative_path().parent_path();
    directory_ = parent / name;
    put(parent / "cgroup.subtree_control", "+memory");  // and stays: others may rely on it by now
    limited = fs::create_directory(directory_, error) && put(directory_ / "memory.max", limit);
    put(directory_ / "memory.swap.max", "0");
  }
  if (!limited) trouble_ = "no control group with a limit of memory can be made here: " + directory_.string();
}

MemoryGroup::~MemoryGroup() {
  const auto is_gone = [&] {  // killed processes take a moment to leave it
    std::error_code error;
    fs::remove(directory_, error);
    return !fs::exists(directory_, error);
  };
  EXPECT_TRUE(directory_.empty() || eventually(is_gone)) << directory_;
}

}  // namespace quartet::suite
