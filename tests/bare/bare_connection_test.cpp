// What a bare connection owes its client: a request ends at its blank line, however its bytes come.
#include <gtest/gtest.h>

#include <string>

#include "common/http/connection.h"

namespace quartet::http {
namespace {

using std::chrono::milliseconds;

const std::string kRequest = "GET /plaintext HTTP/1.1\r\nHost: test\r\n\r\n";

std::string repeat(std::string_view text, std::size_t times) {
  std::string result;
  for (std::size_t i = 0; i < times; ++i) result += text;
  return result;
}

/// One client of a server, and its clock.
struct Client {
  explicit Client(std::size_t batch_requests = 64) : service{router, {}, batch_requests} {}

  void send(std::string_view bytes) { connection.on_bytes(bytes, now); }
  void pass(milliseconds duration) {
    now.steady += duration;
    connection.on_tick(now);
  }
  void run_all() {
    while (connection.want() == Want::run) connection.run(now);
  }
  /// All answers, which leave in parts of so many bytes at most.
  std::string receive(std::size_t part = std::string_view::npos) {
    std::string received;
    for (run_all(); connection.want() == Want::write; run_all()) {
      const auto bytes = connection.output().bytes.substr(0, part);
      received += bytes;
      connection.on_written(bytes.size(), now);
    }
    return received;
  }

  const Router router;
  const Service service;
  Slot slot;
  Moment now{TimePoint(std::chrono::hours(1)), 0};
  Connection connection{service, slot, now};
};

/// To one request.
std::string answer() {
  Client client;
  client.send(kRequest);
  return client.receive();
}

std::size_t answers_to(std::string_view bytes) {
  Client client;
  client.send(bytes);
  return client.receive().size() / answer().size();
}

TEST(BareConnectionTest, ARequestSplitAnywhereIsAnsweredOnce) {
  const std::string two = kRequest + kRequest;
  for (std::size_t split = 0; split <= two.size(); ++split) {
    Client client;
    client.send(two.substr(0, split));
    const std::string early = client.receive();
    client.send(two.substr(split));
    EXPECT_EQ(early + client.receive(), repeat(answer(), 2)) << "split at " << split;
    EXPECT_EQ(client.connection.want(), Want::read);
  }
}

TEST(BareConnectionTest, ARequestMayComeByteByByte) {
  Client client;
  std::string received;
  for (const char byte : repeat(kRequest, 3)) {
    client.send({&byte, 1});
    received += client.receive();
  }
  EXPECT_EQ(received, repeat(answer(), 3));
}

TEST(BareConnectionTest, OnlyABlankLineEndsARequest) {
  EXPECT_EQ(answers_to("a\r\nb\r\n\r"), 0u);
  EXPECT_EQ(answers_to("a\n\nb\r\rc\r\n\nd\n\r\n"), 0u);
  EXPECT_EQ(answers_to("a\r\r\n\r\n"), 1u);
  EXPECT_EQ(answers_to("a\r\n\r\r\n\r\n"), 1u);
  EXPECT_EQ(answers_to("a\r\n\r\n\r\n"), 1u);
  EXPECT_EQ(answers_to("a\r\n\r\nb\r\n\r\n"), 2u);
}

TEST(BareConnectionTest, AnswersLeaveInPartsOfAnySize) {
  for (const std::size_t part : {1U, 7U, 146U, 147U, 148U, 1000U}) {
    Client client;
    client.send(repeat(kRequest, 10));
    EXPECT_EQ(client.receive(part), repeat(answer(), 10)) << part << " bytes at a time";
  }
}

TEST(BareConnectionTest, AsManyAnswersLeaveTogetherAsTheServiceSays) {
  for (const std::size_t batch : {1U, 64U}) {
    Client client(batch);
    client.send(repeat(kRequest, 100));
    client.run_all();
    EXPECT_EQ(client.connection.output().bytes, repeat(answer(), batch));
    EXPECT_EQ(client.receive(), repeat(answer(), 100));
  }
}

TEST(BareConnectionTest, AnotherProcessMayAnswerEachRequest) {
  Client client(1);
  client.send(repeat(kRequest, 3));
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(client.connection.want(), Want::run);
    client.connection.on_answered(true, client.now);
  }
  EXPECT_EQ(client.connection.want(), Want::read);
}

TEST(BareConnectionTest, AForkAnswersOneRequestAndLeavesTheConnectionOpen) {
  Client client(1);
  client.send(kRequest);
  client.connection.on_eof(client.now);
  client.connection.on_forked(client.slot);
  client.connection.run(client.now);
  EXPECT_TRUE(client.connection.answering());
  EXPECT_EQ(client.receive(), answer());
  EXPECT_FALSE(client.connection.answering());
  EXPECT_EQ(client.connection.want(), Want::read);
}

TEST(BareConnectionTest, AnotherThreadGoesOnWhereTheLastOneWas) {
  Client client;
  Slot another;
  client.send(kRequest + kRequest + "GET");
  client.connection.on_moved(another);
  client.connection.run(client.now);
  client.connection.on_written(1, client.now);
  client.connection.on_moved(client.slot);
  const std::string rest = client.receive();
  EXPECT_EQ(answer().substr(0, 1) + rest, repeat(answer(), 2));
  client.connection.on_moved(another);
  client.send("\r\n\r\n");
  EXPECT_EQ(client.receive(), answer());
}

TEST(BareConnectionTest, AnEndOfInputClosesAfterWhatIsOwed) {
  Client client;
  client.send(repeat(kRequest, 2) + "GET");
  client.connection.on_eof(client.now);
  EXPECT_EQ(client.receive(), repeat(answer(), 2));
  EXPECT_EQ(client.connection.want(), Want::close);
}

TEST(BareConnectionTest, ThereIsNoTimeoutBeforeADrain) {
  Client client;
  EXPECT_EQ(client.connection.deadline(), TimePoint::max());
  client.send(kRequest);
  client.run_all();
  EXPECT_EQ(client.connection.deadline(), TimePoint::max());
}

TEST(BareConnectionTest, ADrainEndsASilentConnection) {
  Client client;
  client.connection.on_shutdown(client.now);
  client.pass(milliseconds(99));
  client.connection.on_shutdown(client.now);  // blocking models say it again and again
  EXPECT_EQ(client.connection.want(), Want::read);
  client.pass(milliseconds(1));
  EXPECT_EQ(client.connection.want(), Want::close);
}

TEST(BareConnectionTest, ADrainAnswersOneMoreRequestAndLingers) {
  Client client;
  client.connection.on_shutdown(client.now);
  client.send(repeat(kRequest, 2));
  EXPECT_EQ(client.receive(), answer());
  EXPECT_TRUE(client.connection.finishing());
  client.send(kRequest);
  EXPECT_EQ(client.connection.want(), Want::read);
  client.connection.on_eof(client.now);
  EXPECT_EQ(client.connection.want(), Want::close);
}

TEST(BareConnectionTest, ADrainWaitsForAReaderAsLongAsItReads) {
  Client client;
  client.connection.on_shutdown(client.now);
  client.send(kRequest);
  client.run_all();
  for (int i = 0; i < 3; ++i) {
    client.pass(milliseconds(99));
    client.connection.on_written(1, client.now);
  }
  EXPECT_EQ(client.connection.want(), Want::write);
  client.pass(milliseconds(100));
  EXPECT_EQ(client.connection.want(), Want::close);
}

TEST(BareConnectionTest, WithoutAProcessForARequestItCloses) {
  Client client(1);
  client.send(kRequest);
  client.connection.on_overload("no process is left", client.now);
  EXPECT_EQ(client.connection.want(), Want::close);
}

}  // namespace
}  // namespace quartet::http
