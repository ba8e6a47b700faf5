#include "common/app/scoreboard_files.h"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>

#include "common/app/liveness.h"
#include "common/app/number.h"
#include "common/app/scoreboard.h"
#include "common/net/system.h"

namespace quartet::app {
namespace {

constexpr const char* kDirectory = "/dev/shm";
constexpr std::string_view kPrefix = "quartet-";

/// Not a fresh file that is about to take its place.
bool is_default_name(const std::string& name) {
  return name.starts_with(kPrefix) && parse_digits(std::string_view(name).substr(kPrefix.size()));
}

bool is_dead(const Board& board) {
  if (board.pid_namespace == 0 || board.pid_namespace != pid_namespace()) return false;
  const auto started = http::TimePoint(http::TimePoint::duration(board.started));
  return life_of(board.process, {.at_least_old = net::now().steady - started}) == Life::dead;
}

std::optional<ScoreboardFile> look_at(const std::filesystem::path& path) try {
  const ScoreboardReader reader(path);
  return ScoreboardFile{path, reader.board().unix_seconds, is_dead(reader.board())};
} catch (const std::runtime_error&) {
  return std::nullopt;  // somebody else's, or of another version
}

}  // namespace

std::filesystem::path default_scoreboard(int port) {
  return std::filesystem::path(kDirectory) / (std::string(kPrefix) + std::to_string(port));
}

std::vector<ScoreboardFile> default_scoreboards() {
  std::vector<ScoreboardFile> files;
  std::error_code error;  // without the directory there are none
  for (const auto& entry : std::filesystem::directory_iterator(kDirectory, error)) {
    if (!is_default_name(entry.path().filename())) continue;
    if (auto file = look_at(entry.path())) files.push_back(std::move(*file));
  }
  std::ranges::sort(files, std::ranges::greater{}, &ScoreboardFile::unix_seconds);
  return files;
}

void remove_old_scoreboards(std::size_t keep) {
  std::error_code error;  // somebody else was faster, or it is somebody else's
  for (const ScoreboardFile& file : default_scoreboards()) {
    if (!file.dead) continue;
    if (keep > 0) {
      --keep;
    } else {
      std::filesystem::remove(file.path, error);
    }
  }
}

}  // namespace quartet::app
