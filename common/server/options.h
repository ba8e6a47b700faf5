#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "common/http/limits.h"
#include "common/net/listener.h"
#include "common/server/model.h"

namespace quartet::app {

/// What workers do when their parent has died.
enum class Orphans : std::uint8_t { drain, serve };

/// What the command line (or QUARTET_*) says. The same in every server.
struct Options {
  net::Address listen{"127.0.0.1", 8080};
  Mode mode;                                    ///< of the model
  std::size_t workers = 1;                      ///< processes, threads or loops
  std::map<std::string_view, std::string> own;  ///< the model's own: "--listen-mode", "shared"
  std::map<std::string_view, std::size_t> own_numbers;
  http::Limits limits;
  std::filesystem::path root;  ///< of /file/; empty: none
  std::size_t ballast = 0;     ///< MiB of touched memory that the parent holds
  bool enable_faults = false;
  std::filesystem::path scoreboard;                        ///< its file; empty: /dev/shm/quartet-PORT
  bool supervise = false;                                  ///< a parent restarts the server when it dies
  std::size_t max_requests_per_worker = http::kUnlimited;  ///< then a worker process is replaced
  Orphans orphans = Orphans::drain;
};

/// Reads the command line, then the environment for what it does not say.
/// @return the options; or exits: 0 after --help, --version and --describe, 2 with one sentence for a usage
/// error
Options parse_options(int argc, char** argv, const Model& model);

}  // namespace quartet::app
