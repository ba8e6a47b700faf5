#include "loadtest/pace/turn.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <thread>

namespace quartet::pace {
namespace {

/// Of this thread, as sched_getattr(2) tells it: its turns in nanoseconds. 0: this kernel knows none, or the
/// policy has none.
std::uint64_t turn() {
  std::array<std::uint64_t, 6> attributes{};  // the fourth is sched_runtime
  EXPECT_EQ(::syscall(SYS_sched_getattr, 0, attributes.data(), sizeof attributes, 0), 0);
  return attributes[3];
}

/// In a thread of its own: it leaves no trace in the others.
template <typename Work>
void in_a_thread(Work work) {
  std::thread(work).join();
}

TEST(Turn, IsTheShortestThereIs) {
  in_a_thread([] {
    if (turn() == 0) GTEST_SKIP() << "before Linux 6.12 a program has no turns of its own";
    take_short_turns();
    EXPECT_EQ(turn(), 100'000U);
  });
}

TEST(Turn, LeavesTheNiceValue) {
  in_a_thread([] {
    const auto thread = static_cast<id_t>(::gettid());
    ASSERT_EQ(::setpriority(PRIO_PROCESS, thread, 7), 0);
    take_short_turns();
    EXPECT_EQ(::getpriority(PRIO_PROCESS, thread), 7);
  });
}

TEST(Turn, LeavesAPolicyThatWasChosen) {
  in_a_thread([] {
    const sched_param none{};
    ASSERT_EQ(::sched_setscheduler(0, SCHED_BATCH, &none), 0);
    const auto before = turn();
    take_short_turns();
    EXPECT_EQ(::sched_getscheduler(0), SCHED_BATCH);
    EXPECT_EQ(turn(), before);
  });
}

}  // namespace
}  // namespace quartet::pace
