#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/scoreboard/liveness.h"
#include "common/scoreboard/snapshot.h"

namespace quartet::app {

/// One look at a server from outside: what its scoreboard says, and which of its processes live.
struct Look {
  Snapshot snapshot;
  Life server = Life::unknown;
  std::vector<Life> workers = {};  ///< in the order of snapshot.workers; Life::none for a free slot
  bool elsewhere = false;          ///< in another pid namespace, so that all of them are unknown

  bool removed = false;          ///< the file is gone; this is what its memory says
  std::int32_t predecessor = 0;  ///< pid of the server whose file was replaced by this one; 0: none
  std::string trouble = {};      ///< why the file that has taken its place cannot be read; empty: it can
};

/// As quartet-top --json shows it: the snapshot's, with a "life" for the server and for each worker.
nlohmann::ordered_json to_json(const Look& look);

/// Follows a scoreboard file through restarts of its server. Reads only: the server does not notice.
class Watch {
 public:
  /// @throws std::runtime_error in one sentence when the file cannot be read
  explicit Watch(std::filesystem::path file);

  /// Goes over to a new file when there is one. What can go wrong then is in the look.
  /// @throws std::runtime_error in one sentence when somebody has truncated the file
  Look look();

 private:
  void follow();

  std::filesystem::path file_;
  std::unique_ptr<ScoreboardReader> reader_;
  bool removed_ = false;
  std::int32_t predecessor_ = 0;
  std::string trouble_;
};

}  // namespace quartet::app
