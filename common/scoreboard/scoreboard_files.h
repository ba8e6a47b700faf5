#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "common/net/listener.h"

namespace quartet::app {

/// Where a server keeps its scoreboard when nobody names a file: /dev/shm/quartet-PORT on 127.0.0.1 and on
/// the addresses that mean all of them (0.0.0.0, ::), and /dev/shm/quartet-PORT-ADDRESS on any other one.
std::filesystem::path default_scoreboard(const net::Address& address);

/// A file at such a place.
struct ScoreboardFile {
  std::filesystem::path path;
  std::int64_t unix_seconds;  ///< when its server was started
  bool dead;                  ///< its server is known to have died; those of other containers are not
};

/// All of them that can be read, the latest first.
std::vector<ScoreboardFile> default_scoreboards();

/// A crash leaves its scoreboard behind, for somebody to look at: keeps the latest of the dead and removes
/// the others, and empty ones: what is left when somebody has truncated one. Files in use are left alone.
void remove_old_scoreboards(std::size_t keep);

}  // namespace quartet::app
