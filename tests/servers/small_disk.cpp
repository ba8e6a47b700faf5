#include "tests/servers/small_disk.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace quartet::suite {

namespace {

std::filesystem::path directory_of_its_own() {
  return std::filesystem::path(testing::TempDir()) / ("small_disk." + std::to_string(::getpid()));
}

}  // namespace

SmallDisk::SmallDisk(std::size_t bytes) : SmallDisk(bytes, directory_of_its_own()) {}

SmallDisk::SmallDisk(std::size_t bytes, std::filesystem::path over)
    : directory_(std::move(over)), is_ours_(std::filesystem::create_directory(directory_)) {
  const auto size = "size=" + std::to_string(bytes);
  const bool mounted = ::unshare(CLONE_NEWNS) == 0 &&
                       ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                       ::mount("none", directory_.c_str(), "tmpfs", 0, size.c_str()) == 0;
  if (!mounted) trouble_ = std::string("no small disk can be mounted here: ") + std::strerror(errno);
}

SmallDisk::~SmallDisk() {
  if (trouble_.empty()) ::umount2(directory_.c_str(), MNT_DETACH);
  if (!is_ours_) return;
  std::error_code ignored;
  std::filesystem::remove(directory_, ignored);
}

}  // namespace quartet::suite
