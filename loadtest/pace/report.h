#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "loadtest/pace/ledger.h"
#include "loadtest/pace/plan.h"
#include "loadtest/pace/summary.h"

namespace quartet::pace {

/// For people: a few lines, each number with its unit.
std::string to_text(const Plan& plan, const Ledger& ledger, const Summary& summary);
/// For programs. Times are in milliseconds, as the names say.
nlohmann::ordered_json to_json(const Plan& plan, const Ledger& ledger, const Summary& summary);

}  // namespace quartet::pace
