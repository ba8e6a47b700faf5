// Deadlines: never early, and not much later; a client that makes progress lives.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
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
  EXPECT_EQ(client.read_to_end().bytes, "");
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
  const auto server = start({"--body-timeout", "3s", "--min-body-rate", "1000"});
  const auto start_time = Clock::now();
  TestClient client(server);
  client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000\r\n\r\n");
  std::size_t sent = 0;
  for (; Clock::now() - start_time < 4s; sent += 1000) {
    client.send(std::string(1000, 'b'));
    ASSERT_TRUE(client.silent_for(50ms));
  }
  EXPECT_EQ(client.exchange(std::string(1'000'000 - sent, 'b')).body.size(), 1'000'000u);
}

TEST_P(TimeoutsTest, ABodyThatBeganWithABurstIsNotWaitedForAnyLonger) {
  const auto server = start({"--body-timeout", "1s"});
  const auto start_time = Clock::now();
  TestClient client(server);
  client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n" +
              std::string(99'999, 'b'));
  expect_408(client);
  expect_after_timeout(start_time);
}

/// Whether the server has cut so many clients, and writes to none.
bool has_cut(TestClient& observer, int clients) {
  const auto totals = nlohmann::json::parse(observer.get("/stats").body).at("totals");
  return totals.at("timeouts") == clients && totals.at("gauges").at("writing") == 0;
}

constexpr std::size_t kLong = 16'000'000;  ///< bytes: more than both kernels' buffers take

/// A directory with one long file.
class LongFile {
 public:
  LongFile() {
    std::string name = "/tmp/quartet-long-XXXXXX";
    directory_ = ::mkdtemp(name.data());
    std::ofstream(directory_ / "long.bin");
    std::filesystem::resize_file(directory_ / "long.bin", kLong);
  }
  ~LongFile() { std::filesystem::remove_all(directory_); }
  LongFile(const LongFile&) = delete;
  LongFile& operator=(const LongFile&) = delete;

  std::string directory() const { return directory_; }

 private:
  std::filesystem::path directory_;
};

TEST_P(TimeoutsTest, AClientThatReadsNothingIsCutWhateverTheKernelTookForIt) {
  const LongFile file;
  const auto server =
      start({"--write-timeout", "1s", "--max-requests-per-connection", "0", "--root", file.directory()});
  TestClient bytes(server), whole_file(server), pipeline(server), half_closed(server), observer(server);
  bytes.send(get("/bytes?n=16000000"));
  whole_file.send(get("/file/long.bin"));
  for (int i = 0; i < 20; ++i) pipeline.send(get("/bytes?n=1000000"));
  half_closed.send(get("/bytes?n=16000000"));
  half_closed.half_close();  // there is something to read, which nobody reads before the answer has left
  EXPECT_TRUE(eventually([&] { return has_cut(observer, 4); }));
  EXPECT_LT(bytes.read_to_end().bytes.size(), kLong);
  EXPECT_LT(half_closed.read_to_end().bytes.size(), kLong);
  EXPECT_LT(whole_file.read_to_end().bytes.size(), kLong);
  EXPECT_LT(pipeline.read_to_end().bytes.size(), 20'000'000u);
}

TEST_P(TimeoutsTest, AClientThatReadsSlowlyIsNotCut) {
  const auto server = start({"--write-timeout", "3s"});
  TestClient client(server.endpoint(), /*receive_buffer=*/65536);
  client.send(get("/bytes?n=16000000"));
  const auto start_time = Clock::now();
  for (std::size_t received = 0; Clock::now() - start_time < 4s;) {
    client.receive_until(received += 65'536);
    TestClient(server).get("/sleep?ms=50");
  }
  EXPECT_EQ(client.read_answer().body.size(), kLong);
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

/// From a client with small buffers that begins to read late, when more has come behind its request.
std::size_t read_late(TestClient& client, const ServerProcess& server, const std::string& request,
                      const std::string& behind) {
  client.send(request);
  TestClient(server).get("/sleep?ms=150");
  client.offer(behind);
  TestClient(server).get("/sleep?ms=150");
  const auto rest = client.read_to_end();
  EXPECT_EQ(rest.end, End::eof);
  return rest.bytes.size();
}

TEST_P(TimeoutsTest, NoAnswerIsCutByWhatFollowsTheRequestThatEndsTheConnection) {
  const auto server = start();
  const auto last = get("/bytes?n=400000", {"Connection: close"});
  std::string pipeline;
  for (int i = 0; i < 3'700; ++i) pipeline += "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
  TestClient at_once(server.endpoint(), /*receive_buffer=*/65536), late(server.endpoint(), 65536);
  EXPECT_GT(read_late(at_once, server, last + pipeline, ""), 400'000u);
  EXPECT_GT(read_late(late, server, last, pipeline), 400'000u);
}

TEST_P(TimeoutsTest, NoAnswerIsCutByALateEmptyLine) {
  const auto server = start();
  TestClient client(server.endpoint(), /*receive_buffer=*/65536);
  const auto post = "POST /echo HTTP/1.0\r\nContent-Length: 400000\r\n\r\n" + std::string(400'000, 'x');
  EXPECT_GT(read_late(client, server, post, "\r\n"), 400'000u);
}

TEST_P(TimeoutsTest, ALingeringCloseLastsAsLongAsTheClientReads) {
  const auto server = start();
  TestClient client(server.endpoint(), /*receive_buffer=*/65536);
  client.send(get("/bytes?n=2000000", {"Connection: close"}));
  std::size_t received = 0;
  for (; received < 1'900'000; client.offer("\r\n")) {
    client.receive_until(received += 50'000);
    TestClient(server).get("/sleep?ms=100");
  }
  const auto rest = client.read_to_end();
  EXPECT_EQ(rest.end, End::eof);
  EXPECT_GT(rest.bytes.size(), 2'000'000u);
}

TEST_P(TimeoutsTest, AClientThatAskedForTheEndIsNotKept) {
  const auto server = start();
  TestClient client(server);
  EXPECT_EQ(client.exchange(get("/plaintext", {"Connection: close"})).status, 200);
  EXPECT_EQ(client.read_to_end().end, End::eof);
  EXPECT_TRUE(eventually([&] { return port_queues(server.port()).connections == 0; }));
}

TEST_P(TimeoutsTest, NobodySleepsForAClientThatIsGone) {
  const auto server = start();
  TestClient client(server), observer(server);
  const auto sleeping = [&] {
    return nlohmann::json::parse(observer.get("/stats").body).at("totals").at("gauges").at("sleeping") == 1;
  };
  client.send(get("/sleep?ms=60000"));
  ASSERT_TRUE(eventually(sleeping));
  client.reset();
  EXPECT_TRUE(eventually([&] { return !sleeping(); }));
}

TEST_P(TimeoutsTest, AClientThatOnlyHalfClosedIsStillAnswered) {
  const auto server = start();
  TestClient client(server);
  client.send(get("/sleep?ms=300"));
  client.half_close();
  EXPECT_EQ(client.read_answer().body, "slept 300 ms\n");
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
