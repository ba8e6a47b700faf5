#include "common/app/scoreboard.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>

#include "common/net/system.h"

namespace quartet::app {
namespace {

using http::Phase;
using http::Slot;

template <typename Body>
pid_t fork_child(const Body& body) {
  const pid_t child = net::check(::fork(), "fork");
  if (child != 0) return child;
  body();
  ::_exit(0);
}

void reap(pid_t child) { net::check(::waitpid(child, nullptr, 0), "waitpid"); }

TEST(Scoreboard, GivesEveryTakerItsOwnSlot) {
  Scoreboard slots(3);
  const Slot& first = slots.take();
  const Slot& second = slots.take();
  EXPECT_NE(&first, &second);
  EXPECT_EQ(first.worker, 0u);
  EXPECT_EQ(second.worker, 1u);
  EXPECT_EQ(second.process, ::getpid());
  EXPECT_EQ(second.thread, ::gettid());
  EXPECT_EQ(second.generation, 1u);
}

TEST(Scoreboard, NamesTheThreadThatTakes) {
  Scoreboard slots(1);
  std::thread([&] { EXPECT_EQ(slots.take().thread, ::gettid()); }).join();
  EXPECT_NE(slots.all()[0].thread, ::gettid());
}

TEST(Scoreboard, ThrowsWhenAllAreTaken) {
  Scoreboard slots(2);
  slots.take();
  slots.reserve();
  EXPECT_THROW(slots.take(), std::runtime_error);
  EXPECT_THROW(slots.reserve(), std::runtime_error);
}

TEST(Scoreboard, ThrowsWhenItCannotBeMapped) {
  EXPECT_THROW(Scoreboard(SIZE_MAX / sizeof(Slot)), std::system_error);
}

TEST(Scoreboard, KeepsCountersAndClearsGaugesOnRelease) {
  Scoreboard slots(1);
  Slot& slot = slots.take();
  http::add(slot.requests, 7);
  http::add(slot.gauge(Phase::running), 2);
  Scoreboard::release(slot);
  EXPECT_EQ(slot.process, 0);
  EXPECT_EQ(slot.thread, 0);
  EXPECT_EQ(slot.gauge(Phase::running), 0u);
  Slot& again = slots.take();
  EXPECT_EQ(&again, &slot);
  EXPECT_EQ(again.requests, 7u);
  EXPECT_EQ(again.generation, 2u);
}

TEST(Scoreboard, CountsOpenConnectionsOverAllSlots) {
  Scoreboard slots(3);
  http::add(slots.take().gauge(Phase::idle), 3);
  http::add(slots.take().gauge(Phase::writing), 2);
  EXPECT_EQ(slots.open_connections(), 5u);
  Scoreboard::release(slots.all()[0]);
  EXPECT_EQ(slots.open_connections(), 2u);
}

TEST(Scoreboard, RemembersWhichSlotsWereUsed) {
  Scoreboard slots(5);
  EXPECT_TRUE(slots.used().empty());
  slots.take();
  Slot& second = slots.take();
  Scoreboard::release(second);
  EXPECT_EQ(slots.used().size(), 2u);
}

TEST(Scoreboard, IsSharedWithForkedProcesses) {
  Scoreboard slots(2);
  Slot& slot = slots.reserve();
  const pid_t child = fork_child([&] {
    Scoreboard::own(slot);
    http::add(slot.requests);
  });
  slot.process = child;
  reap(child);
  EXPECT_EQ(slot.process, child);
  EXPECT_EQ(slot.thread, child);
  EXPECT_EQ(slot.requests, 1u);
  EXPECT_EQ(slots.release_process(child), &slot);
  EXPECT_EQ(slot.process, 0);
}

TEST(Scoreboard, FreesTheSlotOfAChildThatDiedBeforeItOwnedIt) {
  Scoreboard slots(2);
  Slot& slot = slots.reserve();
  const pid_t child = fork_child([] {});
  slot.process = child;
  reap(child);
  EXPECT_EQ(slots.release_process(child), &slot);
}

TEST(Scoreboard, FreesTheSlotThatAChildTookItself) {
  Scoreboard slots(2);
  const pid_t child = fork_child([&] { http::add(slots.take().gauge(Phase::reading)); });
  reap(child);
  EXPECT_EQ(slots.open_connections(), 1u);
  EXPECT_EQ(slots.release_process(child), &slots.all()[0]);
  EXPECT_EQ(slots.open_connections(), 0u);
}

TEST(Scoreboard, HasNothingToFreeForAProcessWithoutASlot) {
  Scoreboard slots(2);
  slots.take();
  EXPECT_EQ(slots.release_process(::getppid()), nullptr);
  EXPECT_EQ(slots.all()[0].process, ::getpid());
}

/// Takes and releases a contended slot many times. @return whether it was always alone
bool always_alone(Scoreboard& slots) {
  for (int round = 0; round < 20'000; ++round) {
    Slot& slot = slots.take();
    const bool alone = slot.process == ::getpid() && slot.requests.exchange(1) == 0;
    if (!alone || slot.requests.exchange(0) != 1) return false;
    Scoreboard::release(slot);
  }
  return true;
}

TEST(Scoreboard, NeverGivesOneSlotToTwoProcesses) {
  Scoreboard slots(64);
  std::array<pid_t, 4> children{};
  for (pid_t& child : children) {
    child = fork_child([&] {
      if (!always_alone(slots)) ::_exit(1);
    });
  }
  for (const pid_t child : children) {
    int status = 0;
    net::check(::waitpid(child, &status, 0), "waitpid");
    EXPECT_EQ(status, 0);
  }
}

std::size_t shared_memory_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssShmem:")) return std::stoul(line.substr(9));
  }
  return 0;
}

TEST(Scoreboard, CostsNoMemoryForSlotsThatNobodyTook) {
  Scoreboard slots(1'000'000);
  const std::size_t before = shared_memory_kib();
  slots.take();
  EXPECT_EQ(slots.open_connections(), 0u);
  EXPECT_EQ(slots.release_process(::getppid()), nullptr);
  EXPECT_GT(shared_memory_kib(), before);
  EXPECT_LE(shared_memory_kib(), before + 64);
}

}  // namespace
}  // namespace quartet::app
