// The scheduler of the fibers, without a server: who runs when, and what becomes of a wake-up.
#include "servers/fiber_scheduler.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

namespace quartet {
namespace {

using namespace std::chrono_literals;
using Body = std::function<void(Fiber&)>;

/// A scheduler, its kernel threads, and all fibers that a test begins.
class Machine {
 public:
  explicit Machine(Policy policy = Policy::fifo, int workers = 1, bool guarded = true)
      : scheduler({.policy = policy, .stack_size = 64 << 10, .guarded = guarded}), slots_(workers) {
    for (http::Slot& slot : slots_) scheduler.add_worker(slot);
  }

  void begin(Body body) {
    ++open_;
    bodies_.push_back([this, body = std::move(body)](Fiber& self) {
      body(self);
      if (--open_ == 0) scheduler.stop();
    });
    scheduler.spawn(bodies_.back());
  }

  /// Until all fibers have ended.
  void run() {
    std::vector<std::jthread> threads;
    for (FiberWorker& worker : scheduler.workers()) threads.emplace_back([&] { scheduler.work(worker); });
  }

  /// One that notes its name before each of so many slices.
  void begin_job(const std::string& name, int slices, std::chrono::milliseconds deadline = 0ms) {
    begin([this, name, slices, deadline](Fiber& self) {
      for (int i = 0; i < slices; ++i) {
        scheduler.give_way(self, deadline);
        order += name;
      }
    });
  }

  FiberScheduler scheduler;
  std::string order;

 private:
  std::deque<http::Slot> slots_;
  std::deque<Body> bodies_;
  std::atomic<int> open_{0};
};

TEST(FiberScheduler, RunsTheFirstToItsEndUnderFifo) {
  Machine machine(Policy::fifo);
  machine.begin_job("a", 3);
  machine.begin_job("b", 1);
  machine.run();
  EXPECT_EQ(machine.order, "aaab");
}

TEST(FiberScheduler, RunsTheYoungestFirstUnderLifo) {
  Machine machine(Policy::lifo);
  machine.begin_job("a", 2);
  machine.begin_job("b", 2);
  machine.run();
  EXPECT_EQ(machine.order, "bbaa");
}

TEST(FiberScheduler, RunsWhoHasUsedTheFewestSlicesUnderMlfq) {
  Machine machine(Policy::mlfq);
  machine.begin_job("a", 9);
  machine.begin_job("b", 1);
  machine.begin_job("c", 3);
  machine.run();
  // Levels of 1, 2, 4 and more slices; within a level in turn.
  EXPECT_EQ(machine.order, "abcacacaaaaaa");
}

TEST(FiberScheduler, RunsTheEarliestDeadlineFirstUnderEdfAndWhoHasNoneLast) {
  Machine machine(Policy::edf);
  machine.begin_job("a", 2);
  machine.begin_job("b", 2, 60s);
  machine.begin_job("c", 2, 1s);
  machine.run();
  EXPECT_EQ(machine.order, "ccbbaa");
}

TEST(FiberScheduler, HasLevelsOfOneTwoFourAndMoreSlices) {
  Machine machine(Policy::mlfq);
  machine.begin([&](Fiber& self) {
    for (int used = 0; used < 6; ++used) {
      if (used == 3) machine.begin_job("b", 3);  // who has used three is on the third level
      machine.scheduler.give_way(self, 0ms);
      machine.order += "a";
    }
  });
  machine.run();
  EXPECT_EQ(machine.order, "aaabbbaaa");
}

TEST(FiberScheduler, PutsWhoEndsHisTurnBehindTheOthersUnderEachPolicy) {
  for (const auto policy : {Policy::fifo, Policy::lifo, Policy::mlfq, Policy::edf}) {
    Machine machine(policy);
    machine.begin([&](Fiber& self) {
      machine.begin_job("b", 2, 60s);
      machine.order += "a";
      machine.scheduler.end_turn(self);
      machine.order += "a";
    });
    machine.run();
    EXPECT_EQ(machine.order, "abba") << static_cast<int>(policy);
  }
}

TEST(FiberScheduler, BeginsEachRequestAtTheTop) {
  Machine machine(Policy::mlfq);
  machine.begin([&](Fiber& self) {
    for (int used = 0; used < 6; ++used) machine.scheduler.give_way(self, 0ms);
    FiberScheduler::begin_request(self, std::chrono::steady_clock::now());
    machine.begin_job("b", 2);
    machine.scheduler.give_way(self, 0ms);
    machine.order += "a";
  });
  machine.run();
  EXPECT_EQ(machine.order, "abb") << "not behind both of b";
}

TEST(FiberScheduler, ForgetsNoWakeUpThatComesBeforeTheWait) {
  Machine machine;
  machine.begin([&](Fiber& self) {
    machine.scheduler.wake(self);
    machine.scheduler.wait(self, http::TimePoint::max());
    machine.order += "a";
  });
  machine.run();
  EXPECT_EQ(machine.order, "a");
}

TEST(FiberScheduler, WakesSleepersInTheOrderOfTheirTimesAndNotTooEarly) {
  Machine machine;
  const auto start = std::chrono::steady_clock::now();
  for (const auto& [name, pause] : {std::pair("b", 40ms), std::pair("a", 20ms)}) {
    machine.begin([&, name, pause](Fiber& self) {
      machine.scheduler.sleep(self, start + pause);
      EXPECT_GE(std::chrono::steady_clock::now(), start + pause);
      machine.order += name;
    });
  }
  machine.run();
  EXPECT_EQ(machine.order, "ab");
}

TEST(FiberScheduler, EndsAWaitAtItsTime) {
  Machine machine;
  const auto until = std::chrono::steady_clock::now() + 50ms;
  machine.begin([&](Fiber& self) {
    while (std::chrono::steady_clock::now() < until) machine.scheduler.wait(self, until);
  });
  machine.run();
}

TEST(FiberScheduler, TellsABytesArrivalAndAPeersEnd) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
  net::Fd ours(pair[0]), theirs(pair[1]);
  Machine machine;
  machine.begin([&](Fiber& self) {
    machine.scheduler.watch(self, ours.get());
    while (!self.readable) machine.scheduler.wait(self, http::TimePoint::max());
    EXPECT_FALSE(self.reads_to_end);
    while (!self.reads_to_end) machine.scheduler.wait(self, http::TimePoint::max());
  });
  machine.begin([&](Fiber& self) {
    EXPECT_EQ(write(theirs.get(), "x", 1), 1);
    machine.scheduler.sleep(self, std::chrono::steady_clock::now() + 5ms);
    theirs = {};
  });
  machine.run();
}

TEST(FiberScheduler, LetsAnotherWorkerTakeWhatStandsBehindOneThatBlocks) {
  Machine machine(Policy::fifo, 2);
  std::binary_semaphore passed(0);
  machine.begin([&](Fiber&) { passed.acquire(); });  // blocks its kernel thread
  machine.begin([&](Fiber&) { passed.release(); });
  machine.run();
}

TEST(FiberScheduler, MovesAFiberToWhoeverIsFree) {
  Machine machine(Policy::fifo, 2);
  std::atomic<bool> moved{false};
  machine.begin([&](Fiber& self) {
    const auto* first = self.worker;
    while (self.worker == first) machine.scheduler.end_turn(self);
    EXPECT_EQ(&FiberScheduler::current(), &self);
    moved = true;
  });
  machine.begin([&](Fiber& self) {
    while (!moved) {
      std::this_thread::sleep_for(1ms);  // keeps whichever of the two it is on
      machine.scheduler.end_turn(self);
    }
  });
  machine.run();
}

TEST(FiberScheduler, LeavesNobodyBehindAWorkerThatBlocksWhileTheOtherNeverRunsOut) {
  for (int i = 0; i < 20; ++i) {  // which of the two has the queue is chance
    Machine machine(Policy::mlfq, 2);
    std::atomic<bool> passed{false};
    machine.begin([&](Fiber& self) {
      while (!passed) machine.scheduler.give_way(self, 0ms);
    });
    machine.begin([&](Fiber&) { passed.wait(false); });  // blocks its thread
    machine.begin([&](Fiber&) {
      passed = true;
      passed.notify_one();
    });
    machine.run();
  }
}

TEST(FiberScheduler, LosesNobodyAmongManyOnSeveralWorkers) {
  constexpr int kFibers = 300;
  Machine machine(Policy::mlfq, 4);
  std::atomic<int> steps{0};
  std::array<std::atomic<Fiber*>, kFibers> all{};
  for (int i = 0; i < kFibers; ++i) {
    machine.begin([&, i](Fiber& self) {
      all[i] = &self;
      for (int step = 0; step < 50; ++step) {
        if (Fiber* other = all[(i + step) % kFibers]) machine.scheduler.wake(*other);
        switch (step % 4) {
          case 0: machine.scheduler.end_turn(self); break;
          case 1: machine.scheduler.give_way(self, 1ms); break;
          case 2: machine.scheduler.sleep(self, std::chrono::steady_clock::now() + 1ms); break;
          default: machine.scheduler.wait(self, std::chrono::steady_clock::now() + 1ms);
        }
        ++steps;
      }
    });
  }
  machine.run();
  EXPECT_EQ(steps, kFibers * 50);
}

// --- stacks

TEST(Stacks, LieAboveOneAnother) {
  Stacks stacks(64 << 10, false);
  const auto upper = stacks.allocate(), other = stacks.allocate();
  EXPECT_EQ(upper.size, 64u << 10);
  EXPECT_EQ(std::abs(static_cast<char*>(upper.sp) - static_cast<char*>(other.sp)), 64 << 10);
  stacks.deallocate(upper);
  stacks.deallocate(other);
}

TEST(Stacks, AreWholePages) {
  const Stacks stacks((16 << 10) + 1, true);
  EXPECT_EQ(stacks.size() % static_cast<std::size_t>(sysconf(_SC_PAGESIZE)), 0u);
  EXPECT_GT(stacks.size(), std::size_t{16 << 10});
}

TEST(Stacks, AreUsedAgain) {
  Stacks stacks(64 << 10, true);
  const auto first = stacks.allocate();
  stacks.deallocate(first);
  EXPECT_EQ(stacks.allocate().sp, first.sp);
}

/// Writes a byte just below the stack that it runs on.
void leave_the_stack(bool guarded) {
  Machine machine(Policy::fifo, 1, guarded);
  machine.begin([&](Fiber& self) {
    const auto lowest = FiberScheduler::stack_of(self).lowest;
    *reinterpret_cast<volatile char*>(lowest - 1) = 1;
  });
  machine.run();
}

TEST(StacksDeathTest, AGuardPageEndsWhoLeavesHisStack) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(leave_the_stack(true), "");
}

TEST(Stacks, WithoutAGuardTheNeighbourBelowIsOverwritten) {
  Machine machine(Policy::fifo, 1, false);
  std::uintptr_t target = 0;
  machine.begin([&](Fiber& self) {
    while (target == 0) machine.scheduler.end_turn(self);
    const auto lowest = FiberScheduler::stack_of(self).lowest;
    ASSERT_LT(lowest - target, 64u << 10);
    std::memcpy(reinterpret_cast<char*>(lowest) - (lowest - target), "yours", sizeof "yours");
  });
  machine.begin([&](Fiber& self) {
    char mine[8] = "mine";
    target = reinterpret_cast<std::uintptr_t>(&mine[0]);
    machine.scheduler.end_turn(self);
    EXPECT_STREQ(mine, "yours");
  });
  machine.run();
}

}  // namespace
}  // namespace quartet
