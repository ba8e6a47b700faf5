// Who dies with a request that crashes: the question that the models answer differently.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>

#include "tests/servers/configuration.h"
#include "tests/servers/process_table.h"

namespace quartet::suite {
namespace {

class ContainmentTest : public ServerTest {
 protected:
  ServerProcess start_with_faults(std::vector<std::string> options = {}) const {
    options.emplace_back("--enable-faults");
    return start(options);
  }
};
QUARTET_EVERY_CONFIGURATION(ContainmentTest);

TEST_P(ContainmentTest, ACrashTakesDownWhatTheModelSays) {
  auto server = start_with_faults();
  TestClient bystander(server), faulty(server);
  // whoever goes down with the server is cut off at once; the others sleep to the end
  bystander.send(get(GetParam().has_parent ? "/sleep?ms=1000" : "/sleep?ms=60000"));
  faulty.get("/plaintext");
  server.await_taken();
  faulty.send(request("POST", "/fault/segv"));
  EXPECT_EQ(faulty.read_to_end().bytes, "");
  if (GetParam().has_parent) {
    EXPECT_EQ(bystander.read_answer().status, 200);
    EXPECT_EQ(TestClient(server).get("/healthz").status, 200);
    EXPECT_NE(server.err().find("was killed by signal 11"), std::string::npos);
  } else {
    EXPECT_EQ(server.wait_exit(), killed_by(SIGSEGV));
    EXPECT_EQ(bystander.read_to_end().bytes, "");
  }
}

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
  TestClient idle(server), faulty(server);
  idle.get("/plaintext");
  faulty.send(request("POST", "/fault/segv"));
  faulty.read_to_end();
  EXPECT_EQ(idle.get("/plaintext").status, 200);
}

TEST_P(ContainmentTest, PreforkReplacesAWorkerThatDies) {
  if (!GetParam().process_pool()) GTEST_SKIP() << "no workers to replace";
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

TEST_P(ContainmentTest, WithoutTheOptionThereAreNoFaults) {
  const auto server = start();
  TestClient client(server);
  EXPECT_EQ(client.exchange(request("POST", "/fault/segv")).status, 404);
  EXPECT_EQ(client.exchange(request("POST", "/fault/throw")).status, 404);
}

TEST_P(ContainmentTest, AFaultNeedsAPost) {
  const auto server = start_with_faults();
  TestClient client(server);
  EXPECT_EQ(client.get("/fault/segv").status, 405);
  EXPECT_EQ(client.get("/healthz").status, 200);
}

TEST_P(ContainmentTest, ADrainWorksAfterACrash) {
  if (!GetParam().has_parent) GTEST_SKIP() << "nothing outlives it";
  auto server = start_with_faults();
  TestClient faulty(server), bystander(server);
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
