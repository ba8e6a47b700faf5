#include "tests/pace/small_run.h"

#include <string>

namespace quartet::pace {

using namespace std::chrono_literals;

Plan small_plan(const net::Address& server) {
  Plan plan;
  plan.server = server;
  plan.hold_request = kRequest;
  plan.duration = 200ms;
  plan.timeout = plan.grace = 20s;
  plan.lanes.push_back({.name = "requests",
                        .target = "/",
                        .request = std::string(kRequest),
                        .arrivals = {.rate = 100, .last_rate = 100, .duration = plan.duration},
                        .connections = 1,
                        .expected_body = {}});
  return plan;
}

Plan fresh_plan(const net::Address& server) {
  auto plan = small_plan(server);
  plan.lanes[0].fresh = true;
  return plan;
}

Ledger carry_out(const Plan& plan, std::sig_atomic_t interrupted) {
  const volatile std::sig_atomic_t flag = interrupted;
  return run(plan, flag);
}

std::uint64_t count(const Ledger& ledger, Outcome outcome) {
  std::uint64_t sum = 0;
  for (const auto& record : ledger.records) sum += record.outcome == outcome;
  return sum;
}

}  // namespace quartet::pace
