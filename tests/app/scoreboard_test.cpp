#include "common/app/scoreboard.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

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
  EXPECT_THROW(Scoreboard(SIZE_MAX / 2 / sizeof(Slot)), std::system_error);
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

TEST(Scoreboard, CountsTheOpenConnectionsOfAProcess) {
  Scoreboard slots(3);
  http::add(slots.take().gauge(Phase::idle), 3);
  http::add(slots.take().gauge(Phase::writing), 2);
  EXPECT_EQ(slots.open_connections(::getpid()), 5u);
  EXPECT_EQ(slots.open_connections(::getppid()), 0u);
  Scoreboard::release(slots.all()[0]);
  EXPECT_EQ(slots.open_connections(::getpid()), 2u);
}

TEST(Scoreboard, CountsWhatTheLatestWorkersOfASlotHaveAnswered) {
  Scoreboard slots(2);
  http::add(slots.take().requests, 7);
  EXPECT_EQ(slots.answered(::getpid()), 7u);
  slots.release_process(::getpid());
  Slot& slot = slots.take();
  EXPECT_EQ(slots.answered(::getpid()), 0u);
  http::add(slot.requests);
  slot.running.begin("GET", "/block", net::now().steady);
  EXPECT_EQ(slots.answered(::getpid()), 0u);
  slot.running.end();
  EXPECT_EQ(slots.answered(::getpid()), 1u);
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
  slots.release_process(child);
  EXPECT_EQ(slot.process, 0);
}

TEST(Scoreboard, FreesTheSlotOfAChildThatDiedBeforeItOwnedIt) {
  Scoreboard slots(2);
  Slot& slot = slots.reserve();
  const pid_t child = fork_child([] {});
  slot.process = child;
  reap(child);
  slots.release_process(child);
  EXPECT_EQ(slot.process, 0);
}

TEST(Scoreboard, FreesTheSlotThatAChildTookItself) {
  Scoreboard slots(2);
  const pid_t child = fork_child([&] { http::add(slots.take().gauge(Phase::reading)); });
  reap(child);
  EXPECT_EQ(slots.open_connections(child), 1u);
  slots.release_process(child);
  EXPECT_EQ(slots.open_connections(child), 0u);
  EXPECT_EQ(slots.all()[0].process, 0);
}

TEST(Scoreboard, HasNothingToFreeForAProcessWithoutASlot) {
  Scoreboard slots(2);
  slots.take();
  slots.release_process(::getppid());
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
  EXPECT_EQ(slots.open_connections(::getpid()), 0u);
  slots.release_process(::getppid());
  EXPECT_GT(shared_memory_kib(), before);
  EXPECT_LE(shared_memory_kib(), before + 64);
}

TEST(Bury, KeepsTheLastWordsOfADeadWorker) {
  Scoreboard slots(2);
  Slot& slot = slots.reserve();
  const pid_t child = fork_child([&] {
    Scoreboard::own(slot);
    http::add(slot.gauge(Phase::running));
    slot.running.begin("POST", "/fault/segv", net::now().steady);
    ::_exit(7);
  });
  slot.process = child;
  int status = 0;
  net::check(::waitpid(child, &status, 0), "waitpid");
  EXPECT_EQ(slots.bury(child, status), (std::vector<std::string>{"POST /fault/segv"}));
  EXPECT_EQ(slot.process, 0);
  EXPECT_EQ(slot.gauge(Phase::running), 0u);
  EXPECT_FALSE(slot.running.read());
  EXPECT_EQ(slot.death.count, 1u);
  EXPECT_EQ(slot.death.process, child);
  EXPECT_EQ(slot.death.generation, 1u);
  EXPECT_TRUE(WIFEXITED(slot.death.status) && WEXITSTATUS(slot.death.status) == 7);
  EXPECT_EQ(slot.death.request.read()->request, "POST /fault/segv");
}

TEST(Bury, ForgetsTheRequestOfAnEarlierDeathInTheSlot) {
  Scoreboard slots(1);
  slots.take().running.begin("GET", "/first", net::now().steady);
  slots.bury(::getpid(), 9);
  slots.take();
  EXPECT_TRUE(slots.bury(::getpid(), 9).empty());
  EXPECT_EQ(slots.all()[0].death.count, 2u);
  EXPECT_FALSE(slots.all()[0].death.request.read());
}

TEST(Bury, LeavesOtherProcessesAlone) {
  Scoreboard slots(2);
  slots.take();
  slots.bury(::getppid(), 9);
  EXPECT_EQ(slots.all()[0].process, ::getpid());
  EXPECT_EQ(slots.all()[0].death.count, 0u);
}

/// A path of this test's own; the file goes with it.
struct TemporaryPath {
  explicit TemporaryPath(const std::string& name)
      : path(testing::TempDir() + name + "." + std::to_string(::getpid())) {}
  ~TemporaryPath() { ::unlink(path.c_str()); }
  TemporaryPath(const TemporaryPath&) = delete;
  TemporaryPath& operator=(const TemporaryPath&) = delete;

  bool exists() const { return ::access(path.c_str(), F_OK) == 0; }
  void write(const std::string& content) const { std::ofstream(path) << content; }
  std::string read() const {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  const std::string path;
};

/// The sentence of what is thrown.
template <typename Action>
std::string complaint(const Action& action) {
  try {
    action();
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}

TEST(ScoreboardFile, IsReadFromOutside) {
  const TemporaryPath file("board");
  Scoreboard slots(file.path, 100);
  Slot& slot = slots.take();
  const ScoreboardReader reader(file.path);
  http::add(slot.requests, 3);
  slot.running.begin("GET", "/block?ms=1", net::now().steady);
  ASSERT_EQ(reader.used().size(), 1u);
  EXPECT_EQ(reader.used()[0].requests, 3u);
  EXPECT_EQ(reader.used()[0].process, ::getpid());
  EXPECT_EQ(reader.used()[0].running.read()->request, "GET /block?ms=1");
  EXPECT_FALSE(reader.replaced());
}

TEST(ScoreboardFile, OutlivesTheProcessThatDies) {
  const TemporaryPath file("board");
  const pid_t child = fork_child([&] {
    Scoreboard slots(file.path, 10);
    slots.take().running.begin("POST", "/fault/segv", net::now().steady);
    ::kill(::getpid(), SIGKILL);
  });
  reap(child);
  const ScoreboardReader reader(file.path);
  EXPECT_EQ(reader.used()[0].process, child);
  EXPECT_EQ(reader.used()[0].running.read()->request, "POST /fault/segv");
}

TEST(ScoreboardFile, TakesThePlaceOfAnOlderOne) {
  const TemporaryPath file("board");
  Scoreboard old(file.path, 10);
  old.take();
  const ScoreboardReader reader(file.path);
  const Scoreboard fresh(file.path, 20);
  EXPECT_TRUE(reader.replaced());
  EXPECT_EQ(reader.used().size(), 1u) << "who reads the old one keeps it";
  EXPECT_TRUE(ScoreboardReader(file.path).used().empty());
}

TEST(ScoreboardFile, IsRemovedByItsServerOnly) {
  const TemporaryPath file("board");
  Scoreboard old(file.path, 10);
  Scoreboard fresh(file.path, 10);
  old.remove_file();
  EXPECT_TRUE(file.exists());
  fresh.remove_file();
  EXPECT_FALSE(file.exists());
}

TEST(ScoreboardFile, DestroysNobodysFile) {
  for (const std::string content : {"", "my thesis", "QUARTERLY REPORT"}) {
    const TemporaryPath file("thesis");
    file.write(content);
    EXPECT_EQ(complaint([&] { Scoreboard(file.path, 10); }),
              "scoreboard " + file.path + ": exists and is no scoreboard; it was left alone");
    EXPECT_EQ(file.read(), content);
  }
}

TEST(ScoreboardFile, SaysWhyItCannotBeMade) {
  EXPECT_EQ(complaint([] { Scoreboard("/nowhere/board", 10); }),
            "scoreboard /nowhere/board: No such file or directory");
  EXPECT_EQ(complaint([] { Scoreboard("/tmp", 10); }),
            "scoreboard /tmp: exists and is no scoreboard; it was left alone");
}

TEST(ScoreboardFile, LeavesNoHalfMadeFileBehind) {
  const TemporaryPath file("board");
  EXPECT_NE(complaint([&] { Scoreboard(file.path, std::size_t{1} << 50); }), "");
  EXPECT_FALSE(file.exists());
  EXPECT_FALSE(TemporaryPath("board." + std::to_string(::getpid())).exists());
}

TEST(ScoreboardReader, RefusesWhatIsNoScoreboard) {
  const TemporaryPath file("board");
  const std::string no = "scoreboard " + file.path + ": is no scoreboard";
  file.write("short");
  EXPECT_EQ(complaint([&] { ScoreboardReader reader(file.path); }), no);
  file.write(std::string(100'000, 'x'));
  EXPECT_EQ(complaint([&] { ScoreboardReader reader(file.path); }), no);
  EXPECT_EQ(complaint([] { ScoreboardReader reader("/nowhere/board"); }),
            "scoreboard /nowhere/board: No such file or directory");
  EXPECT_EQ(complaint([] { ScoreboardReader reader("/tmp"); }), "scoreboard /tmp: is no scoreboard");
}

TEST(ScoreboardReader, RefusesAnotherVersionAndATruncatedFile) {
  const TemporaryPath file("board");
  { Scoreboard(file.path, 10).board().version = 77; }
  EXPECT_EQ(complaint([&] { ScoreboardReader reader(file.path); }),
            "scoreboard " + file.path + ": was written by another version of Quartet");
  { Scoreboard(file.path, 10); }
  net::check(::truncate(file.path.c_str(), 5000), "truncate");
  EXPECT_EQ(complaint([&] { ScoreboardReader reader(file.path); }),
            "scoreboard " + file.path + ": is truncated: it does not hold as many slots as it says");
}

}  // namespace
}  // namespace quartet::app
