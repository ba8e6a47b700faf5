#pragma once

#include <string>

#include "common/program/command_line.h"
#include "loadtest/pace/plan.h"

namespace quartet::pace {

/// What the command line says.
struct Options {
  Plan plan;
  std::string json;       ///< file, "-" for stdout; empty: none
  std::string records;    ///< file; empty: none
  std::string histogram;  ///< file; empty: none
  bool announce = false;  ///< a line on stdout when all connections are open
};

using app::UsageError;

/// Exits with 0 after --help and --version. @throws UsageError
Options parse_options(int argc, const char* const* argv);

}  // namespace quartet::pace
