#pragma once

#include <csignal>
#include <cstdint>
#include <string_view>

#include "loadtest/pace/engine.h"

// Runs of the engine that are over soon.
namespace quartet::pace {

inline constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// 20 requests within 200 ms over one kept connection.
Plan small_plan(const net::Address& server);
/// 20 requests within 200 ms over a connection each.
Plan fresh_plan(const net::Address& server);

Ledger carry_out(const Plan& plan, std::sig_atomic_t interrupted = 0);

/// How many requests ended so.
std::uint64_t count(const Ledger& ledger, Outcome outcome);

}  // namespace quartet::pace
