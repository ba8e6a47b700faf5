#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <vector>

namespace quartet::app {

/// Where a server keeps its scoreboard when nobody names a file: /dev/shm/quartet-PORT.
std::filesystem::path default_scoreboard(int port);

/// A file at such a place.
struct ScoreboardFile {
  std::filesystem::path path;
  std::int64_t unix_seconds;  ///< when its server was started
  bool dead;                  ///< its server is known to have died; those of other containers are not
};

/// All of them that can be read, the latest first.
std::vector<ScoreboardFile> default_scoreboards();

/// A crash leaves its scoreboard behind, for somebody to look at: keeps the latest of the dead and removes
/// the others.
void remove_old_scoreboards(std::size_t keep);

}  // namespace quartet::app
