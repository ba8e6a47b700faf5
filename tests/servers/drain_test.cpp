// The first signal drains: what was accepted and sent its bytes gets its answer, and nothing is left behind.
#include <gtest/gtest.h>

#include <csignal>
#include <map>
#include <stdexcept>

#include "tests/servers/configuration.h"
#include "tests/servers/process_table.h"

namespace quartet::suite {
namespace {

/// Stops the server while `act` happens, so that all of it is there when the server goes on.
template <typename Act>
void at_one_instant(ServerProcess& server, Act act) {
  server.freeze();
  act();
  server.signal_group(SIGCONT);
}

using DrainTest = ServerTest;
QUARTET_EVERY_CONFIGURATION(DrainTest);

/// So many requests in flight, and 20 connections behind them.
std::vector<TestClient> load(const ServerProcess& server, const std::string& target, int in_flight) {
  std::vector<TestClient> clients;
  for (int i = 0; i < in_flight; ++i) clients.emplace_back(server).send(get(target));
  server.await_taken();
  for (int i = 0; i < 20; ++i) clients.emplace_back(server).send(get(target));
  return clients;
}

/// Reads an answer and leaves, as "Connection: close" asks for. @return why there was none, or ""
std::string problem_of(TestClient& client) {
  try {
    const auto answer = client.read_answer();
    client.close();
    return answer.status == 200 ? "" : answer.head;
  } catch (const std::runtime_error& error) {
    return error.what();
  }
}

void expect_nothing_lost(ServerProcess& server, std::vector<TestClient>& clients) {
  std::map<std::string, int> lost;
  for (auto& client : clients) {
    if (const auto problem = problem_of(client); !problem.empty()) ++lost[problem];
  }
  EXPECT_EQ(lost, (std::map<std::string, int>()));
  EXPECT_EQ(server.wait_exit(), exited(0));
  EXPECT_EQ(server.processes(), std::vector<pid_t>());
}

TEST_P(DrainTest, FiftyInFlightAndTwentyQueuedAreAllAnswered) {
  auto server = start_with_workers(50);
  auto clients = load(server, "/sleep?ms=500", 50);
  server.signal(SIGTERM);
  expect_nothing_lost(server, clients);
}

TEST_P(DrainTest, AQueueLongerThanThePoolIsAnswered) {
  auto server = start();
  auto clients = load(server, "/sleep?ms=500", 16);
  for (int i = 0; i < 34; ++i) clients.emplace_back(server).send(get("/sleep?ms=500"));
  server.signal(SIGTERM);
  expect_nothing_lost(server, clients);
}

TEST_P(DrainTest, ASignalToTheWholeGroupLosesNothing) {
  for (const int number : {SIGTERM, SIGINT, SIGQUIT}) {
    SCOPED_TRACE(number);
    auto server = start_with_workers(50);
    auto clients = load(server, "/sleep?ms=200", 50);
    server.signal_group(number);
    expect_nothing_lost(server, clients);
  }
}

TEST_P(DrainTest, ABlockingHandlerIsWaitedFor) {
  auto server = start();
  TestClient client(server);
  client.send(get("/block?ms=400"));
  server.await_taken();
  server.signal(SIGTERM);
  EXPECT_EQ(problem_of(client), "");
  EXPECT_EQ(server.wait_exit(), exited(0));
}

/// Longer than a test waits: whoever waits for it does not end in time.
const std::vector<std::string> kLongDrain{"--drain-timeout", "60s"};

TEST_P(DrainTest, AnIdleServerExitsAtOnceOnEverySignalThatMeansIt) {
  for (const int number : {SIGTERM, SIGINT, SIGQUIT, SIGHUP}) {
    SCOPED_TRACE(number);
    auto server = start(kLongDrain);
    server.signal(number);
    EXPECT_EQ(server.wait_exit(), exited(0));
    EXPECT_EQ(server.processes(), std::vector<pid_t>());
  }
}

TEST_P(DrainTest, AnIdleConnectionIsClosedWithoutAWord) {
  auto server = start(kLongDrain);
  TestClient client(server);
  client.get("/plaintext");
  server.signal(SIGTERM);
  const auto rest = client.read_to_end();
  EXPECT_EQ(rest.end, End::eof);
  EXPECT_EQ(rest.bytes, "");
  EXPECT_EQ(server.wait_exit(), exited(0));
}

TEST_P(DrainTest, AClientThatNeverSaidAnythingDoesNotHoldIt) {
  auto server = start(kLongDrain);
  TestClient client(server);
  server.await_taken();
  server.signal(SIGTERM);
  EXPECT_EQ(client.read_to_end().end, End::eof);
  EXPECT_EQ(server.wait_exit(), exited(0));
}

TEST_P(DrainTest, ARequestSentJustBeforeIsAnsweredAsTheLast) {
  auto server = start();
  TestClient client(server);
  client.get("/plaintext");
  at_one_instant(server, [&] {
    client.send(get("/plaintext"));
    server.signal_group(SIGTERM);
  });
  const auto answer = client.read_answer();
  EXPECT_EQ(answer.status, 200);
  // Another thread may read the request before one has taken the signal; then the connection is closed as an
  // idle one.
  EXPECT_TRUE(answer.closes() || GetParam().starts_threads());
  EXPECT_EQ(client.read_to_end().end, End::eof);
  client.close();
  EXPECT_EQ(server.wait_exit(), exited(0));
}

TEST_P(DrainTest, AConnectionThatNobodyHasAcceptedYetIsAnswered) {
  auto server = start();
  std::vector<TestClient> clients;
  at_one_instant(server, [&] {
    for (int i = 0; i < 20; ++i) clients.emplace_back(server).send(get("/plaintext"));
    server.signal_group(SIGTERM);
  });
  expect_nothing_lost(server, clients);
}

TEST_P(DrainTest, ARequestThatIsStillComingIsAnswered) {
  auto server = start();
  TestClient client(server);
  client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n01234");
  server.await_taken();
  server.signal_group(SIGTERM);  // a parent might pass it on only after it has closed the listener
  ASSERT_TRUE(eventually([&] { return refuses(server.endpoint()); }));
  client.send("56789");
  const auto answer = client.read_answer();
  client.close();
  EXPECT_EQ(answer.body, "0123456789");
  EXPECT_TRUE(answer.closes());
  EXPECT_EQ(server.wait_exit(), exited(0));
}

TEST_P(DrainTest, ALargeAnswerIsSentToItsEnd) {
  auto server = start();
  TestClient client(server.endpoint(), /*receive_buffer=*/65536);
  client.send(get("/bytes?n=16000000"));
  EXPECT_TRUE(client.readable());
  server.signal(SIGTERM);
  ASSERT_TRUE(eventually([&] { return refuses(server.endpoint()); }));
  EXPECT_EQ(client.read_answer().body.size(), 16'000'000u);
  client.close();
  EXPECT_EQ(server.wait_exit(), exited(0));
}

TEST_P(DrainTest, AStreamIsSentToItsEnd) {
  auto server = start();
  TestClient client(server);
  client.send(get("/stream?chunks=5&interval_ms=100"));
  EXPECT_TRUE(client.readable());
  server.signal(SIGTERM);
  const auto answer = client.read_answer();
  client.close();
  EXPECT_NE(answer.body.find("5 of 5"), std::string::npos) << answer.body;
  EXPECT_EQ(server.wait_exit(), exited(0));
}

TEST_P(DrainTest, OneMoreRequestIsTheLastOfAPipeline) {
  for (auto sleep = 500ms;; sleep *= 2) {  // on a slow machine the first may end before the drain begins
    auto server = start(kLongDrain);
    TestClient client(server);
    const auto sent = std::chrono::steady_clock::now();
    client.send(get("/sleep?ms=" + std::to_string(sleep.count())) + get("/plaintext") + get("/plaintext"));
    server.await_taken();
    server.signal_group(SIGTERM);  // a parent might pass it on only after it has closed the listener
    ASSERT_TRUE(eventually([&] { return refuses(server.endpoint()); }));
    // Whoever sleeps looks at every tick whether a drain has begun: it must have time to do so.
    if (std::chrono::steady_clock::now() - sent >= sleep / 4) continue;
    const auto answer = client.read_answer();
    EXPECT_EQ(answer.status, 200);
    EXPECT_TRUE(answer.closes());
    EXPECT_EQ(client.read_to_end().bytes, "");
    client.close();
    EXPECT_EQ(server.wait_exit(), exited(0));
    return;
  }
}

TEST_P(DrainTest, NewConnectionsAreRefused) {
  auto server = start({"--drain-timeout", "60s"});
  TestClient client(server);
  client.send(get("/sleep?ms=60000"));
  server.await_taken();
  server.signal(SIGTERM);
  EXPECT_TRUE(eventually([&] { return refuses(server.endpoint()); }));
  EXPECT_TRUE(server.running());
}

TEST_P(DrainTest, ASecondSignalIsImmediate) {
  auto server = start();
  TestClient client(server);
  client.send(get("/sleep?ms=60000"));
  server.await_taken();
  server.signal(SIGTERM);
  ASSERT_TRUE(eventually([&] { return refuses(server.endpoint()); }));
  insist(server, SIGTERM);
  EXPECT_EQ(server.wait_exit(), exited(3));
  EXPECT_TRUE(eventually([&] { return server.processes().empty(); }));
}

TEST_P(DrainTest, WhatIsLeftAtTheDrainTimeoutIsCutAndCounted) {
  auto server = start({"--drain-timeout", "500ms"});
  std::vector<TestClient> clients;
  for (int i = 0; i < 3; ++i) clients.emplace_back(server).send(get("/sleep?ms=60000"));
  server.await_taken();
  const auto start_time = Clock::now();
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait_exit(), exited(3));
  EXPECT_GE(Clock::now() - start_time, 500ms);
  EXPECT_NE(server.err().find(" 3 connections cut\n"), std::string::npos) << server.err();
  EXPECT_TRUE(eventually([&] { return server.processes().empty(); }));  // a request's process dies last
  for (auto& client : clients) EXPECT_EQ(client.read_to_end().bytes, "");
}

TEST_P(DrainTest, AHungHandlerDoesNotOutliveTheDrainTimeout) {
  auto server = start({"--drain-timeout", "100ms"});
  TestClient client(server);
  client.send(get("/block?ms=60000"));
  server.await_taken();
  server.signal(SIGTERM);
  const auto ending = server.wait_exit();
  EXPECT_TRUE(ending == killed_by(SIGALRM) || (ending == exited(3) && !GetParam().hangs_with_handlers()))
      << testing::PrintToString(ending);
  EXPECT_TRUE(eventually([&] { return server.processes().empty(); }));
}

TEST_P(DrainTest, ADrainWithoutALimitWaits) {
  auto server = start({"--drain-timeout", "0"});
  TestClient client(server);
  client.send(get("/sleep?ms=400"));
  server.await_taken();
  server.signal(SIGTERM);
  EXPECT_EQ(problem_of(client), "");
  EXPECT_EQ(server.wait_exit(), exited(0));
}

TEST_P(DrainTest, ThePortIsFreeAfterwards) {
  auto server = start();
  TestClient(server).get("/plaintext");
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait_exit(), exited(0));
  auto command = GetParam().command();
  command.arguments[1] = "127.0.0.1:" + std::to_string(server.port());
  const ServerProcess successor(command);
  EXPECT_EQ(TestClient(successor).get("/plaintext").status, 200);
}

}  // namespace
}  // namespace quartet::suite
