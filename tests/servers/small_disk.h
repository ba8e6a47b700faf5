#pragma once

#include <filesystem>
#include <string>

namespace quartet::suite {

/// A file system with little room, seen by this process and those that it starts from here on. Needs root.
class SmallDisk {
 public:
  explicit SmallDisk(std::size_t bytes);
  /// It hides what is in that directory.
  SmallDisk(std::size_t bytes, std::filesystem::path over);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  /// Why there is none; empty: there is.
  const std::string& trouble() const { return trouble_; }
  std::string file(const std::string& name) const { return directory_ / name; }

 private:
  const std::filesystem::path directory_;
  const bool is_ours_;  ///< the directory
  std::string trouble_;
};

}  // namespace quartet::suite
