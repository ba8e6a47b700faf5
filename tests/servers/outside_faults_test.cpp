// Faults that come from outside, as signals to the server's processes: whom a stopped or killed process takes
// along; and whom it harms when no new process lives.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>
#include <optional>

#include "tests/servers/others.h"
#include "tests/servers/process_table.h"
#include "tests/servers/text.h"

namespace quartet::suite {
namespace {

class OutsideFaultsTest : public ServerTest {
 protected:
  /// The process that serves a client, who must be the only one.
  pid_t worker_of(const ServerProcess& server, TestClient& client) const {
    const auto whoami = nlohmann::json::parse(client.get("/whoami").body);
    if (GetParam().process_per_request) return server.children().at(0);  // the one who answers is gone by now
    return whoami.at("pid");
  }

  /// Those whom the fault of that client's worker does not meet, where its worker has many.
  static Others others_beside(const ServerProcess& server, const CatalogueCase& fault, TestClient& served) {
    return GetParam().loops_in_processes() ? Others(server, fault, served) : Others(server, fault);
  }

  /// Somebody else whom the same process serves, if it serves others.
  static std::optional<TestClient> fellow_of(const ServerProcess& server, TestClient& served) {
    if (!GetParam().loops_in_processes()) return std::nullopt;
    return another_client(server, served, /*same_worker=*/true);
  }
};
QUARTET_EVERY_CONFIGURATION(OutsideFaultsTest);

/// Returns when it stands still.
void stop(const ServerProcess& server, pid_t process) {
  kill(process, SIGSTOP);
  EXPECT_TRUE(eventually([&] {
    return std::ranges::any_of(session_members(server.pid()), [&](const ProcessEntry& entry) {
      return entry.pid == process && entry.stopped();
    });
  }));
}

TEST_P(OutsideFaultsTest, WhoIsServedByAStoppedProcessWaitsUntilItGoesOn) {
  const CatalogueCase fault(GetParam(), "stop-continue");
  const ServerProcess server(Others::command(GetParam(), fault, 2));
  TestClient served(server);
  const pid_t worker = worker_of(server, served);
  std::optional<TestClient> fellow = fellow_of(server, served);
  Others others = others_beside(server, fault, served);
  stop(server, worker);
  served.send(fault.load());
  if (fault.expects("worker delayed")) {
    others.expect_served();
  } else {
    EXPECT_TRUE(fault.expects("server delayed"));
    others.expect_silence();
  }
  if (fellow) fellow->send(fault.load());
  EXPECT_TRUE(served.silent_for(kWatch));
  if (fellow) {
    EXPECT_TRUE(fellow->silent_for(kWatch));
  }
  kill(worker, SIGCONT);
  EXPECT_EQ(served.read_answer().status, 200);
  if (fellow) {
    EXPECT_EQ(fellow->read_answer().status, 200);
  }
  others.expect_served();
}

TEST_P(OutsideFaultsTest, WhoIsServedByAKilledProcessIsCutOff) {
  const CatalogueCase fault(GetParam(), "kill-worker");
  ServerProcess server(Others::command(GetParam(), fault, 1));
  TestClient served(server);
  const pid_t worker = worker_of(server, served);
  std::optional<TestClient> fellow = fellow_of(server, served);
  Others others = others_beside(server, fault, served);
  served.send(get("/sleep?ms=60000"));
  server.await_taken();
  kill(worker, SIGKILL);
  const auto rest = served.read_to_end();
  EXPECT_EQ(rest.bytes, "");
  EXPECT_NE(rest.end, End::none);
  if (fellow) {
    EXPECT_NE(fellow->read_to_end().end, End::none);
  }
  if (fault.expects("worker lost")) {
    others.expect_served();  // of a pool's workers all but the one that takes its place are held
    EXPECT_TRUE(eventually([&] { return has(server.err(), "was killed by signal 9"); })) << server.err();
    EXPECT_TRUE(server.running());
  } else {
    EXPECT_TRUE(fault.expects("server lost"));
    EXPECT_EQ(server.wait_exit(), killed_by(SIGKILL));
    others.expect_the_end();
  }
}

TEST_P(OutsideFaultsTest, TheWorkersOfAKilledParentAnswerWhatTheyHaveAndGoAway) {
  const bool has_parent = why_not(GetParam(), "kill-parent").empty();
  std::vector<std::string> options{"--keep-alive-timeout", "60s"};  // or the idle client is closed anyway
  if (!has_parent) options.emplace_back("--supervise");
  auto server = start(options);
  TestClient idle(server), busy(server);
  idle.get("/plaintext");
  busy.send(get("/sleep?ms=500"));
  server.await_taken();
  server.signal(SIGKILL);
  EXPECT_EQ(busy.read_answer().status, 200);  // to them it is a drain
  busy.close();
  const auto rest = idle.read_to_end();
  EXPECT_EQ(rest.bytes, "");
  EXPECT_EQ(rest.end, End::eof);
  EXPECT_EQ(server.wait_exit(), killed_by(SIGKILL));
  EXPECT_TRUE(eventually([&] { return server.processes().empty(); }));
  EXPECT_TRUE(refuses(server.endpoint())) << "nobody lets newcomers in";
  if (has_parent) {
    EXPECT_TRUE(CatalogueCase(GetParam(), "kill-parent").expects("server lost"));
  }
}

/// Kills whoever that process forks, at its first prctl(2): with it a worker asks to be told of its parent's
/// death, before it serves anybody. Ends with the strace(1) that does it.
ChildProcess kill_the_children_of(pid_t parent) {
  return ChildProcess({.executable = "strace",
                       .arguments = {"-f", "-o", "/dev/null", "-e", "trace=prctl", "-e",
                                     "inject=prctl:signal=SIGKILL", "-p", std::to_string(parent)}});
}

TEST_P(OutsideFaultsTest, WhoIsServedGoesOnWhileEveryNewProcessDies) {
  if (const auto reason = why_not(GetParam(), "crash-loop"); !reason.empty()) GTEST_SKIP() << reason;
  const CatalogueCase fault(GetParam(), "crash-loop");
  ServerProcess server(Others::command(GetParam(), fault, 2));
  TestClient served(server);
  const pid_t worker = worker_of(server, served);
  std::optional<TestClient> fellow = fellow_of(server, served);
  Others others = others_beside(server, fault, served);
  {
    ChildProcess loop = kill_the_children_of(server.pid());
    ASSERT_TRUE(eventually([&] { return is_traced(server.pid()) || !loop.running(); }));
    if (!loop.running()) GTEST_SKIP() << "strace may not trace here: " << loop.err();
    kill(worker, SIGKILL);
    if (fellow) {
      EXPECT_NE(fellow->read_to_end().end, End::none);
    }
    if (fault.expects("worker lost")) {
      const auto deaths = [&] { return count(server.err(), "was killed by signal 9"); };
      EXPECT_TRUE(eventually([&] { return deaths() > 3; })) << "nobody is replaced";
      others.expect_served();
    } else {
      EXPECT_TRUE(fault.expects("server lost"));
      TestClient newcomer(server);
      newcomer.send(fault.load());
      const auto rest = newcomer.read_to_end();
      EXPECT_EQ(rest.bytes, "");
      EXPECT_NE(rest.end, End::none);
    }
    loop.signal(SIGTERM);
    loop.wait_exit();
  }
  others.expect_served();  // who was connected still is
  EXPECT_TRUE(server.running());
}

}  // namespace
}  // namespace quartet::suite
