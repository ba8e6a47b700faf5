// What is left of a server when a request crashes: its connections, its workers, its drain.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>

#include "tests/servers/others.h"
#include "tests/servers/process_table.h"

namespace quartet::suite {
namespace {

class ContainmentTest : public ServerTest {
 protected:
  /// Whom the crash of that client's worker does not meet.
  static TestClient client_beside(const ServerProcess& server, TestClient& faulty) {
    if (!GetParam().loops_in_processes()) return TestClient(server);
    return another_client(server, faulty, /*same_worker=*/false);
  }
};
QUARTET_EVERY_CONFIGURATION(ContainmentTest);

TEST_P(ContainmentTest, TheAnswersBeforeACrashArrive) {
  const auto server = start_with_faults();
  TestClient client(server);
  client.send(get("/plaintext") + get("/json") + request("POST", "/fault/segv"));
  EXPECT_EQ(client.read_answer().body, "Hello, World!");
  EXPECT_EQ(client.read_answer().status, 200);
  EXPECT_EQ(client.read_to_end().bytes, "");
}

TEST_P(ContainmentTest, AnIdleConnectionOutlivesTheCrashOfAnother) {
  if (!GetParam().has_parent) GTEST_SKIP() << "nothing outlives it";
  const auto server = start_with_faults();
  TestClient faulty(server);
  TestClient idle = client_beside(server, faulty);
  idle.get("/plaintext");
  faulty.send(request("POST", "/fault/segv"));
  faulty.read_to_end();
  EXPECT_EQ(idle.get("/plaintext").status, 200);
}

TEST_P(ContainmentTest, AParentReplacesAWorkerThatDies) {
  if (!GetParam().worker_processes()) GTEST_SKIP() << "no workers to replace";
  const auto server = start_with_faults({"--workers", "2"});
  const auto before = server.children();
  for (int crash = 0; crash < 3; ++crash) {
    TestClient client(server);
    client.send(request("POST", "/fault/segv"));
    client.read_to_end();
    EXPECT_TRUE(eventually([&] { return server.children().size() == 2; }));
  }
  EXPECT_NE(server.children(), before);
  TestClient first(server), second(server);
  EXPECT_EQ(first.get("/healthz").status, 200);
  EXPECT_EQ(second.get("/healthz").status, 200);
}

TEST_P(ContainmentTest, CrashesLeaveNoConnectionInTheCounts) {
  if (!GetParam().has_parent) GTEST_SKIP() << "nothing outlives it";
  const auto server = start_with_faults({"--max-connections", "2", "--keep-alive-timeout", "60s"});
  for (int crash = 0; crash < 5; ++crash) {
    TestClient client(server);
    client.send(request("POST", "/fault/segv"));
    client.read_to_end();
  }
  TestClient first(server), second(server);  // as many as ever are admitted
  EXPECT_EQ(first.get("/healthz").status, 200);
  EXPECT_EQ(second.get("/healthz").status, 200);
}

TEST_P(ContainmentTest, AThrowingHandlerIsA500AndEverybodyLives) {
  auto server = start_with_faults();
  TestClient bystander(server), faulty(server);
  bystander.send(get("/sleep?ms=300"));
  EXPECT_EQ(faulty.exchange(request("POST", "/fault/throw")).status, 500);
  EXPECT_EQ(bystander.read_answer().status, 200);
  EXPECT_EQ(TestClient(server).get("/healthz").status, 200);
  EXPECT_EQ(server.err().find("was killed"), std::string::npos);
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait_exit(), exited(0));
}

TEST_P(ContainmentTest, ADrainWorksAfterACrash) {
  if (!GetParam().has_parent) GTEST_SKIP() << "nothing outlives it";
  auto server = start_with_faults();
  TestClient faulty(server);
  TestClient bystander = client_beside(server, faulty);
  faulty.send(request("POST", "/fault/segv"));
  faulty.read_to_end();
  bystander.send(get("/sleep?ms=500"));
  server.await_taken();
  server.signal(SIGTERM);
  EXPECT_EQ(bystander.read_answer().status, 200);
  bystander.close();
  EXPECT_EQ(server.wait_exit(), exited(0));
  EXPECT_EQ(server.processes(), std::vector<pid_t>());
}

TEST_P(ContainmentTest, NoProcessIsLeftUnreaped) {
  if (!GetParam().has_parent) GTEST_SKIP() << "no processes come and go";
  const auto server = start();
  for (int i = 0; i < 50; ++i) TestClient(server).get("/plaintext");
  EXPECT_TRUE(eventually([&] {
    const auto members = session_members(server.pid());
    return std::none_of(members.begin(), members.end(), [](const auto& member) { return member.zombie(); });
  }));
}

}  // namespace
}  // namespace quartet::suite
