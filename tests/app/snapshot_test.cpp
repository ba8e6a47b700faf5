#include "common/scoreboard/snapshot.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

#include "common/net/system.h"

namespace quartet::app {
namespace {

using http::Phase;
using http::Slot;
using nlohmann::ordered_json;
using namespace std::chrono_literals;

constexpr http::TimePoint kNow{1h};

class SnapshotTest : public testing::Test {
 protected:
  Snapshot snapshot() { return take_snapshot(scoreboard_.board(), scoreboard_.used(), kNow); }
  State state() { return snapshot().workers.at(0).state; }

  Scoreboard scoreboard_{4};
};

TEST_F(SnapshotTest, HasEverySlotThatWasUsedAndTheirSum) {
  scoreboard_.take().requests = 3;
  Slot& second = scoreboard_.take();
  second.requests = 4;
  second.gauge(Phase::idle) = 2;
  const auto snapshot = this->snapshot();
  ASSERT_EQ(snapshot.workers.size(), 2u);
  EXPECT_EQ(snapshot.workers[1].worker, 1u);
  EXPECT_EQ(snapshot.workers[1].process, ::getpid());
  EXPECT_EQ(snapshot.workers[1].counts.requests(), 4u);
  EXPECT_EQ(snapshot.totals.requests(), 7u);
  EXPECT_EQ(snapshot.totals.open(), 2u);
}

TEST_F(SnapshotTest, DerivesTheStateFromTheConnections) {
  Slot& slot = scoreboard_.reserve();
  EXPECT_EQ(state(), State::starting);
  Scoreboard::own(slot);
  EXPECT_EQ(state(), State::ready);
  slot.gauge(Phase::idle) = 1;
  EXPECT_EQ(state(), State::idle);
  slot.gauge(Phase::accepted) = 1;
  EXPECT_EQ(state(), State::accepted);
  slot.gauge(Phase::sleeping) = 1;
  EXPECT_EQ(state(), State::sleeping);
  slot.gauge(Phase::reading) = 1;
  EXPECT_EQ(state(), State::reading);
  slot.gauge(Phase::writing) = 1;
  EXPECT_EQ(state(), State::writing);
  slot.running.begin("GET", "/", kNow);
  EXPECT_EQ(state(), State::running);
  Scoreboard::release(slot);
  EXPECT_EQ(state(), State::free);
}

TEST_F(SnapshotTest, NamesTheRequestInHandAndItsAge) {
  scoreboard_.take().running.begin("GET", "/block?ms=5000", kNow - 2s);
  const auto worker = snapshot().workers[0];
  EXPECT_EQ(worker.in_hand->request, "GET /block?ms=5000");
  EXPECT_EQ(worker.in_hand->duration, 2s);
}

TEST_F(SnapshotTest, ShowsNoControlCharactersOfAClient) {
  scoreboard_.take().running.begin("GET", "/\x1b[2J\xff", kNow);
  EXPECT_EQ(snapshot().workers[0].in_hand->request, "GET /?[2J?");
}

TEST_F(SnapshotTest, TellsHowTheLastWorkerDied) {
  Slot& slot = scoreboard_.take();
  slot.running.begin("POST", "/fault/segv", kNow);
  scoreboard_.bury(::getpid(), SIGSEGV);
  const auto snapshot = this->snapshot();
  EXPECT_EQ(snapshot.deaths, 1u);
  EXPECT_EQ(snapshot.workers[0].process, 0);
  EXPECT_EQ(snapshot.workers[0].last_death->process, ::getpid());
  EXPECT_EQ(snapshot.workers[0].last_death->manner, "was killed by signal 11 (Segmentation fault)");
  EXPECT_EQ(snapshot.workers[0].last_death->request, "POST /fault/segv");
}

TEST_F(SnapshotTest, KnowsSinceWhenTheServerDrains) {
  EXPECT_FALSE(snapshot().draining);
  scoreboard_.board().draining = (kNow - 3s).time_since_epoch().count();
  EXPECT_EQ(snapshot().draining, 3s);
}

TEST_F(SnapshotTest, IsJson) {
  Slot& slot = scoreboard_.take();
  slot.running.begin("GET", "/block", kNow - 1500ms);
  const ordered_json answer = to_json(snapshot());
  EXPECT_EQ(answer["server"]["pid"], ::getpid());
  EXPECT_EQ(answer["server"]["draining_seconds"], nullptr);
  EXPECT_EQ(answer["workers"][0]["state"], "running");
  EXPECT_EQ(answer["workers"][0]["in_hand"]["request"], "GET /block");
  EXPECT_EQ(answer["workers"][0]["in_hand"]["seconds"], 1.5);
  EXPECT_EQ(answer["workers"][0]["last_death"], nullptr);
  EXPECT_EQ(answer["totals"]["gauges"]["idle"], 0);
}

}  // namespace
}  // namespace quartet::app
