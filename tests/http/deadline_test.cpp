#include <gtest/gtest.h>

#include "tests/http/answer.h"
#include "tests/http/client.h"

namespace quartet::test {
namespace {

using http::kForever;
using http::kUnlimited;
using http::Limits;
using http::TimePoint;
using http::Want;
using namespace std::chrono_literals;

constexpr auto kJust = 1ms;

TEST(HeaderDeadline, RunsFromTheBeginningOfAConnection) {
  Client client({.limits = {.header_timeout = 7s}});
  EXPECT_EQ(client.patience(), 7s);
}

TEST(HeaderDeadline, OfTheFirstRequestIsNotProlongedByBytes) {
  Client client({.limits = {.header_timeout = 7s}});
  client.pass(3s);
  client.send("GET /plain");
  EXPECT_EQ(client.patience(), 4s);
}

TEST(HeaderDeadline, ClosesAClientThatNeverSaidAWordSilently) {
  Client client({.limits = {.header_timeout = 7s}});
  client.pass(7s - kJust);
  EXPECT_EQ(client.want(), Want::read);
  client.pass(kJust);
  client.settle();
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(client.received, "");
}

TEST(HeaderDeadline, AnswersARequestThatIsNotFinishedInTimeWith408) {
  Client client;
  client.send("GET /plaintext HTTP/1.1\r\n");
  client.pass(10s);
  client.settle();
  const auto answer = only_answer(client.received);
  EXPECT_EQ(answer.status, 408);
  EXPECT_EQ(answer.field("Connection"), "close");
  EXPECT_TRUE(client.connection.finishing());
}

TEST(HeaderDeadline, RunsFromTheFirstByteOfALaterRequest) {
  Client client;
  client.exchange(get());
  client.pass(4s);
  client.send("G");
  EXPECT_EQ(client.patience(), 10s);
  client.pass(4s);
  client.send("ET ");
  EXPECT_EQ(client.patience(), 6s);
}

TEST(HeaderDeadline, RunsFromAStrayEmptyLine) {
  Client client;
  client.exchange(get());
  client.pass(4s);
  client.send("\r\n");
  EXPECT_EQ(client.patience(), 10s);
}

TEST(HeaderDeadline, EndsAClientThatDribblesEmptyLines) {
  Client client;
  client.exchange(get());
  int lines = 0;
  for (; lines < 100 && client.open(); ++lines) {
    client.send("\r\n");
    client.pass(1s);
    client.settle();
  }
  EXPECT_EQ(lines, 10);
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(client.received, "");  // it has asked for nothing
}

TEST(HeaderDeadline, ClosesAClientThatSentHalfAnEmptyLineSilently) {
  Client client;
  client.exchange(get());
  client.send("\r");
  client.pass(10s);
  client.settle();
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(client.received, "");
}

TEST(HeaderDeadline, AnswersARequestThatBeganBehindAnEmptyLineWith408) {
  Client client;
  client.send("\r\nG");
  client.pass(10s);
  client.settle();
  EXPECT_EQ(statuses(client.received), std::vector{408});
}

TEST(HeaderDeadline, RunsForARequestThatCameBehindAnother) {
  Client client;
  client.exchange(get() + "GET /pl");
  EXPECT_EQ(client.patience(), 10s);
  client.pass(10s);
  client.settle();
  EXPECT_EQ(statuses(client.received), std::vector{408});
}

TEST(HeaderDeadline, IsNoneWithoutATimeout) {
  Client client({.limits = {.header_timeout = kForever}});
  EXPECT_EQ(client.patience(), kForever);
  client.send("GET ");
  EXPECT_EQ(client.patience(), kForever);
  client.pass(1000h);
  EXPECT_EQ(client.want(), Want::read);
}

constexpr std::string_view kLongBody = "Content-Length: 100000\r\n";

TEST(BodyDeadline, RunsFromTheEndOfTheHead) {
  Client client({.limits = {.body_timeout = 6s}});
  client.pass(3s);
  client.send(request("POST", "/echo", kLongBody));
  EXPECT_EQ(client.patience(), 6s);
}

TEST(BodyDeadline, GrowsWithWhatWasReceived) {
  Client client({.limits = {.body_timeout = 6s, .min_body_rate = 500}});
  client.send(request("POST", "/echo", kLongBody));
  client.pass(4s);
  client.send(std::string(1000, 'b'));
  EXPECT_EQ(client.patience(), 6s - 4s + 2s);
}

TEST(BodyDeadline, IsNeverFurtherAwayThanTheTimeout) {
  Client client({.limits = {.body_timeout = 6s, .min_body_rate = 500}});
  client.send(request("POST", "/echo", kLongBody, std::string(30'000, 'b')));
  EXPECT_EQ(client.patience(), 6s);
  client.pass(1s);
  client.send(std::string(30'000, 'b'));
  EXPECT_EQ(client.patience(), 6s);
}

TEST(BodyDeadline, GrowsWithChunks) {
  Client client({.limits = {.body_timeout = 6s, .min_body_rate = 500}});
  client.send(request("POST", "/echo", "Transfer-Encoding: chunked\r\n"));
  client.pass(4s);
  client.send("3e8\r\n" + std::string(1000, 'b'));
  EXPECT_EQ(client.patience(), 6s - 4s + 2s);
}

TEST(BodyDeadline, GrowsWithABodyThatIsDiscarded) {
  Client client({.limits = {.body_timeout = 6s, .min_body_rate = 500}});
  client.send(request("POST", "/nowhere", kLongBody));
  client.pass(4s);
  client.send(std::string(1000, 'b'));
  EXPECT_EQ(client.patience(), 6s - 4s + 2s);
}

TEST(BodyDeadline, EndsAClientThatSendsAByteASecond) {
  Client client;
  client.exchange(request("POST", "/echo", kLongBody));
  int sent = 0;
  for (; sent < 100 && client.open(); ++sent) {
    client.send("b");
    client.pass(1s);
    client.settle();
  }
  EXPECT_EQ(sent, 11);  // ten seconds, and a little for the bytes
  EXPECT_EQ(statuses(client.received), std::vector{408});
  EXPECT_TRUE(client.connection.finishing());
}

TEST(BodyDeadline, LetsAClientThatKeepsThePaceFinish) {
  Client client;
  client.exchange(request("POST", "/echo", kLongBody));
  for (int second = 0; second < 100; ++second) {
    client.pass(1s);
    ASSERT_TRUE(client.send(std::string(1000, 'b')));
  }
  client.play();
  EXPECT_EQ(statuses(client.received), std::vector{200});
}

TEST(BodyDeadline, IsNoneWithoutATimeout) {
  Client client({.limits = {.body_timeout = kForever}});
  client.send(request("POST", "/echo", kLongBody, "b"));
  EXPECT_EQ(client.patience(), kForever);
}

TEST(BodyDeadline, IsNotProlongedByAnUnlimitedRate) {
  Client client({.limits = {.body_timeout = 6s, .min_body_rate = kUnlimited}});
  client.send(request("POST", "/echo", kLongBody, std::string(1000, 'b')));
  EXPECT_EQ(client.patience(), 6s);
}

TEST(KeepAliveDeadline, RunsFromTheAnswer) {
  Client client({.limits = {.keep_alive_timeout = 3s}});
  client.pass(2s);
  client.send(get());
  client.run();
  client.pass(2s);
  client.settle();
  EXPECT_EQ(client.patience(), 3s);
}

TEST(KeepAliveDeadline, ClosesAnIdleClientSilently) {
  Client client;
  client.exchange(get());
  client.pass(5s - kJust);
  EXPECT_TRUE(client.open());
  client.pass(kJust);
  client.settle();
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(client.received, "");
}

TEST(KeepAliveDeadline, IsNoneWithoutATimeout) {
  Client client({.limits = {.keep_alive_timeout = kForever}});
  client.exchange(get());
  EXPECT_EQ(client.patience(), kForever);
}

TEST(WriteDeadline, RunsFromTheFirstByteOfTheAnswer) {
  Client client({.limits = {.write_timeout = 4s}});
  client.pass(1s);
  client.send(get());
  client.run();
  EXPECT_EQ(client.patience(), 4s);
}

TEST(WriteDeadline, ClosesAClientThatDoesNotRead) {
  Client client({.limits = {.write_timeout = 4s}});
  client.send(get());
  client.run();
  client.pass(4s - kJust);
  EXPECT_EQ(client.want(), Want::write);
  client.pass(kJust);
  EXPECT_EQ(client.want(), Want::close);
}

TEST(WriteDeadline, IsNotProlongedByWhatOnlyTheKernelTook) {
  Client client({.limits = {.min_body_rate = 500, .write_timeout = 4s}});
  client.send(get("/large?n=50000"));
  client.run();
  client.pass(3s);
  client.write(5000);
  client.report_unacknowledged(5000);
  EXPECT_EQ(client.patience(), 1s);
}

TEST(WriteDeadline, GrowsWithWhatThePeerAcknowledged) {
  Client client({.limits = {.min_body_rate = 500, .write_timeout = 4s}});
  client.send(get("/large?n=50000"));
  client.run();
  client.write(5000);
  client.pass(3s);
  client.report_unacknowledged(4000);
  EXPECT_EQ(client.patience(), 4s - 3s + 2s);
  client.report_unacknowledged(4000);
  EXPECT_EQ(client.patience(), 4s - 3s + 2s);
}

TEST(WriteDeadline, IsNeverFurtherAwayThanTheTimeout) {
  Client client({.limits = {.min_body_rate = 500, .write_timeout = 4s}});
  client.send(get("/large?n=50000"));
  client.run();
  client.write(49'000);
  client.pass(1s);
  client.report_unacknowledged(0);
  EXPECT_EQ(client.patience(), 4s);
}

TEST(WriteDeadline, CountsNoBytesOfEarlierAnswersAsProgressOfThisOne) {
  Client client({.limits = {.min_body_rate = 500, .write_timeout = 4s}});
  client.send(get("/large?n=50000"));
  client.run();
  client.pass(3s);
  client.report_unacknowledged(100'000);
  EXPECT_EQ(client.patience(), 1s);
  client.report_unacknowledged(99'500);
  EXPECT_EQ(client.patience(), 2s);
}

TEST(WriteDeadline, EndsAClientThatReadsAByteASecond) {
  Client client;
  client.send(get("/large?n=50000"));
  client.run();
  int read = 0;
  for (; read < 100 && client.want() == Want::write; ++read) {
    client.write(1);
    client.report_unacknowledged(0);
    client.pass(1s);
  }
  EXPECT_EQ(read, 11);
  EXPECT_EQ(client.want(), Want::close);
}

TEST(WriteDeadline, StartsAnewWithEveryAnswer) {
  Client client;
  client.send(get("/large?n=50000"));
  client.run();
  client.write();
  client.pass(2s);
  client.send(get());
  client.run();
  EXPECT_EQ(client.patience(), 10s);
}

TEST(WriteDeadline, StartsAnewWithEveryPartOfAStream) {
  Client client;
  client.send(get("/stream"));
  client.run();
  client.write();
  ASSERT_EQ(client.want(), Want::sleep);
  client.pass(20ms);
  client.run();
  ASSERT_EQ(client.want(), Want::write);
  EXPECT_EQ(client.patience(), 10s);
}

TEST(WriteDeadline, CountsForARefusalAsWell) {
  Client client;
  client.send("BAD\r\n\r\n");
  EXPECT_EQ(client.patience(), 10s);
  client.pass(10s);
  EXPECT_EQ(client.want(), Want::close);
}

TEST(WriteDeadline, IsNoneWithoutATimeout) {
  Client client({.limits = {.write_timeout = kForever}});
  client.send(get());
  client.run();
  EXPECT_EQ(client.patience(), kForever);
}

TEST(LingerDeadline, IsTwoSeconds) {
  Client client;
  client.exchange("BAD\r\n\r\n");
  EXPECT_EQ(client.patience(), 2s);
  client.pass(2s - kJust);
  EXPECT_TRUE(client.connection.finishing());
  client.pass(kJust);
  EXPECT_EQ(client.want(), Want::close);
}

TEST(LingerDeadline, IsNotProlongedByWhatIsDiscarded) {
  Client client;
  client.exchange("BAD\r\n\r\n");
  client.pass(1s);
  client.send(std::string(10'000, 'x'));
  EXPECT_EQ(client.patience(), 1s);
}

TEST(LingerDeadline, IsProlongedByWhatThePeerStillAcknowledges) {
  Client client;
  client.exchange("BAD\r\n\r\n");
  client.pass(1s);
  client.report_unacknowledged(100);
  EXPECT_EQ(client.patience(), 2s);
  client.pass(1s);
  client.report_unacknowledged(100);
  EXPECT_EQ(client.patience(), 1s);
}

TEST(LingerDeadline, CountsForAClientThatAskedForTheEndAsWell) {
  Client client;
  client.exchange(get("/plaintext", "Connection: close\r\n"));
  EXPECT_EQ(client.patience(), 2s);
  client.pass(2s);
  EXPECT_EQ(client.want(), Want::close);
}

TEST(LingerDeadline, RunsFromTheLastByteWritten) {
  Client client;
  client.send("BAD\r\n\r\n");
  client.pass(1s);
  client.settle();
  EXPECT_EQ(client.patience(), 2s);
}

TEST(Sleep, IsExact) {
  Client client;
  client.send(get("/sleep"));
  client.run();
  EXPECT_EQ(client.connection.deadline(), client.now.steady + 250ms);
}

TEST(Sleep, DoesNotEndBeforeItsTime) {
  Client client;
  client.send(get("/sleep"));
  client.run();
  client.pass(249ms);
  EXPECT_EQ(client.want(), Want::sleep);
  client.pass(1ms);
  EXPECT_EQ(client.want(), Want::write);
}

TEST(Sleep, IsNotCutByAnyTimeout) {
  Client client(
      {.limits = {
           .header_timeout = 10ms, .body_timeout = 10ms, .keep_alive_timeout = 10ms, .write_timeout = 10ms}});
  EXPECT_EQ(statuses(client.exchange(get("/sleep"))), std::vector{200});
}

TEST(Sleep, BetweenPartsOfAStreamIsItsInterval) {
  Client client;
  client.send(get("/stream"));
  client.run();
  EXPECT_EQ(client.want(), Want::write);
  client.write();
  EXPECT_EQ(client.want(), Want::sleep);
  EXPECT_EQ(client.patience(), 20ms);
}

TEST(Deadline, IsNoneWhileAHandlerIsDue) {
  Client client;
  client.send(get());
  EXPECT_EQ(client.connection.deadline(), TimePoint::max());
  client.pass(1h);
  EXPECT_EQ(client.want(), Want::run);
}

TEST(Tick, OftenRepeatedChangesNothing) {
  Client client;
  client.send("GET /plain");
  for (int i = 0; i < 100; ++i) client.pass(0ms);
  EXPECT_EQ(client.patience(), 10s);
  EXPECT_EQ(statuses(client.exchange("text HTTP/1.1\r\nHost: a\r\n\r\n")), std::vector{200});
}

}  // namespace
}  // namespace quartet::test
