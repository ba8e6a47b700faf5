// What a server does on each signal, and that nothing keeps it from obeying: no stopped worker, no reader of
// its log that has gone to sleep, nothing that whoever started it has left behind.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "tests/servers/configuration.h"
#include "tests/servers/full_pipe.h"
#include "tests/servers/process_table.h"

namespace quartet::suite {
namespace {

class SignalsTest : public ServerTest {
 protected:
  /// The server, and where it can have a parent the server below one.
  std::vector<std::vector<std::string>> variants(const std::vector<std::string>& options = {}) const {
    std::vector<std::vector<std::string>> all{options};
    if (!GetParam().has_parent) all.emplace_back(options).emplace_back("--supervise");
    return all;
  }
  std::vector<std::string> under_a_parent(const std::vector<std::string>& options = {}) const {
    return variants(options).back();
  }
};
QUARTET_EVERY_CONFIGURATION(SignalsTest);

TEST_P(SignalsTest, SeveralAtAnInstantAreOneWish) {
  for (const auto& options : variants()) {
    auto server = start(options);
    TestClient client(server);
    client.send(get("/sleep?ms=500"));
    server.await_taken();
    server.freeze();  // all of them are there when it goes on
    for (const int number : {SIGTERM, SIGINT, SIGQUIT, SIGHUP}) server.signal_group(number);
    server.signal_group(SIGCONT);
    EXPECT_EQ(client.read_answer().status, 200);
    client.close();
    EXPECT_EQ(server.wait_exit(), exited(0));
  }
}

TEST_P(SignalsTest, SighupDrainsEvenTheWholeGroup) {
  for (const auto& options : variants()) {
    auto server = start(options);
    TestClient client(server);
    client.send(get("/sleep?ms=300"));
    server.await_taken();
    server.signal_group(SIGHUP);  // as a terminal that is closed
    EXPECT_EQ(client.read_answer().status, 200);
    client.close();
    EXPECT_EQ(server.wait_exit(), exited(0));
  }
}

TEST_P(SignalsTest, SighupMeansNothingUnderNohup) {
  for (const auto& options : variants()) {
    ServerProcess server(after("trap '' HUP", GetParam().command(options)));
    server.signal_group(SIGHUP);
    EXPECT_EQ(TestClient(server).get("/plaintext").status, 200);
    server.signal(SIGTERM);
    EXPECT_EQ(server.wait_exit(), exited(0));
    EXPECT_EQ(server.processes(), std::vector<pid_t>());
  }
}

TEST_P(SignalsTest, OthersThatPeopleSendAreIgnored) {
  for (const auto& options : variants()) {
    auto server = start(options);
    TestClient client(server);
    client.get("/plaintext");
    for (const int number : {SIGUSR1, SIGUSR2, SIGALRM, SIGPIPE}) server.signal_group(number);
    EXPECT_EQ(client.get("/plaintext").status, 200);
    client.close();
    server.signal(SIGTERM);
    EXPECT_EQ(server.wait_exit(), exited(0));
  }
}

TEST_P(SignalsTest, WhatWhoeverStartedItIgnoresOrBlocksIsHeard) {
  for (const auto& options : variants()) {
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    ServerProcess server(after("trap '' CHLD TERM ALRM", GetParam().command(options)));
    sigprocmask(SIG_SETMASK, &before, nullptr);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(TestClient(server).get("/plaintext").status, 200);
    server.signal(SIGTERM);
    EXPECT_EQ(server.wait_exit(), exited(0));
  }
}

TEST_P(SignalsTest, AStoppedWorkerDoesNotOutliveTheDrainTimeout) {
  auto server = start(under_a_parent({"--drain-timeout", "100ms"}));
  TestClient client(server);
  client.send(get("/stream?chunks=2&interval_ms=60000"));
  client.receive_until(1);  // a process that is just forked would not yet be bound to die with its parent
  for (const pid_t process : server.processes())
    if (process != server.pid()) kill(process, SIGSTOP);
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait_exit(), exited(3));
  EXPECT_NE(server.err().find(" cut\n"), std::string::npos) << server.err();
  EXPECT_TRUE(eventually([&] { return server.processes().empty(); }));
  EXPECT_FALSE(client.read_to_end().bytes.ends_with("0\r\n\r\n"));
}

TEST_P(SignalsTest, AStoppedProcessOfARequestDoesNotOutliveTheDrainTimeout) {
  if (!GetParam().process_per_request) GTEST_SKIP() << "requests have no process of their own";
  auto server = start({"--drain-timeout", "100ms"});
  TestClient client(server);
  client.send(get("/stream?chunks=2&interval_ms=60000"));
  client.receive_until(1);  // a process that is just forked would not yet be bound to die with its parent
  pid_t leaf = 0;
  EXPECT_TRUE(eventually([&] {
    for (const auto& member : session_members(server.pid()))
      if (member.parent != server.pid() && member.pid != server.pid()) leaf = member.pid;
    return leaf != 0;
  }));
  kill(leaf, SIGSTOP);
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait_exit(), exited(3));
  EXPECT_TRUE(eventually([&] { return server.processes().empty(); }));
}

TEST_P(SignalsTest, AStoppedWorkerDoesNotOutliveASecondSignal) {
  auto server = start(under_a_parent({"--drain-timeout", "0"}));
  TestClient client(server);
  client.send(get("/stream?chunks=2&interval_ms=60000"));
  client.receive_until(1);  // a process that is just forked would not yet be bound to die with its parent
  for (const pid_t process : server.processes())
    if (process != server.pid()) kill(process, SIGSTOP);
  insist(server, SIGTERM);
  EXPECT_EQ(server.wait_exit(), exited(3));
  EXPECT_TRUE(eventually([&] { return server.processes().empty(); }));
}

// --- a log that nobody has read for a while

TEST_P(SignalsTest, ALogThatIsReadAgainSaysWhatWasLost) {
  FullPipe log;
  ServerProcess server(after(log.become("2"), GetParam().command({"--drain-timeout", "60s"})));
  TestClient client(server);
  client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\n0");
  server.await_taken();
  server.signal(SIGTERM);  // "draining" is lost
  ASSERT_TRUE(eventually([&] { return refuses(server.endpoint()); }));
  log.read_all();
  client.send("1");
  EXPECT_EQ(client.read_answer().status, 200);
  client.close();
  EXPECT_EQ(server.wait_exit(), exited(0));
  const auto said = log.read_all();
  EXPECT_NE(said.find("]: 1 line lost: nobody read the log\n"), std::string::npos) << said;
  EXPECT_NE(said.find("]: drained\n"), std::string::npos) << said;
}

// --- descriptors that whoever started it has closed

TEST_P(SignalsTest, AnErrorThatCannotBeSaidKeepsItsStatus) {
  for (const auto* setup : {"exec 2>&-", "exec 2>/dev/full"}) {
    EXPECT_EQ(run(after(setup, server_command(GetParam().executable, {"--workers", "none"}))).ending,
              exited(2))
        << setup;
    EXPECT_EQ(run(after(setup, server_command(GetParam().executable, {"--scoreboard", "/"}))).ending,
              exited(1))
        << setup;
  }
}

TEST_P(SignalsTest, AClosedStderrIsNoClientsSocket) {
  for (const auto& options : variants()) {
    ServerProcess server(after("exec 0<&- 2>&-", GetParam().command(options)));
    for (const auto* descriptor : {"0", "2"}) {
      const auto link = "/proc/" + std::to_string(server.pid()) + "/fd/" + descriptor;
      EXPECT_EQ(std::filesystem::read_symlink(link), "/dev/null");
    }
    std::vector<TestClient> clients;
    for (int i = 0; i < 4; ++i) clients.emplace_back(server).get("/plaintext");
    server.signal(SIGTERM);  // it says "draining"
    for (auto& client : clients) {
      const auto rest = client.read_to_end();
      EXPECT_EQ(rest.bytes, "");
      EXPECT_EQ(rest.end, End::eof);
      client.close();
    }
    EXPECT_EQ(server.wait_exit(), exited(0));
  }
}

}  // namespace
}  // namespace quartet::suite
