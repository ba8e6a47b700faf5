#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

namespace quartet::suite {

/// A control group with a limit of memory: whoever enters it meets the kernel's OOM killer there. It must be
/// empty when this ends. Mostly needs root.
class MemoryGroup {
 public:
  explicit MemoryGroup(std::size_t bytes);
  ~MemoryGroup();
  MemoryGroup(const MemoryGroup&) = delete;
  MemoryGroup& operator=(const MemoryGroup&) = delete;

  /// Why there is none; empty: there is.
  const std::string& trouble() const { return trouble_; }
  /// A line of bash that enters it.
  std::string enter() const { return "echo $$ > '" + (directory_ / "cgroup.procs").string() + "'"; }

 private:
  std::filesystem::path directory_;
  std::string trouble_;
};

}  // namespace quartet::suite
