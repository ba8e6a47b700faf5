// Nothing on the way of a request allocates: neither its schedule, nor its record, nor its answer.
#include <gtest/gtest.h>

#include <csignal>
#include <utility>

#include "loadtest/pace/engine.h"
#include "tests/http/allocations.h"
#include "tests/pace/scripted_server.h"

namespace quartet::pace {
namespace {

using namespace std::chrono_literals;

std::size_t allocations_of_run(std::size_t requests, bool fresh, bool same_body = false) {
  const ScriptedServer server(answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
  Plan plan;
  plan.server = server.address();
  plan.duration = 200ms;
  plan.grace = 20s;
  const double rate = static_cast<double>(requests) * 5;
  plan.lanes.push_back({.name = "requests",
                        .request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                        .arrivals = {.rate = rate, .last_rate = rate, .duration = plan.duration},
                        .connections = 1,
                        .fresh = fresh,
                        .same_body = same_body});
  const volatile std::sig_atomic_t never = 0;
  const auto before = test::allocations.count;
  EXPECT_EQ(run(plan, never).records.size(), requests);
  return test::allocations.count - before;
}

/// @return of how many requests, and how often
std::pair<std::uint64_t, std::size_t> allocations_of_closed_loop(Nanoseconds duration) {
  const ScriptedServer server(answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
  Plan plan;
  plan.server = server.address();
  plan.duration = duration;
  plan.grace = 20s;
  plan.lanes.push_back({.name = "requests",
                        .request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                        .arrivals = {.rate = 0, .last_rate = 0, .duration = duration},
                        .connections = 1,
                        .closed = true});
  const volatile std::sig_atomic_t never = 0;
  const auto before = test::allocations.count;
  const auto requests = run(plan, never).tallies[0].outcomes[0];
  return {requests, test::allocations.count - before};
}

TEST(EngineAllocation, OfAClosedLoopDoesNotDependOnTheNumberOfRequests) {
  const auto [few, allocations] = allocations_of_closed_loop(1ms);
  const auto [many, allocations_of_many] = allocations_of_closed_loop(300ms);
  EXPECT_GT(many, few);
  EXPECT_GT(allocations, 0U);
  EXPECT_EQ(allocations_of_many, allocations);
}

TEST(EngineAllocation, IsTheSameWhereBodiesAreCompared) {
  EXPECT_EQ(allocations_of_run(500, true, true), allocations_of_run(500, true, false));
}

TEST(EngineAllocation, DoesNotDependOnTheNumberOfRequests) {
  for (const bool fresh : {false, true}) {
    const auto few = allocations_of_run(10, fresh);
    EXPECT_GT(few, 0U);  // they are counted
    EXPECT_EQ(allocations_of_run(500, fresh), few);
  }
}

}  // namespace
}  // namespace quartet::pace
