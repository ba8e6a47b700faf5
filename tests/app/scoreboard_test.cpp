#include "common/scoreboard/scoreboard.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "common/net/system.h"
#include "common/scoreboard/scoreboard_files.h"

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

TEST(Scoreboard, GivesSlotsThatNobodySeesWhenAllAreTaken) {
  Scoreboard slots(2);
  slots.take();
  slots.reserve();
  Slot& hidden = slots.take();
  Slot& another = slots.take();
  EXPECT_NE(&hidden, &another);
  http::add(hidden.gauge(Phase::idle), 3);
  EXPECT_EQ(slots.used().size(), 2u);
  EXPECT_EQ(slots.open_connections(::getpid()), 3u) << "its parent sees it";
  slots.release_process(::getpid());
  EXPECT_EQ(hidden.process, 0);
  EXPECT_EQ(&slots.take(), &slots.all()[0]);
}

TEST(Scoreboard, NeverEndsAServerForWantOfSlots) {
  Scoreboard slots(2);
  for (int i = 0; i < 20; ++i) http::add(slots.take().requests);
  EXPECT_EQ(slots.used().size(), 2u);
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

/// As a server leaves it that is killed.
void leave_behind(const std::string& path, std::size_t count) {
  reap(fork_child([&] { Scoreboard(path, count).take(); }));
}

TEST(ScoreboardFile, TakesThePlaceOfADeadOne) {
  const TemporaryPath file("board");
  leave_behind(file.path, 10);
  const ScoreboardReader reader(file.path);
  const Scoreboard fresh(file.path, 20);
  EXPECT_TRUE(reader.replaced());
  EXPECT_EQ(reader.used().size(), 1u) << "who reads the old one keeps it";
  EXPECT_TRUE(ScoreboardReader(file.path).used().empty());
}

TEST(ScoreboardFile, IsRemovedByItsServerOnly) {
  const TemporaryPath file("board");
  Scoreboard old(file.path, 10);
  ::unlink(file.path.c_str());
  Scoreboard fresh(file.path, 10);
  old.remove_file();
  EXPECT_TRUE(file.exists());
  fresh.remove_file();
  EXPECT_FALSE(file.exists());
}

TEST(ScoreboardFile, TakesNothingFromALivingServer) {
  const TemporaryPath file("board");
  Scoreboard old(file.path, 10);
  const std::string in_use =
      "scoreboard " + file.path + ": is in use by process " + std::to_string(::getpid());
  EXPECT_EQ(complaint([&] { Scoreboard(file.path, 10); }), in_use);
  old.board().pid_namespace += 1;  // from there, only the lock can tell
  EXPECT_EQ(complaint([&] { Scoreboard(file.path, 10); }), in_use);
  EXPECT_FALSE(ScoreboardReader(file.path).replaced());
  EXPECT_FALSE(TemporaryPath("board." + std::to_string(::getpid())).exists());
}

TEST(ScoreboardFile, TakesThePlaceOfOneThatDrains) {
  const TemporaryPath file("board");
  Scoreboard old(file.path, 10);
  old.board().draining = 1;
  EXPECT_EQ(complaint([&] { Scoreboard(file.path, 10); }), "");
}

TEST(ScoreboardFile, TakesThePlaceOfAServerThatLeftOrphans) {
  const TemporaryPath file("board");
  std::array<int, 2> pipe{};
  net::check(::pipe(pipe.data()), "pipe");
  reap(fork_child([&] {
    const Scoreboard slots(file.path, 10);
    fork_child([&] {  // holds the lock until the pipe is closed
      char byte = 0;
      ::close(pipe[1]);
      [[maybe_unused]] const auto end = ::read(pipe[0], &byte, 1);
    });
    ::_exit(0);
  }));
  EXPECT_EQ(complaint([&] { Scoreboard(file.path, 10); }), "");
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST(ScoreboardFile, FollowsNoSymbolicLink) {
  const TemporaryPath file("board"), target("target");
  net::check(::symlink(target.path.c_str(), file.path.c_str()), "symlink");
  EXPECT_EQ(complaint([&] { Scoreboard(file.path, 10); }),
            "scoreboard " + file.path + ": is a symbolic link; it was left alone");
  EXPECT_FALSE(target.exists());
}

std::size_t allocated_bytes(const TemporaryPath& file) {
  struct stat status {};
  net::check(::stat(file.path.c_str(), &status), "stat");
  return static_cast<std::size_t>(status.st_blocks) * 512;
}

TEST(ScoreboardFile, HasMemoryForWhatIsTaken) {
  const TemporaryPath file("board");
  Scoreboard slots(file.path, 10'000);
  std::size_t most = 0;
  for (int i = 0; i < 500; ++i) {
    most = std::max(most, static_cast<std::size_t>(slots.take().worker));
    ASSERT_GE(allocated_bytes(file), (most + 1) * sizeof(Slot));
  }
  EXPECT_EQ(ScoreboardReader(file.path).used().size(), 500u);
  EXPECT_LT(allocated_bytes(file), 1'000 * sizeof(Slot));
}

TEST(ScoreboardFile, GrowsInOneProcessForAll) {
  const TemporaryPath file("board");
  Scoreboard slots(file.path, 1'000);
  reap(fork_child([&] {
    for (int i = 0; i < 200; ++i) slots.take();
  }));
  EXPECT_EQ(slots.used().size(), 200u);
}

TEST(ScoreboardFile, WorksWithoutItsFileWhenSomebodyTruncatesIt) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP()
      << "from g++ 13 on, an atomic that meets SIGBUS holds a lock that its handler's atomics wait for";
#endif
  const TemporaryPath file("board");
  Scoreboard slots(file.path, 1'000);
  std::strcpy(slots.board().model.data(), "quartet-test");
  slots.keep_description();
  Slot& slot = slots.take();
  http::add(slot.requests, 7);
  net::check(::truncate(file.path.c_str(), 0), "truncate");
  http::add(slot.requests, 2);
  EXPECT_EQ(slot.requests, 2u);
  EXPECT_STREQ(slots.board().model.data(), "quartet-test");
  for (int i = 0; i < 200; ++i) slots.take();
  EXPECT_GE(slots.used().size(), 200u);
  EXPECT_EQ(std::filesystem::file_size(file.path), 0u) << "what was cut off stays off";
}

TEST(ScoreboardFile, StaysSharedWhenSomebodyTruncatesIt) {
  const TemporaryPath file("board");
  Scoreboard slots(file.path, 100);
  Slot& slot = slots.take();
  net::check(::truncate(file.path.c_str(), 0), "truncate");
  reap(fork_child([&] { http::add(slot.requests, 3); }));
  EXPECT_EQ(slot.requests, 3u);
}

TEST(ScoreboardFile, IsNotGrownBeyondAFileSizeLimit) {
  const TemporaryPath file("board");
  const pid_t child = fork_child([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{.rlim_cur = 8192, .rlim_max = 8192};
    net::check(::setrlimit(RLIMIT_FSIZE, &limit), "setrlimit");
    const bool right =
        complaint([&] { Scoreboard(file.path, 1'000); }) == "scoreboard " + file.path + ": File too large";
    ::_exit(right ? 0 : 1);
  });
  int status = 0;
  net::check(::waitpid(child, &status, 0), "waitpid");
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(file.exists());
}

/// How a process ends that has a scoreboard, and does this.
template <typename Action>
int ending_of(const Action& action) {
  const TemporaryPath file("board");
  const pid_t child = fork_child([&] {
    const Scoreboard slots(file.path, 10);
    action();
  });
  int status = 0;
  net::check(::waitpid(child, &status, 0), "waitpid");
  return status;
}

TEST(ScoreboardFile, LeavesEveryOtherBusErrorDeadly) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer ends a process its own way";
#endif
  const int sent = ending_of([] { ::raise(SIGBUS); });
  EXPECT_TRUE(WIFSIGNALED(sent) && WTERMSIG(sent) == SIGBUS) << sent;
  const int met = ending_of([] {
    const net::Fd empty(::memfd_create("empty", MFD_CLOEXEC));
    auto* memory = static_cast<volatile char*>(::mmap(nullptr, 1, PROT_READ, MAP_SHARED, empty.get(), 0));
    ::_exit(*memory);
  });
  EXPECT_TRUE(WIFSIGNALED(met) && WTERMSIG(met) == SIGBUS) << met;
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

TEST(DefaultScoreboard, IsNamedByPortAndByAnyUnusualAddress) {
  for (const char* usual : {"127.0.0.1", "0.0.0.0", "::"})
    EXPECT_EQ(default_scoreboard({usual, 8080}), "/dev/shm/quartet-8080");
  EXPECT_EQ(default_scoreboard({"127.0.0.2", 8080}), "/dev/shm/quartet-8080-127.0.0.2");
  EXPECT_EQ(default_scoreboard({"::1", 8080}), "/dev/shm/quartet-8080-::1");
  EXPECT_EQ(default_scoreboard({"0:0:0:0:0:0:0:1", 8080}), "/dev/shm/quartet-8080-::1");
}

/// An address that no test listens on, and a port of this process's own.
std::filesystem::path unusual_scoreboard() {
  return default_scoreboard({"127.9.9.9", static_cast<std::uint16_t>(1024 + ::getpid() % 60'000)});
}

/// Made, and locked as a server does. Whoever starts a server meanwhile may remove it before it is locked.
net::Fd locked_empty_file(const std::filesystem::path& path) {
  for (;;) {
    net::Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0 && std::filesystem::exists(path)) return file;
  }
}

TEST(DefaultScoreboard, WhatATruncationHasLeftIsRemovedUnlessAServerUsesIt) {
  const auto path = unusual_scoreboard();
  auto used = locked_empty_file(path);
  remove_old_scoreboards(1'000);
  EXPECT_TRUE(std::filesystem::exists(path));
  used.reset();
  remove_old_scoreboards(1'000);
  EXPECT_FALSE(std::filesystem::exists(path));
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

TEST(ScoreboardReader, SaysThatItsFileWasTruncated) {
  const TemporaryPath file("board");
  Scoreboard slots(file.path, 10);
  slots.take();
  const ScoreboardReader reader(file.path);
  reader.check_intact();
  net::check(::truncate(file.path.c_str(), 0), "truncate");
  EXPECT_TRUE(reader.used().empty());
  EXPECT_EQ(complaint([&] { reader.check_intact(); }),
            "scoreboard " + file.path + ": was truncated while it was read");
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
