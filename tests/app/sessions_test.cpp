#include "common/routes/sessions.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "common/net/system.h"
#include "tests/app/captured.h"

namespace quartet::app {
namespace {

template <typename Sessions>
class EverySessions : public testing::Test {};
using Stores = testing::Types<LocalSessions, SharedSessions>;
TYPED_TEST_SUITE(EverySessions, Stores);

TYPED_TEST(EverySessions, KeepWhatWasPut) {
  TypeParam sessions;
  EXPECT_EQ(sessions.get("a"), std::nullopt);
  EXPECT_EQ(sessions.put("a", std::string_view("\0x", 2)), Stored::created);
  EXPECT_EQ(sessions.put("b", ""), Stored::created);
  EXPECT_EQ(sessions.get("a"), std::string("\0x", 2));
  EXPECT_EQ(sessions.get("b"), "");
}

TYPED_TEST(EverySessions, ReplaceAndErase) {
  TypeParam sessions;
  sessions.put("a", "a long value");
  EXPECT_EQ(sessions.put("a", "short"), Stored::replaced);
  EXPECT_EQ(sessions.get("a"), "short");
  EXPECT_TRUE(sessions.erase("a"));
  EXPECT_FALSE(sessions.erase("a"));
  EXPECT_EQ(sessions.get("a"), std::nullopt);
  EXPECT_EQ(sessions.put("a", "again"), Stored::created);
}

TYPED_TEST(EverySessions, TellIdsApartThatStartAlike) {
  TypeParam sessions;
  const std::string longest(kMostSessionId, 'x');
  sessions.put(longest, "long");
  EXPECT_EQ(sessions.get(longest.substr(1)), std::nullopt);
  sessions.put("x", "short");
  EXPECT_EQ(sessions.get(longest), "long");
  EXPECT_EQ(sessions.get("x"), "short");
}

TYPED_TEST(EverySessions, TakeTheLargestValue) {
  TypeParam sessions;
  const std::string largest(kMostSessionValue, '\xff');
  sessions.put("a", largest);
  sessions.put("b", "neighbour");
  EXPECT_EQ(sessions.get("a"), largest);
}

TYPED_TEST(EverySessions, AreFullUntilOneIsErased) {
  TypeParam sessions(3);
  for (const auto* id : {"a", "b", "c"}) EXPECT_EQ(sessions.put(id, id), Stored::created);
  EXPECT_EQ(sessions.put("d", "d"), Stored::full);
  EXPECT_EQ(sessions.get("d"), std::nullopt);
  EXPECT_EQ(sessions.put("b", "new"), Stored::replaced);
  sessions.erase("b");
  EXPECT_EQ(sessions.put("d", "d"), Stored::created);
  EXPECT_EQ(sessions.get("c"), "c");
}

TYPED_TEST(EverySessions, MayBeUsedByManyThreads) {
  TypeParam sessions;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&sessions, id = std::to_string(i)] {
      for (int round = 0; round < 200; ++round) sessions.put(id, std::to_string(round));
    });
  }
  threads.clear();
  for (int i = 0; i < 4; ++i) EXPECT_EQ(sessions.get(std::to_string(i)), "199");
}

TEST(LocalSessions, AreForgottenWithTheirProcess) {
  LocalSessions sessions;
  run_captured([&] { return static_cast<int>(sessions.put("a", "child's")); });
  EXPECT_EQ(sessions.get("a"), std::nullopt);
}

TEST(SharedSessions, OutliveTheProcessThatPutThem) {
  SharedSessions sessions;
  const Captured child = run_captured([&] {
    sessions.put("a", "child's");
    return ::raise(SIGKILL);
  });
  EXPECT_EQ(child.signal(), SIGKILL);
  EXPECT_EQ(sessions.get("a"), "child's");
}

/// A value of 1024 bytes whose second half cannot be read: whoever copies it dies of it, mutex in hand.
class Deadly {
 public:
  Deadly() : page_(static_cast<std::size_t>(::getpagesize())) {
    memory_ = static_cast<char*>(
        ::mmap(nullptr, 2 * page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    std::memset(memory_, 'x', page_);
    ::mprotect(memory_ + page_, page_, PROT_NONE);
  }
  ~Deadly() { ::munmap(memory_, 2 * page_); }
  Deadly(const Deadly&) = delete;
  Deadly& operator=(const Deadly&) = delete;

  std::string_view value() const { return {memory_ + page_ - kMostSessionValue / 2, kMostSessionValue}; }

 private:
  std::size_t page_;
  char* memory_;
};

/// A child is killed while it writes that session.
void die_while_writing(SharedSessions& sessions, std::string_view id) {
  const Deadly deadly;
  const Captured child = run_captured([&] {
    std::signal(SIGSEGV, [](int) { ::kill(::getpid(), SIGKILL); });
    sessions.put(id, deadly.value());
    return 0;
  });
  ASSERT_EQ(child.signal(), SIGKILL);
}

TEST(SharedSessions, AProcessKilledWithTheMutexLeavesItToOthers) {
  SharedSessions sessions;
  sessions.put("before", "kept");
  die_while_writing(sessions, "half");
  EXPECT_EQ(sessions.get("before"), "kept");
  EXPECT_EQ(sessions.get("half"), std::nullopt);
  EXPECT_EQ(sessions.put("after", "new"), Stored::created);
  EXPECT_EQ(sessions.get("after"), "new");
}

TEST(SharedSessions, ASessionHalfReplacedIsDropped) {
  SharedSessions sessions;
  sessions.put("a", "old");
  die_while_writing(sessions, "a");
  EXPECT_EQ(sessions.get("a"), std::nullopt);
  EXPECT_EQ(sessions.put("a", "new"), Stored::created);
}

TEST(SharedSessions, DeathsCostNoRoom) {
  SharedSessions sessions(2);
  for (int i = 0; i < 5; ++i) die_while_writing(sessions, "half");
  EXPECT_EQ(sessions.put("a", ""), Stored::created);
  EXPECT_EQ(sessions.put("b", ""), Stored::created);
  EXPECT_EQ(sessions.put("c", ""), Stored::full);
}

TEST(SharedSessions, AWaiterGetsTheMutexOfADeadOwner) {
  SharedSessions sessions;
  for (int i = 0; i < 20; ++i) {
    const pid_t child = net::check(::fork(), "fork");
    if (child == 0) {
      for (;;) sessions.put("child", "busy");
    }
    while (!sessions.get("child")) continue;  // it is at it
    net::check(::kill(child, SIGKILL), "kill");
    sessions.put("parent", std::to_string(i));  // before the child is reaped, or even dead
    net::check(::waitpid(child, nullptr, 0), "waitpid");
    EXPECT_EQ(sessions.get("parent"), std::to_string(i));
    sessions.erase("child");
  }
}

/// Pages of the mapping of shared memory that has this size, in KiB ("Rss:" of smaps, see proc(5)).
std::size_t resident_kibibytes(std::size_t at_least) {
  std::ifstream smaps("/proc/self/smaps");
  for (std::string line; std::getline(smaps, line);) {
    if (line.find("rw-s") == std::string::npos) continue;
    std::string name, unit;
    std::size_t size = 0, resident = 0;
    while (smaps >> name >> size >> unit && name != "Size:") continue;
    while (smaps >> name >> resident >> unit && name != "Rss:") continue;
    if (size >= at_least) return resident;
  }
  throw std::runtime_error("no such mapping");
}

TEST(SharedSessions, CostNoMemoryBeforeTheyAreUsed) {
  SharedSessions sessions(100'000);  // 100 MiB
  sessions.get("a");
  sessions.put("a", "");
  EXPECT_LE(resident_kibibytes(100'000), 8u);
}

TEST(SharedSessions, ThrowWhenTheyCannotBeMapped) {
  EXPECT_THROW(SharedSessions(SIZE_MAX / 2048), std::system_error);
}

}  // namespace
}  // namespace quartet::app
