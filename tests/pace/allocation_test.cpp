// Nothing on the way of a request allocates: neither its schedule, nor its record, nor its answer.
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <new>

#include "loadtest/pace/engine.h"
#include "tests/pace/scripted_server.h"

namespace {

thread_local std::size_t allocations = 0;  // the scripted server has a thread of its own

void* allocate(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace quartet::pace {
namespace {

using namespace std::chrono_literals;

std::size_t allocations_of_run(std::size_t requests, bool fresh) {
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
                        .fresh = fresh});
  const volatile std::sig_atomic_t never = 0;
  const auto before = allocations;
  EXPECT_EQ(run(plan, never).records.size(), requests);
  return allocations - before;
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
