#pragma once

#include <csignal>
#include <functional>

#include "loadtest/pace/ledger.h"
#include "loadtest/pace/plan.h"

namespace quartet::pace {

/// Carries out a plan, in this thread. @param interrupted ends the run early once it is not 0; what was
/// measured is kept
/// @param on_open called once all connections are open and those to be held have been served, as far as they
/// ever will; the schedule starts when it returns
/// @throws std::runtime_error in one sentence when the run cannot begin: no server, no descriptors
Ledger run(const Plan& plan, const volatile std::sig_atomic_t& interrupted,
           const std::function<void(const Ledger&)>& on_open = {});

}  // namespace quartet::pace
