#include "common/tools/watch.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "common/net/system.h"

namespace quartet::app {
namespace {

using std::chrono::hours;

/// A child that does nothing until the test ends.
class Idler {
 public:
  Idler() : process_(net::check(::fork(), "fork")) {
    if (process_ != 0) return;
    for (;;) ::pause();
  }
  ~Idler() { end(); }
  Idler(const Idler&) = delete;
  Idler& operator=(const Idler&) = delete;

  pid_t process() const { return process_; }
  /// Stopped, and that is known to have happened; or dead, but not reaped.
  void signal(int number) const {
    net::check(::kill(process_, number), "kill");
    siginfo_t info{};
    net::check(::waitid(P_PID, static_cast<id_t>(process_), &info, WEXITED | WSTOPPED | WNOWAIT), "waitid");
  }
  void end() {
    if (process_ == 0) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
    process_ = 0;
  }

 private:
  pid_t process_;
};

TEST(LifeOf, TellsTheLivingFromTheStopped) {
  const Idler idler;
  EXPECT_EQ(life_of(idler.process()), Life::alive);
  idler.signal(SIGSTOP);
  EXPECT_EQ(life_of(idler.process()), Life::stopped);
}

TEST(LifeOf, CallsAZombieDead) {
  const Idler idler;
  idler.signal(SIGKILL);
  EXPECT_EQ(life_of(idler.process()), Life::dead);
}

TEST(LifeOf, CallsWhoIsGoneDead) {
  Idler idler;
  const pid_t process = idler.process();
  idler.end();
  EXPECT_EQ(life_of(process), Life::dead);
}

TEST(LifeOf, IsNotTakenInByAnotherProcessWithThePid) {
  EXPECT_EQ(life_of(::getpid(), {.at_least_old = hours(24 * 365 * 100)}), Life::dead);
  EXPECT_EQ(life_of(::getpid(), {.name = "somebody else"}), Life::dead);
  EXPECT_EQ(life_of(::getpid(), {.name = program_invocation_short_name}), Life::alive);
}

TEST(LifeOf, HasNothingToAskWithoutAPid) {
  EXPECT_EQ(life_of(0), Life::none);
  EXPECT_EQ(life_of(-1), Life::none);
}

/// As a server describes itself before it serves.
void describe(Scoreboard& scoreboard, std::int32_t process = ::getpid()) {
  Board& board = scoreboard.board();
  std::strcpy(board.model.data(), "quartet-test");
  board.process = process;
  board.pid_namespace = pid_namespace();
  board.started = net::now().steady.time_since_epoch().count();
}

class WatchTest : public testing::Test {
 protected:
  ~WatchTest() override { std::filesystem::remove(file_); }

  /// What is wrong with a file of these bytes.
  std::string error_of(const std::string& bytes) const {
    std::ofstream(file_, std::ios::trunc) << bytes;
    try {
      Watch watch(file_);
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    return "nothing";
  }

  const std::filesystem::path file_ =
      std::filesystem::path(testing::TempDir()) / ("watch_test." + std::to_string(::getpid()));
};

TEST_F(WatchTest, SeesTheServerAndItsWorkers) {
  Scoreboard scoreboard(file_, 4);
  describe(scoreboard);
  scoreboard.take().running.begin("GET", "/hang", net::now().steady);
  Idler stopped, dead;
  scoreboard.reserve().process = stopped.process();
  scoreboard.reserve().process = dead.process();
  Scoreboard::release(scoreboard.reserve());
  stopped.signal(SIGSTOP);
  dead.end();
  const Look look = Watch(file_).look();
  EXPECT_EQ(look.snapshot.model, "quartet-test");
  EXPECT_EQ(look.snapshot.workers.at(0).in_hand.value().request, "GET /hang");
  EXPECT_EQ(look.server, Life::alive);
  EXPECT_EQ(look.workers, (std::vector<Life>{Life::alive, Life::stopped, Life::dead, Life::none}));
  EXPECT_FALSE(look.removed || look.elsewhere);
}

TEST_F(WatchTest, KnowsNothingOfTheProcessesOfAnotherPidNamespace) {
  Scoreboard scoreboard(file_, 4);
  describe(scoreboard);
  scoreboard.board().pid_namespace += 1;
  scoreboard.take();
  const Look look = Watch(file_).look();
  EXPECT_TRUE(look.elsewhere);
  EXPECT_EQ(look.server, Life::unknown);
  EXPECT_EQ(look.workers, std::vector<Life>{Life::unknown});
}

TEST_F(WatchTest, TakesNobodyElseForTheServer) {
  Scoreboard scoreboard(file_, 4);
  const Idler younger;
  describe(scoreboard, younger.process());
  scoreboard.board().started -= std::chrono::nanoseconds(hours(1)).count();
  EXPECT_EQ(Watch(file_).look().server, Life::dead);
}

TEST_F(WatchTest, TakesNobodyElseForAnOrphan) {
  Scoreboard scoreboard(file_, 4);
  Idler server, other;
  describe(scoreboard, server.process());
  server.end();
  scoreboard.reserve().process = other.process();
  EXPECT_EQ(Watch(file_).look().workers, std::vector<Life>{Life::dead}) << "its name is not quartet-test";
  std::strcpy(scoreboard.board().model.data(), program_invocation_short_name);
  EXPECT_EQ(Watch(file_).look().workers, std::vector<Life>{Life::alive});
}

TEST_F(WatchTest, FollowsTheFileOfANewServer) {
  std::optional<Scoreboard> old(std::in_place, file_, 4);
  Idler predecessor;
  describe(*old, predecessor.process());
  Watch watch(file_);
  EXPECT_EQ(watch.look().predecessor, 0);
  const auto its_pid = predecessor.process();
  predecessor.end();
  old.reset();
  Scoreboard fresh(file_, 8);
  describe(fresh);
  const Look look = watch.look();
  EXPECT_EQ(look.snapshot.process, ::getpid());
  EXPECT_EQ(look.predecessor, its_pid);
}

TEST_F(WatchTest, KeepsTheLastPictureOfAFileThatIsRemoved) {
  Scoreboard old(file_, 4);
  describe(old);
  http::add(old.take().requests, 7);
  Watch watch(file_);
  old.remove_file();
  const Look look = watch.look();
  EXPECT_TRUE(look.removed);
  EXPECT_EQ(look.snapshot.totals.requests(), 7u);
  Scoreboard fresh(file_, 4);
  describe(fresh);
  EXPECT_FALSE(watch.look().removed);
  EXPECT_EQ(watch.look().snapshot.totals.requests(), 0u);
}

TEST_F(WatchTest, KeepsTheLastPictureWhenTheNewFileCannotBeRead) {
  Scoreboard old(file_, 4);
  describe(old);
  Watch watch(file_);
  old.remove_file();
  std::ofstream(file_) << "no scoreboard";
  const Look look = watch.look();
  EXPECT_EQ(look.trouble, "scoreboard " + file_.string() + ": is no scoreboard");
  EXPECT_FALSE(look.removed);
  EXPECT_EQ(look.snapshot.process, ::getpid());
}

TEST_F(WatchTest, EndsWithASentenceWhenItsFileIsTruncated) {
  Scoreboard scoreboard(file_, 4);
  describe(scoreboard);
  scoreboard.take();
  Watch watch(file_);
  watch.look();
  std::filesystem::resize_file(file_, 0);
  EXPECT_THROW(watch.look(), std::runtime_error);
}

TEST_F(WatchTest, SaysWhatIsWrongWithAFile) {
  std::string bytes;
  {
    Scoreboard scoreboard(file_, 4);
    std::ifstream file(file_, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(file), {});
  }
  const std::string name = "scoreboard " + file_.string() + ": ";
  EXPECT_EQ(error_of(bytes), "nothing");
  EXPECT_EQ(error_of(bytes.substr(0, bytes.size() - 1)).substr(0, name.size() + 12), name + "is truncated");
  EXPECT_EQ(error_of(bytes.substr(0, 100)), name + "is no scoreboard");
  EXPECT_EQ(error_of(""), name + "is no scoreboard");
  bytes[8] ^= 1;
  EXPECT_EQ(error_of(bytes), name + "was written by another version of Quartet");
}

TEST_F(WatchTest, DoesNotBelieveANumberOfSlotsThatOverflows) {
  Scoreboard scoreboard(file_, 4);
  scoreboard.board().slot_count += (UINT64_MAX / sizeof(http::Slot)) + 1;
  EXPECT_THROW(Watch watch(file_), std::runtime_error);
}

TEST_F(WatchTest, DoesNotWaitForTheWriterOfAFifo) {
  net::check(::mkfifo(file_.c_str(), 0600), "mkfifo");
  EXPECT_THROW(Watch watch(file_), std::runtime_error);
}

TEST_F(WatchTest, IsJsonWithTheLivesOfAll) {
  Scoreboard scoreboard(file_, 4);
  describe(scoreboard);
  scoreboard.take();
  Scoreboard::release(scoreboard.take());
  const auto answer = to_json(Watch(file_).look());
  EXPECT_EQ(answer["server"]["life"], "alive");
  EXPECT_EQ(answer["workers"][0]["life"], "alive");
  EXPECT_EQ(answer["workers"][1]["life"], nullptr);
}

}  // namespace
}  // namespace quartet::app
