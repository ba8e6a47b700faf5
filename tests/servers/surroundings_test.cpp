// What a server is started in, or has taken from it: a log that takes no line, a scoreboard that is emptied,
// memory.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/servers/full_pipe.h"
#include "tests/servers/memory_group.h"
#include "tests/servers/others.h"
#include "tests/servers/small_disk.h"
#include "tests/servers/text.h"

namespace quartet::suite {
namespace {

namespace fs = std::filesystem;

/// Where the log's lines go, as a line of bash.
struct Log {
  const char* fault;
  std::string line;
};

class SurroundingsTest : public ServerTest {
 protected:
  /// The C library writes to stderr itself when it finds the heap damaged; a sanitizer has a heap of its own.
  static bool aborts() { return GetParam().sanitizers.empty(); }
  std::vector<Log> full_logs() const {
    return {{"log-pipe-full", pipe_.become("2")}, {"log-disk-full", "exec 2>/dev/full"}};
  }

 private:
  FullPipe pipe_;
};
QUARTET_EVERY_CONFIGURATION(SurroundingsTest);

void expect_cut_off(const ServerProcess& server, const std::string& request) {
  TestClient faulty(server);
  faulty.send(request);
  const auto rest = faulty.read_to_end();
  EXPECT_EQ(rest.bytes, "");
  EXPECT_NE(rest.end, End::none);
}

TEST_P(SurroundingsTest, AParentThatCannotSayThatAWorkerDiedGoesOn) {
  for (const auto& log : full_logs()) {
    SCOPED_TRACE(log.fault);
    if (const auto reason = why_not(GetParam(), log.fault); !reason.empty()) GTEST_SKIP() << reason;
    const CatalogueCase fault(GetParam(), log.fault);
    ServerProcess server(after(log.line, Others::command(GetParam(), fault, 1)));
    Others others(server, fault);
    std::vector<std::string> posts{fault.post(), request("POST", "/fault/exit")};
    if (aborts()) posts.push_back(request("POST", "/fault/double-free"));
    for (const auto& post : posts) {
      expect_cut_off(server, post);
      if (GetParam().loops_in_processes()) {  // some of the others may be of the worker that dies
        EXPECT_EQ(TestClient(server).get("/plaintext").status, 200);
      } else {
        others.expect_served();  // of a pool's workers all but the one that takes its place are held
      }
    }
    EXPECT_TRUE(fault.expects(GetParam().loops_in_processes() ? "worker lost" : "connection none"));
    server.signal(SIGTERM);
    EXPECT_EQ(server.wait_exit(), exited(0));
  }
}

TEST_P(SurroundingsTest, ASupervisorThatCannotSayThatItsServerDiedStartsItAgain) {
  if (GetParam().has_parent) GTEST_SKIP() << "it needs no supervisor";
  for (const auto& log : full_logs()) {
    SCOPED_TRACE(log.fault);
    ServerProcess server(after(log.line, GetParam().command({"--enable-faults", "--supervise"})));
    std::vector<std::string> faults{"/fault/exit", "/fault/throw-uncaught", "/fault/segv"};
    if (aborts()) faults.emplace_back("/fault/double-free");
    for (const auto& fault : faults) {
      expect_cut_off(server, request("POST", fault));
      EXPECT_EQ(TestClient(server).get("/plaintext").status, 200);
    }
    server.signal(SIGTERM);
    EXPECT_EQ(server.wait_exit(), exited(0));
  }
}

TEST_P(SurroundingsTest, ATruncatedScoreboardHarmsNobody) {
  const CatalogueCase fault(GetParam(), "scoreboard-truncated");
  if (!fault.sanitizer().empty()) GTEST_SKIP() << fault.sanitizer();
  const auto file = testing::TempDir() + "truncated." + std::to_string(::getpid());
  for (const std::vector<std::string>& more : {std::vector<std::string>{}, {"--supervise"}}) {
    if (!more.empty() && GetParam().has_parent) continue;
    auto options = more;
    options.insert(options.end(), {"--scoreboard", file});
    ServerProcess server(Others::command(GetParam(), fault, 1, options));
    Others others(server, fault);
    fs::resize_file(file, 0);
    others.expect_served();
    const auto stats = nlohmann::json::parse(TestClient(server).get("/stats").body);
    EXPECT_EQ(stats["server"]["model"], GetParam().executable) << stats;
    for (const auto& [phase, open] : stats["totals"]["gauges"].items())
      EXPECT_LT(open, 1000) << phase << " went below 0";
    server.signal(SIGTERM);
    EXPECT_EQ(server.wait_exit(), exited(0));
    EXPECT_EQ(count(server.err(), "scoreboard " + file + ": somebody has truncated it"), 1u) << server.err();
    fs::remove(file);
  }
  EXPECT_TRUE(fault.expects("nobody none"));
}

TEST_P(SurroundingsTest, AServerWithoutRoomForItsScoreboardServesAllTheSame) {
  const CatalogueCase fault(GetParam(), "scoreboard-full");
  const SmallDisk disk(4 << 10, "/dev/shm");
  if (!disk.trouble().empty()) GTEST_SKIP() << disk.trouble();
  const ServerProcess server(Others::command(GetParam(), fault, 2));
  EXPECT_TRUE(has(server.err(), ": No space left on device; only /stats will show the counters\n"))
      << server.err();
  Others others(server, fault);
  TestClient faulty(server);
  EXPECT_EQ(faulty.exchange(fault.post()).status, 500);
  others.expect_served();
  EXPECT_EQ(faulty.get("/plaintext").status, 200) << "its connection goes on";
  EXPECT_TRUE(fault.expects("request none"));
}

TEST_P(SurroundingsTest, WhereMemoryRunsOutTheProcessIsKilledThatHasTakenIt) {
  const CatalogueCase fault(GetParam(), "oom-kill");
  const MemoryGroup group(192 << 20);  // less than the fault asks for; sanitizers take some of it
  if (!group.trouble().empty()) GTEST_SKIP() << group.trouble();
  ServerProcess server(after(group.enter(), Others::command(GetParam(), fault, 1)));
  Others others(server, fault);
  expect_cut_off(server, fault.post());
  if (GetParam().has_parent) {
    EXPECT_TRUE(fault.expects(GetParam().loops_in_processes() ? "worker lost" : "connection none"));
    if (!GetParam().loops_in_processes()) others.expect_served();
    EXPECT_EQ(TestClient(server).get("/plaintext").status, 200);
    EXPECT_TRUE(eventually([&] { return has(server.err(), "was killed by signal 9"); })) << server.err();
    EXPECT_TRUE(server.running());
  } else {
    EXPECT_TRUE(fault.expects("server lost"));
    EXPECT_EQ(server.wait_exit(), killed_by(SIGKILL));
    others.expect_the_end();
  }
}

}  // namespace
}  // namespace quartet::suite
