// What one client may cost. Nothing is accepted and then refused; every refusal arrives.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/servers/configuration.h"

namespace quartet::suite {
namespace {

using LimitsTest = ServerTest;
QUARTET_EVERY_CONFIGURATION(LimitsTest);

/// The answer is read whole, and what follows is the end, not a reset.
void expect_last_answer(TestClient& client, int status) {
  const auto answer = client.read_answer();
  EXPECT_EQ(answer.status, status);
  EXPECT_TRUE(answer.closes());
  const auto rest = client.read_to_end();
  EXPECT_EQ(rest.end, End::eof);
  EXPECT_EQ(rest.bytes, "");
}

TEST_P(LimitsTest, ARequestLineOfTheLimitPassesAndALongerOneIs414) {
  const auto server = start({"--max-request-line", "100"});
  const std::string overhead = "GET  HTTP/1.1";
  TestClient client(server);
  EXPECT_EQ(client.get("/" + std::string(99 - overhead.size(), 'x')).status, 404);
  client.send(get("/" + std::string(100 - overhead.size(), 'x')));
  expect_last_answer(client, 414);
}

TEST_P(LimitsTest, TooManyHeaderBytesAre431) {
  const auto server = start({"--max-header-bytes", "200"});
  TestClient client(server);
  EXPECT_EQ(client.exchange(get("/plaintext", {"X: " + std::string(100, 'x')})).status, 200);
  client.send(get("/plaintext", {"X: " + std::string(300, 'x')}));
  expect_last_answer(client, 431);
}

TEST_P(LimitsTest, TooManyHeadersAre431) {
  const auto server = start({"--max-headers", "5"});
  TestClient client(server);
  EXPECT_EQ(client.exchange(get("/plaintext", std::vector<std::string>(4, "X: 1"))).status, 200);
  client.send(get("/plaintext", std::vector<std::string>(5, "X: 1")));
  expect_last_answer(client, 431);
}

TEST_P(LimitsTest, ABodyOfTheLimitPassesAndALargerOneIs413) {
  const auto server = start({"--max-body", "1000"});
  TestClient client(server);
  EXPECT_EQ(client.exchange(request("POST", "/echo", std::string(1000, 'b'))).status, 200);
  client.send(request("POST", "/echo", std::string(1001, 'b')));
  expect_last_answer(client, 413);
}

TEST_P(LimitsTest, AChunkedBodyIsLimitedAsItComes) {
  const auto server = start({"--max-body", "10"});
  TestClient client(server);
  client.send(
      "POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n5\r\n12345\r\n");
  expect_last_answer(client, 413);
}

TEST_P(LimitsTest, TheRefusalReachesAClientThatKeepsSending) {
  const auto server = start();
  TestClient client(server);
  client.send(request("POST", "/echo", std::string(3 << 20, 'b')));  // a plain close would be a reset
  expect_last_answer(client, 413);
}

TEST_P(LimitsTest, TheLastRequestOfAConnectionSaysSo) {
  const auto server = start({"--max-requests-per-connection", "3"});
  TestClient client(server);
  EXPECT_FALSE(client.get("/plaintext").closes());
  EXPECT_FALSE(client.get("/plaintext").closes());
  client.send(get("/plaintext"));
  expect_last_answer(client, 200);
}

TEST_P(LimitsTest, RotationLosesNoAnswerOfAClientThatKeepsSending) {
  const auto server = start({"--max-requests-per-connection", "3"});
  TestClient client(server);
  client.send(get("/plaintext") + get("/plaintext") + get("/bytes?n=300000") + get("/plaintext"));
  for (int i = 0; i < 20; ++i) client.offer(request("POST", "/echo", std::string(50'000, 'b')));
  EXPECT_FALSE(client.read_answer().closes());
  EXPECT_FALSE(client.read_answer().closes());
  expect_last_answer(client, 200);
}

TEST_P(LimitsTest, RotationOfASinglePipelineAnswersTheFirstOnes) {
  const auto server = start({"--max-requests-per-connection", "100"});
  TestClient client(server);
  std::string pipeline;
  for (int i = 0; i < 150; ++i) pipeline += get("/plaintext");
  client.send(pipeline);
  for (int i = 0; i < 99; ++i) ASSERT_FALSE(client.read_answer().closes());
  expect_last_answer(client, 200);
}

TEST_P(LimitsTest, ZeroIsUnlimited) {
  const auto server = start({"--max-requests-per-connection", "0", "--max-body", "0", "--max-headers", "0",
                             "--max-header-bytes", "0", "--max-request-line", "0", "--max-connections", "0"});
  TestClient client(server);
  const std::string body(2 << 20, 'b');
  EXPECT_EQ(client.exchange(request("POST", "/echo", body)).body.size(), body.size());
  EXPECT_EQ(client.exchange(get("/plaintext", std::vector<std::string>(3'000, "X-Field: 0123456789"))).status,
            200);
  EXPECT_EQ(client.get("/" + std::string(50'000, 'x')).status, 404);
  EXPECT_FALSE(client.get("/plaintext").closes());
}

class ConnectionLimitTest : public ServerTest {
 protected:
  static constexpr std::size_t kLimit = 3;
  ServerProcess start_limited() const {
    return start({"--max-connections", std::to_string(kLimit), "--keep-alive-timeout", "60s"});
  }
};
QUARTET_EVERY_CONFIGURATION(ConnectionLimitTest);

TEST_P(ConnectionLimitTest, OneMoreClientWaitsUntilAnotherLeaves) {
  const auto server = start_limited();
  std::vector<TestClient> served;
  for (std::size_t i = 0; i < kLimit; ++i)
    EXPECT_EQ(served.emplace_back(server).get("/plaintext").status, 200);
  TestClient waiting(server);
  waiting.send(get("/plaintext"));
  EXPECT_TRUE(waiting.silent_for(500ms));
  served.pop_back();
  EXPECT_EQ(waiting.read_answer().status, 200);
}

TEST_P(ConnectionLimitTest, ACrowdAtOnceDoesNotExceedIt) {
  const auto server = start_limited();
  std::vector<TestClient> crowd;
  for (int i = 0; i < 30; ++i) crowd.emplace_back(server).send(get("/plaintext"));
  const auto answered = [&] {
    return static_cast<std::size_t>(
        std::count_if(crowd.begin(), crowd.end(), [](auto& client) { return client.readable(0ms); }));
  };
  EXPECT_TRUE(eventually([&] { return answered() >= kLimit; }));
  EXPECT_FALSE(eventually([&] { return answered() > kLimit; }, 500ms));
}

TEST_P(ConnectionLimitTest, AllThatWaitAreServedInTheEnd) {
  const auto server = start_limited();
  std::vector<TestClient> crowd;
  for (int i = 0; i < 50; ++i) crowd.emplace_back(server).send(get("/plaintext", {"Connection: close"}));
  for (auto& client : crowd) EXPECT_EQ(client.read_answer().status, 200);
}

TEST_P(ConnectionLimitTest, WaitingCostsNoProcessorTime) {
  const auto server = start_limited();
  std::vector<TestClient> served;
  for (std::size_t i = 0; i < kLimit; ++i)
    EXPECT_EQ(served.emplace_back(server).get("/plaintext").status, 200);
  TestClient waiting(server);
  waiting.send(get("/plaintext"));
  const auto before = server.cpu_time();
  EXPECT_TRUE(waiting.silent_for(1s));
  EXPECT_LT(server.cpu_time() - before, 300ms);  // who spins uses all of it
}

}  // namespace
}  // namespace quartet::suite
