// Deadlines: never early, and not much later; a client that makes progress lives.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/servers/configuration.h"
#include "tests/servers/process_table.h"

namespace quartet::suite {
namespace {

using TimeoutsTest = ServerTest;
QUARTET_EVERY_CONFIGURATION(TimeoutsTest);

constexpr auto kTimeout = 1000ms;
constexpr auto kSoon = 10s;  ///< less than any default timeout and its tick: the option took effect

/// Ticks are 100 ms apart, and a reading of the clock may be a little older than the timer.
void expect_after_timeout(Clock::time_point start_time) {
  EXPECT_GE(Clock::now() - start_time, kTimeout);
  EXPECT_LT(Clock::now() - start_time, kSoon);
}

void expect_408(TestClient& client) {
  const auto answer = client.read_answer();
  EXPECT_EQ(answer.status, 408);
  EXPECT_TRUE(answer.closes());
  EXPECT_EQ(client.read_to_end().end, End::eof);
}

/// Sends one byte every 50 ms until the server says something.
void dribble(TestClient& client, char byte) {
  const auto end = Clock::now() + kSoon;
  while (client.silent_for(50ms) && Clock::now() < end) client.offer({&byte, 1});
}

TEST_P(TimeoutsTest, AnUnfinishedHeadIs408) {
  const auto server = start({"--header-timeout", "1s"});
  const auto start_time = Clock::now();
  TestClient client(server);
  client.send("GET /plaintext HTTP/1.1\r\nHost:");
  expect_408(client);
  expect_after_timeout(start_time);
}

TEST_P(TimeoutsTest, AClientThatSaysNothingIsNotKept) {
  const auto server = start({"--header-timeout", "1s"});
  const auto start_time = Clock::now();
  TestClient client(server);
  EXPECT_EQ(client.read_to_end().end, End::eof);
  expect_after_timeout(start_time);
}

TEST_P(TimeoutsTest, ADribbledHeadIs408) {
  const auto server = start({"--header-timeout", "1s"});
  const auto start_time = Clock::now();
  TestClient client(server);
  client.send("GET /");
  dribble(client, 'x');
  expect_408(client);
  expect_after_timeout(start_time);
}

TEST_P(TimeoutsTest, DribbledEmptyLinesAreNoProgress) {
  const auto server = start({"--header-timeout", "1s"});
  TestClient client(server);
  client.get("/plaintext");
  const auto start_time = Clock::now();
  while (client.silent_for(50ms) && Clock::now() - start_time < kSoon) client.offer("\r\n");
  EXPECT_EQ(client.read_to_end().end, End::eof);
  expect_after_timeout(start_time);
}

TEST_P(TimeoutsTest, AnIdleConnectionIsClosedWithoutAWord) {
  const auto server = start({"--keep-alive-timeout", "1s"});
  TestClient client(server);
  client.send(get("/plaintext"));
  const auto start_time = Clock::now();
  EXPECT_EQ(client.read_answer().status, 200);
  const auto rest = client.read_to_end();
  EXPECT_EQ(rest.end, End::eof);
  EXPECT_EQ(rest.bytes, "");
  expect_after_timeout(start_time);
}

TEST_P(TimeoutsTest, AnUnfinishedBodyIs408) {
  const auto server = start({"--body-timeout", "1s"});
  const auto start_time = Clock::now();
  TestClient client(server);
  client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\n0123456789");
  expect_408(client);
  expect_after_timeout(start_time);
}

TEST_P(TimeoutsTest, ADribbledBodyIs408) {
  const auto server = start({"--body-timeout", "1s"});
  const auto start_time = Clock::now();
  TestClient client(server);
  client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\n");
  dribble(client, 'x');
  expect_408(client);
  expect_after_timeout(start_time);
}

TEST_P(TimeoutsTest, ABodyThatMakesProgressMayTakeLonger) {
  const auto server = start({"--body-timeout", "1s", "--min-body-rate", "1000"});
  TestClient client(server);
  client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 20001\r\n\r\n" +
              std::string(20'000, 'b'));
  EXPECT_TRUE(client.silent_for(1500ms));  // 20,000 bytes have bought 20 s
  EXPECT_EQ(client.exchange("b").body.size(), 20'001u);
}

TEST_P(TimeoutsTest, AClientThatDoesNotReadIsCut) {
  const auto server =
      start({"--write-timeout", "1s", "--min-body-rate", "1000000000", "--max-requests-per-connection", "0"});
  TestClient client(server.endpoint(), /*receive_buffer=*/4096);
  client.send(get("/bytes?n=16000000"));
  TestClient observer(server);
  EXPECT_TRUE(eventually([&] {
    const auto totals = nlohmann::json::parse(observer.get("/stats").body).at("totals");
    return totals.at("timeouts") == 1 && totals.at("gauges").at("writing") == 0;
  }));
  EXPECT_LT(client.read_to_end().bytes.size(), 16'000'000u);
}

TEST_P(TimeoutsTest, ASlowReaderThatMakesProgressIsNotCut) {
  const auto server = start({"--write-timeout", "1s", "--min-body-rate", "100000"});
  TestClient client(server.endpoint(), /*receive_buffer=*/4096);
  client.send(get("/bytes?n=16000000"));
  EXPECT_TRUE(client.readable());
  EXPECT_EQ(TestClient(server).get("/sleep?ms=1500").status,
            200);  // what the buffers took has bought more than this
  EXPECT_EQ(client.read_answer().body.size(), 16'000'000u);
}

TEST_P(TimeoutsTest, ASlowHandlerIsNoTimeout) {
  const auto server = start({"--header-timeout", "1s", "--body-timeout", "1s", "--keep-alive-timeout", "1s",
                             "--write-timeout", "1s"});
  TestClient client(server);
  EXPECT_EQ(client.get("/sleep?ms=1500").status, 200);
}

/// @return whether the client saw the end while the server still had the connection
bool half_closes(const ServerProcess& server) {
  TestClient client(server);
  client.send("GARBAGE\r\n\r\n");
  EXPECT_EQ(client.read_to_end().end, End::eof);
  return port_queues(server.port()).connections == 1;
}

TEST_P(TimeoutsTest, ALingeringCloseTellsTheClientAtOnce) {
  const auto server = start();
  EXPECT_TRUE(eventually([&] { return half_closes(server); }));
}

TEST_P(TimeoutsTest, ALingeringCloseEndsWithoutTheClientsHelp) {
  const auto server = start();
  TestClient client(server);
  EXPECT_EQ(client.exchange("GARBAGE\r\n\r\n").status, 400);
  EXPECT_TRUE(eventually([&] { return port_queues(server.port()).connections == 0; }));
}

TEST_P(TimeoutsTest, NoTimeoutDisturbsAnotherConnection) {
  const auto server = start({"--header-timeout", "1s"});
  TestClient slow(server), victim(server);
  slow.send(get("/sleep?ms=2000"));
  victim.send("GET /");
  expect_408(victim);
  EXPECT_EQ(slow.read_answer().status, 200);
}

}  // namespace
}  // namespace quartet::suite
