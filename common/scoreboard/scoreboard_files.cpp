#include "common/scoreboard/scoreboard_files.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/file.h>

#include <algorithm>
#include <array>
#include <optional>
#include <stdexcept>
#include <string>

#include "common/net/fd.h"
#include "common/program/number.h"
#include "common/scoreboard/scoreboard.h"

namespace quartet::app {
namespace {

constexpr const char* kDirectory = "/dev/shm";
constexpr std::string_view kPrefix = "quartet-";

/// The one way to write an address; empty for what is none.
std::string canonical(const std::string& host) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  for (const int family : {AF_INET, AF_INET6}) {
    in6_addr address{};  // the larger one
    if (inet_pton(family, host.c_str(), &address) == 1)
      return inet_ntop(family, &address, text.data(), text.size());
  }
  return "";
}

/// Not a fresh file that is about to take its place.
bool is_default_name(const std::string& name) {
  if (!name.starts_with(kPrefix)) return false;
  const auto dash = name.find('-', kPrefix.size());
  const auto port = std::string_view(name).substr(kPrefix.size(), dash - kPrefix.size());
  return parse_digits(port) && (dash == std::string::npos || !canonical(name.substr(dash + 1)).empty());
}

/// The default files, whoever made them.
std::vector<std::filesystem::path> default_paths() {
  std::vector<std::filesystem::path> paths;
  std::error_code error;  // without the directory there are none
  for (const auto& entry : std::filesystem::directory_iterator(kDirectory, error))
    if (is_default_name(entry.path().filename())) paths.push_back(entry.path());
  return paths;
}

/// What is left of a scoreboard that somebody has truncated.
bool is_truncated(const std::filesystem::path& path) {
  std::error_code error;
  return is_regular_file(symlink_status(path, error)) && file_size(path, error) == 0;
}

std::optional<ScoreboardFile> look_at(const std::filesystem::path& path) try {
  const ScoreboardReader reader(path);
  return ScoreboardFile{path, reader.board().unix_seconds, is_dead(reader.board())};
} catch (const std::runtime_error&) {
  return std::nullopt;  // of another user, or of another version
}

/// Leaves it alone if a server uses it. Fails, unseen, if it belongs to another user, or is gone already.
void remove_unused(const std::filesystem::path& path) {
  const net::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (file && ::flock(file.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) return;
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
}

}  // namespace

std::filesystem::path default_scoreboard(const net::Address& address) {
  const auto host = canonical(address.host);
  const bool usual = host.empty() || host == "127.0.0.1" || host == "0.0.0.0" || host == "::";
  return fmt::format("{}/{}{}{}", kDirectory, kPrefix, address.port, usual ? "" : "-" + host);
}

std::vector<ScoreboardFile> default_scoreboards() {
  std::vector<ScoreboardFile> files;
  for (const auto& path : default_paths())
    if (auto file = look_at(path)) files.push_back(std::move(*file));
  std::ranges::sort(files, std::ranges::greater{}, &ScoreboardFile::unix_seconds);
  return files;
}

void remove_old_scoreboards(std::size_t keep) {
  for (const auto& path : default_paths())
    if (is_truncated(path)) remove_unused(path);
  for (const ScoreboardFile& file : default_scoreboards()) {
    if (!file.dead) continue;
    if (keep > 0) {
      --keep;
    } else {
      remove_unused(file.path);
    }
  }
}

}  // namespace quartet::app
