#pragma once

#include <string>

#include "common/server/model.h"

namespace quartet::app {

/// What --describe prints: a model's facts as JSON, for programs. See servers/README.md.
std::string describe(const Model& model);

}  // namespace quartet::app
