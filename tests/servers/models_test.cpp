// What a model promises about clients at the same time: who waits for whom.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/servers/configuration.h"

namespace quartet::suite {
namespace {

using ModelsTest = ServerTest;
QUARTET_EVERY_CONFIGURATION(ModelsTest);

TEST_P(ModelsTest, ASleepingRequestDelaysNobody) {
  const auto server = start();
  TestClient sleeper(server), other(server);
  sleeper.send(get("/sleep?ms=60000"));
  server.await_taken();
  EXPECT_EQ(other.get("/plaintext").status, 200);
  EXPECT_EQ(other.get("/sleep?ms=10").status, 200);
}

TEST_P(ModelsTest, SleepsOfManyClientsOverlap) {
  const auto server = start_with_workers(40);
  const auto start_time = Clock::now();
  std::vector<TestClient> sleepers;
  for (int i = 0; i < 40; ++i) sleepers.emplace_back(server).send(get("/sleep?ms=500"));
  for (auto& sleeper : sleepers) EXPECT_EQ(sleeper.read_answer().status, 200);
  EXPECT_LT(Clock::now() - start_time, 15s);  // one after the other they take 20 s
}

TEST_P(ModelsTest, ABlockingHandlerHoldsUpALoopAndNobodyElse) {
  if (GetParam().several_loops) GTEST_SKIP() << "which loop has the other client is the kernel's choice";
  const auto server = start();
  TestClient other(server), blocker(server);
  other.get("/plaintext");
  blocker.send(get(GetParam().handlers_in_loop() ? "/block?ms=1000" : "/block?ms=60000"));
  server.await_taken();
  EXPECT_EQ(other.get("/plaintext").status, 200);
  EXPECT_EQ(blocker.silent_for(0ms), !GetParam().handlers_in_loop());  // a loop has answered it first
}

TEST_P(ModelsTest, ABlockedLoopLeavesNewcomersToTheLoopsOfOtherProcesses) {
  if (!GetParam().loops_in_processes()) GTEST_SKIP() << "no such loops";
  const auto server = start();
  TestClient blocker(server);
  blocker.send(get("/block?ms=60000"));
  server.await_taken();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(TestClient(server).get("/plaintext").status, 200);
  EXPECT_TRUE(blocker.silent_for(0ms));
}

TEST_P(ModelsTest, AClientBeyondThePoolWaitsForAWorker) {
  if (!GetParam().pool()) GTEST_SKIP() << "no pool";
  const auto server = start_with_workers(2);
  TestClient first(server), second(server), third(server);
  first.get("/plaintext");
  second.get("/plaintext");
  third.send(get("/plaintext"));
  EXPECT_TRUE(third.silent_for(300ms));
  first.close();
  EXPECT_EQ(third.read_answer().status, 200);
}

TEST_P(ModelsTest, RotationGivesWaitingClientsATurn) {
  if (!GetParam().pool()) GTEST_SKIP() << "no pool";
  const auto server = start({"--workers", "1", "--max-requests-per-connection", "5"});
  TestClient greedy(server), waiting(server);
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(greedy.get("/plaintext").closes());
  waiting.send(get("/plaintext"));
  EXPECT_TRUE(greedy.get("/plaintext").closes());
  greedy.close();
  EXPECT_EQ(waiting.read_answer().status, 200);
}

TEST_P(ModelsTest, AnswersBeforeASlowOneAreNotDelayed) {
  const auto server = start();
  TestClient client(server);
  client.send(get("/plaintext") + get("/sleep?ms=60000"));
  EXPECT_EQ(client.read_answer().body, "Hello, World!");
}

TEST_P(ModelsTest, AnswersBeforeABlockingOneAreNotDelayed) {
  const auto server = start();
  const auto start_time = Clock::now();
  TestClient client(server);
  client.send(get("/plaintext") + get("/block?ms=5000"));
  EXPECT_EQ(client.read_answer().body, "Hello, World!");
  EXPECT_LT(Clock::now() - start_time, 5s);
}

TEST_P(ModelsTest, ALongPipelineDoesNotStarveTheOthers) {
  const auto server = start();
  TestClient greedy(server), other(server);
  constexpr int kRequests = 900;
  std::string pipeline;
  for (int i = 0; i < kRequests; ++i) pipeline += get("/cpu?units=300");  // milliseconds each
  greedy.send(pipeline);
  EXPECT_TRUE(greedy.readable());
  const auto answer = other.get("/stats");
  EXPECT_EQ(answer.status, 200);
  const auto served = nlohmann::json::parse(answer.body).at("totals").at("requests");
  EXPECT_LT(served, kRequests) << "the pipeline was served to its end before";
}

TEST_P(ModelsTest, IdleConnectionsCostNoProcessorTime) {
  const auto server = start({"--keep-alive-timeout", "60s"});
  std::vector<TestClient> idle;
  for (int i = 0; i < 10; ++i) idle.emplace_back(server).get("/plaintext");
  const auto before = server.cpu_time();
  EXPECT_TRUE(idle.front().silent_for(1s));
  EXPECT_LT(server.cpu_time() - before, 300ms);
}

}  // namespace
}  // namespace quartet::suite
