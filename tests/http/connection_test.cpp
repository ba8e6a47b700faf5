// What a connection wants next, and how it answers; see deadline_test.cpp for time and drain_test.cpp for
// shutdown.
#include <gtest/gtest.h>

#include "tests/http/answer.h"
#include "tests/http/client.h"

namespace quartet::test {
namespace {

using http::Want;

std::string repeated(std::string_view text, std::size_t times) {
  std::string result;
  while (times-- > 0) result += text;
  return result;
}

TEST(Want, IsReadForANewConnection) {
  Client client;
  EXPECT_EQ(client.want(), Want::read);
  EXPECT_FALSE(client.connection.answering());
  EXPECT_FALSE(client.connection.finishing());
}

TEST(Want, IsReadUntilTheRequestIsComplete) {
  Client client;
  const auto bytes = get();
  client.send(bytes.substr(0, bytes.size() - 1));
  EXPECT_EQ(client.want(), Want::read);
  client.send(bytes.substr(bytes.size() - 1));
  EXPECT_EQ(client.want(), Want::run);
}

TEST(Want, IsReadUntilTheBodyIsComplete) {
  Client client;
  client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell");
  EXPECT_EQ(client.want(), Want::read);
  client.send("o");
  EXPECT_EQ(client.want(), Want::run);
}

TEST(Want, IsWriteUntilTheLastByteHasLeft) {
  Client client;
  client.send(get());
  client.run();
  const auto size = client.connection.output().bytes.size();
  client.write(size - 1);
  EXPECT_EQ(client.want(), Want::write);
  EXPECT_TRUE(client.connection.answering());
  client.write(1);
  EXPECT_EQ(client.want(), Want::read);
  EXPECT_FALSE(client.connection.answering());
}

TEST(Want, IsSleepWhileAnAnswerIsDelayed) {
  Client client;
  client.send(get("/sleep"));
  client.run();
  EXPECT_EQ(client.want(), Want::sleep);
  EXPECT_TRUE(client.connection.answering());
}

TEST(Want, IsToReadTheEndOfAClientThatAskedForIt) {
  Client client;
  client.exchange(get("/plaintext", "Connection: close\r\n"));
  EXPECT_EQ(client.want(), Want::read);
  EXPECT_TRUE(client.dismissed());
  client.half_close();
  EXPECT_EQ(client.want(), Want::close);
}

TEST(Want, IsCloseAfterTheAnswerToAClientThatAskedForItAndSendsNoMore) {
  Client client;
  client.send(get("/plaintext", "Connection: close\r\n"));
  client.half_close();
  client.play();
  EXPECT_EQ(statuses(client.received), std::vector{200});
  EXPECT_EQ(client.want(), Want::close);
}

TEST(Want, IsToDiscardWhatFollowsTheLastRequest) {
  Client client;
  client.exchange(get("/plaintext", "Connection: close\r\n") + get());
  EXPECT_TRUE(client.send(get()));
  EXPECT_EQ(client.want(), Want::read);
  EXPECT_EQ(statuses(client.received), std::vector<int>{});
  EXPECT_FALSE(client.connection.answering());
}

TEST(Want, IsWriteAndThenReadAgainForARequestThatIsRefused) {
  Client client;
  client.send("BAD\r\n\r\n");
  EXPECT_EQ(client.want(), Want::write);
  client.settle();
  EXPECT_EQ(client.want(), Want::read);
  EXPECT_TRUE(client.connection.finishing());
}

TEST(Batch, AnswersPipelinedQuickRequestsBeforeItWrites) {
  Client client;
  client.send(get() + get() + get());
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(client.want(), Want::run);
    client.run();
  }
  EXPECT_EQ(client.want(), Want::write);
  EXPECT_EQ(statuses(client.connection.output().bytes), (std::vector{200, 200, 200}));
}

TEST(Batch, EndsAfterSixtyFourRequests) {
  Client client;
  client.send(repeated(get(), 100));
  int runs = 0;
  for (; client.want() == Want::run; ++runs) client.run();
  EXPECT_EQ(runs, 64);
  client.write();
  for (; client.want() == Want::run; ++runs) client.run();
  EXPECT_EQ(runs, 100);
}

TEST(Batch, EndsWhenSixtyFourKilobytesAreWaiting) {
  Client client;
  client.send(repeated(get("/large?n=30000"), 10));
  int runs = 0;
  for (; client.want() == Want::run; ++runs) client.run();
  EXPECT_EQ(runs, 3);
  EXPECT_GE(client.connection.output().bytes.size(), std::size_t{64 * 1024});
}

TEST(Batch, OfOneWritesEveryAnswerByItself) {
  Client client({.batch_requests = 1});
  client.send(get() + get());
  client.run();
  EXPECT_EQ(client.want(), Want::write);
  client.write();
  EXPECT_EQ(client.want(), Want::run);
}

TEST(Batch, IsWrittenBeforeARequestThatMayTakeLong) {
  Client client;
  client.send(get() + get("/slow"));
  client.run();
  EXPECT_EQ(client.want(), Want::write);
  client.write();
  EXPECT_EQ(client.want(), Want::run);
}

TEST(Batch, IsWrittenAfterARequestThatTookLong) {
  Client client;
  client.send(get("/slow") + get("/slow"));
  client.run();
  EXPECT_EQ(client.want(), Want::write);
}

TEST(Batch, GoesOnWithQuickRequestsWhileAWriteIsHalfDone) {
  Client client;
  client.send(get() + get());
  client.run();
  client.write(10);
  EXPECT_EQ(client.want(), Want::run);
  client.settle();
  EXPECT_EQ(statuses(client.received), (std::vector{200, 200}));
}

TEST(Batch, IsWrittenBeforeASleep) {
  const auto nap = [](const http::Request& request, const http::Slot&) -> http::Outcome {
    return http::Delay{milliseconds{request.query.empty() ? 0 : 50}, http::text_response(200, "awake")};
  };
  const auto router = router_with(nap, {http::Method::get}, true);
  Client client({.router = router});
  client.send(get("/") + get("/?sleep"));
  client.run();
  client.run();
  EXPECT_EQ(client.want(), Want::write);
  client.write();
  EXPECT_EQ(client.want(), Want::sleep);
}

TEST(Batch, IsWrittenBeforeTheConnectionLingers) {
  Client client;
  client.send(get() + "BAD\r\n\r\n");
  client.run();
  EXPECT_FALSE(client.connection.finishing());
  client.settle();
  EXPECT_EQ(statuses(client.received), (std::vector{200, 400}));
  EXPECT_TRUE(client.connection.finishing());
}

TEST(Pipeline, KeepsABodyThatArrivedBehindAnotherRequest) {
  Client client;
  const auto body = std::string(100'000, 'b');
  client.send(get("/sleep") + post("/echo", body));
  client.play();
  std::string_view rest = client.received;
  EXPECT_EQ(take_answer(rest).body, "slept");
  EXPECT_EQ(take_answer(rest).body, "<" + body + ">");
}

TEST(Pipeline, IsAnsweredWithoutReadingMoreWhileARequestIsInHand) {
  Client client;
  client.send(get("/sleep") + get());
  client.run();
  EXPECT_EQ(client.want(), Want::sleep);
  EXPECT_FALSE(client.send(get()));
}

TEST(Pipeline, OfTwoThousandStopsAtTheLastRequestOfTheConnection) {
  Client client;
  const auto answers = client.exchange(repeated(get(), 2000));
  EXPECT_EQ(statuses(answers).size(), http::Limits{}.max_requests_per_connection);
  EXPECT_TRUE(client.connection.finishing());
}

TEST(Rotation, IsOffWithoutALimit) {
  Client client({.limits = {.max_requests_per_connection = http::kUnlimited}});
  EXPECT_EQ(statuses(client.exchange(repeated(get(), 2000))).size(), 2000U);
  EXPECT_TRUE(client.open());
}

TEST(Rotation, CountsRefusedRoutesToo) {
  Client client({.limits = {.max_requests_per_connection = 2}});
  EXPECT_EQ(statuses(client.exchange(repeated(get("/nowhere"), 3))), (std::vector{404, 404}));
  EXPECT_TRUE(client.connection.finishing());
}

/// The statuses of what a new connection answers.
std::vector<int> answers_to(const std::string& bytes) {
  Client client;
  return statuses(client.exchange(bytes));
}

TEST(DefaultLimits, TakeARequestLineOf8192Bytes) {
  const auto stem = std::string_view("GET /plaintext? HTTP/1.1").size();
  EXPECT_EQ(answers_to(get("/plaintext?" + std::string(8192 - stem, 'a'))), std::vector{200});
  EXPECT_EQ(answers_to(get("/plaintext?" + std::string(8193 - stem, 'a'))), std::vector{414});
}

TEST(DefaultLimits, TakeAHundredFields) {
  EXPECT_EQ(answers_to(get("/plaintext", repeated("A: b\r\n", 99))), std::vector{200});  // and Host
  EXPECT_EQ(answers_to(get("/plaintext", repeated("A: b\r\n", 100))), std::vector{431});
}

TEST(DefaultLimits, TakeThirtyTwoKilobytesOfFields) {
  EXPECT_EQ(answers_to(get("/plaintext", "A: " + std::string(32'600, 'a') + "\r\n")), std::vector{200});
  EXPECT_EQ(answers_to(get("/plaintext", "A: " + std::string(32'768, 'a') + "\r\n")), std::vector{431});
}

TEST(DefaultLimits, TakeABodyOfAMegabyte) {
  const std::string body(1 << 20, 'b');
  EXPECT_EQ(answers_to(post("/echo", body)), std::vector{200});
  EXPECT_EQ(answers_to(post("/echo", body + "b")), std::vector{413});
}

TEST(HalfClose, EndsAnIdleConnectionAtOnce) {
  Client client;
  client.half_close();
  EXPECT_EQ(client.want(), Want::close);
}

TEST(HalfClose, EndsAKeptConnectionAtOnce) {
  Client client;
  client.exchange(get());
  client.half_close();
  EXPECT_EQ(client.want(), Want::close);
}

TEST(HalfClose, DropsAnIncompleteRequestWithoutAnAnswer) {
  Client client;
  client.send("GET /plaintext HTT");
  client.half_close();
  client.play();
  EXPECT_EQ(client.want(), Want::close);
  EXPECT_EQ(client.received, "");
}

TEST(HalfClose, LetsARequestThatWaitsForRunBeAnswered) {
  Client client;
  client.send(get());
  client.half_close();
  ASSERT_EQ(client.want(), Want::run);
  client.play();
  EXPECT_EQ(statuses(client.received), std::vector{200});
  EXPECT_EQ(client.want(), Want::close);
}

TEST(HalfClose, LetsAnAnswerBeWritten) {
  Client client;
  client.send(get());
  client.run();
  client.write(5);
  client.half_close();
  client.play();
  EXPECT_EQ(statuses(client.received), std::vector{200});
  EXPECT_EQ(client.want(), Want::close);
}

TEST(HalfClose, LetsADelayedAnswerAndWhatFollowsBeWritten) {
  Client client;
  client.send(get("/sleep") + get());
  client.run();
  client.half_close();
  EXPECT_EQ(client.want(), Want::sleep);
  client.play();
  EXPECT_EQ(statuses(client.received), (std::vector{200, 200}));
  EXPECT_EQ(client.want(), Want::close);
}

TEST(HalfClose, LetsARefusalBeWritten) {
  Client client;
  client.send("BAD\r\n\r\n");
  client.half_close();
  client.play();
  EXPECT_EQ(statuses(client.received), std::vector{400});
  EXPECT_EQ(client.want(), Want::close);
}

TEST(HalfClose, EndsLingering) {
  Client client;
  client.exchange("BAD\r\n\r\n");
  client.half_close();
  EXPECT_EQ(client.want(), Want::close);
}

TEST(Finishing, DiscardsWhatComes) {
  Client client;
  client.exchange("BAD\r\n\r\n");
  EXPECT_EQ(client.exchange(get()), "");
  EXPECT_TRUE(client.connection.finishing());
}

TEST(Finishing, FollowsEveryRefusal) {
  for (const auto bytes : {"BAD\r\n\r\n", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/3.0\r\n\r\n"}) {
    Client client;
    client.exchange(bytes);
    EXPECT_TRUE(client.connection.finishing()) << bytes;
  }
}

TEST(Finishing, IsOverForAClientThatAskedForItAsSoonAsNothingIsOnItsWay) {
  Client client;
  client.exchange(get("/plaintext", "Connection: close\r\n"));
  EXPECT_TRUE(client.connection.dismissed());
  Client other;
  other.exchange("BAD\r\n\r\n");
  EXPECT_FALSE(other.connection.dismissed());
}

TEST(Finishing, WaitsUntilTheAnswerHasLeft) {
  Client client;
  client.send("BAD\r\n\r\n");
  client.write(10);
  EXPECT_FALSE(client.connection.finishing());
  client.write();
  EXPECT_TRUE(client.connection.finishing());
}

constexpr std::string_view kExpecting = "Content-Length: 5\r\nExpect: 100-continue\r\n";

TEST(Continue, IsSentWhenTheHeadCameAlone) {
  Client client;
  EXPECT_EQ(client.exchange(request("POST", "/echo", kExpecting)), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(only_answer(client.exchange("hello")).body, "<hello>");
  EXPECT_TRUE(client.open());
}

TEST(Continue, IsNotSentWhenAByteOfTheBodyCameAlong) {
  Client client;
  EXPECT_EQ(client.exchange(request("POST", "/echo", kExpecting, "h")), "");
  EXPECT_EQ(only_answer(client.exchange("ello")).body, "<hello>");
}

TEST(Continue, IsSentOnce) {
  Client client;
  client.exchange(request("POST", "/echo", kExpecting));
  EXPECT_EQ(client.exchange("he"), "");
  EXPECT_EQ(client.exchange("l"), "");
}

TEST(Continue, FollowsTheAnswersBeforeIt) {
  Client client;
  const auto bytes = client.exchange(get() + request("POST", "/echo", kExpecting));
  EXPECT_EQ(statuses(bytes), (std::vector{200, 100}));
}

TEST(Continue, ComesAgainWithTheNextRequest) {
  Client client;
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(statuses(client.exchange(request("POST", "/echo", kExpecting))), std::vector{100});
    EXPECT_EQ(statuses(client.exchange("hello")), std::vector{200});
  }
}

TEST(Continue, IsReplacedByARefusalAndTheBodyIsNotRead) {
  Client client;
  const auto answer = only_answer(client.exchange(request("POST", "/nowhere", kExpecting)));
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.field("Connection"), "close");
  EXPECT_EQ(client.exchange("hello" + get()), "");
}

TEST(Discard, HoldsTheAnswerBackUntilTheBodyHasCome) {
  Client client;
  EXPECT_EQ(client.exchange(request("POST", "/nowhere", "Content-Length: 5\r\n", "hell")), "");
  EXPECT_EQ(statuses(client.exchange("o" + get())), (std::vector{404, 200}));
}

TEST(Request, TooLargeIsRefusedBeforeItsBodyComes) {
  Client client;
  EXPECT_EQ(statuses(client.exchange(request("POST", "/echo", "Content-Length: 1048577\r\n"))),
            std::vector{413});
  EXPECT_TRUE(client.connection.finishing());
}

}  // namespace
}  // namespace quartet::test
