#include <gtest/gtest.h>

#include "tests/http/answer.h"
#include "tests/http/client.h"

namespace quartet::test {
namespace {

using http::Want;
using namespace std::chrono_literals;

TEST(Drain, GivesAnIdleConnectionAHundredMilliseconds) {
  Client client;
  client.exchange(get());
  client.shut_down();
  EXPECT_EQ(client.patience(), 100ms);
  client.pass(99ms);
  EXPECT_TRUE(client.open());
  client.pass(1ms);
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(client.received, "");
}

TEST(Drain, GivesAClientThatSentAnEmptyLineAHundredMilliseconds) {
  Client client;
  client.exchange(get());
  client.send("\r\n");
  client.shut_down();
  EXPECT_EQ(client.patience(), 100ms);
  client.pass(100ms);
  EXPECT_TRUE(client.ended());
}

TEST(Drain, GivesANewConnectionAHundredMilliseconds) {
  Client client;
  client.shut_down();
  EXPECT_EQ(client.patience(), 100ms);
  client.pass(100ms);
  EXPECT_TRUE(client.ended());
}

TEST(Drain, DoesNotProlongAnIdleConnection) {
  Client client;
  client.exchange(get());
  client.pass(4950ms);
  client.shut_down();
  EXPECT_LE(client.patience(), 100ms);
}

TEST(Drain, RepeatedDoesNotProlongTheGrace) {
  Client client;
  client.shut_down();
  client.pass(60ms);
  client.shut_down();
  EXPECT_EQ(client.patience(), 40ms);
}

TEST(Drain, AnswersOneMoreRequestWithClose) {
  Client client;
  client.exchange(get());
  client.shut_down();
  client.pass(50ms);
  EXPECT_EQ(only_answer(client.exchange(get())).field("Connection"), "close");
  EXPECT_TRUE(client.connection.finishing());
}

TEST(Drain, AnswersOneRequestOfAConnectionTakenFromTheQueue) {
  Client client;
  client.shut_down();
  EXPECT_EQ(only_answer(client.exchange(get())).field("Connection"), "close");
  EXPECT_TRUE(client.connection.finishing());
}

TEST(Drain, AnswersOnlyTheFirstOfAPipeline) {
  Client client;
  client.shut_down();
  EXPECT_EQ(statuses(client.exchange(get() + get())), std::vector{200});
  EXPECT_TRUE(client.connection.finishing());
}

TEST(Drain, GivesAStartedRequestItsUsualTime) {
  Client client;
  client.send("GET /plaintext HTTP/1.1\r\n");
  client.shut_down();
  client.pass(5s);
  EXPECT_EQ(client.want(), Want::read);
  EXPECT_EQ(only_answer(client.exchange("Host: a\r\n\r\n")).field("Connection"), "close");
}

TEST(Drain, GivesARequestThatStartsInTheGraceItsUsualTime) {
  Client client;
  client.exchange(get());
  client.shut_down();
  client.pass(50ms);
  client.send("GET ");
  client.pass(5s);
  EXPECT_EQ(client.want(), Want::read);
}

TEST(Drain, ClosesAfterTheAnswerToABodyInProgress) {
  Client client;
  client.exchange(request("POST", "/echo", "Content-Length: 5\r\n", "hel"));
  client.shut_down();
  client.pass(1s);
  const auto answer = only_answer(client.exchange("lo"));
  EXPECT_EQ(answer.body, "<hello>");
  EXPECT_EQ(answer.field("Connection"), "close");
}

TEST(Drain, MarksTheAnswerOfARequestThatWaitsForRun) {
  Client client;
  client.send(get());
  client.shut_down();
  client.play();
  EXPECT_EQ(only_answer(client.received).field("Connection"), "close");
  EXPECT_TRUE(client.connection.finishing());
}

TEST(Drain, MarksAnAnswerThatIsStillDelayed) {
  Client client;
  client.send(get("/sleep"));
  client.run();
  client.shut_down();
  EXPECT_EQ(client.patience(), 250ms);
  client.play();
  EXPECT_EQ(only_answer(client.received).field("Connection"), "close");
  EXPECT_TRUE(client.connection.finishing());
}

TEST(Drain, FinishesAStreamThatHasBegun) {
  Client client;
  client.send(get("/stream"));
  client.run();
  client.write();
  client.shut_down();
  client.play();
  EXPECT_EQ(only_answer(client.received).body, "one two three");
  client.pass(100ms);
  EXPECT_TRUE(client.ended());
}

TEST(Drain, FinishesAnAnswerThatIsBeingWrittenAndEndsAfterTheGrace) {
  Client client;
  client.send(get());
  client.run();
  client.write(10);
  client.shut_down();
  client.settle();
  EXPECT_EQ(statuses(client.received), std::vector{200});
  client.pass(100ms);
  EXPECT_TRUE(client.ended());
}

TEST(Drain, LosesNoAnswerOfABatchThatIsWaiting) {
  Client client;
  client.send(get() + get() + get());
  client.run();
  client.run();
  client.shut_down();
  client.play();
  EXPECT_EQ(statuses(client.received), (std::vector{200, 200, 200}));
  EXPECT_TRUE(client.connection.finishing());
}

TEST(Drain, LeavesALingeringConnectionAlone) {
  Client client;
  client.exchange("BAD\r\n\r\n");
  client.shut_down();
  EXPECT_EQ(client.patience(), 2s);
  EXPECT_TRUE(client.connection.finishing());
}

TEST(Drain, RefusesABadRequestAsEver) {
  Client client;
  client.shut_down();
  EXPECT_EQ(statuses(client.exchange("BAD\r\n\r\n")), std::vector{400});
  EXPECT_TRUE(client.connection.finishing());
}

TEST(Drain, ClosesPlainlyForAClientThatAskedForIt) {
  Client client;
  client.shut_down();
  client.exchange(get("/plaintext", "Connection: close\r\n"));
  EXPECT_TRUE(client.dismissed());
}

TEST(Drain, ClosesAtOnceForAClientThatIsGone) {
  Client client;
  client.exchange(get());
  client.shut_down();
  client.half_close();
  EXPECT_EQ(client.want(), Want::close);
}

TEST(Drain, AnswersACloseToAKeepAliveOfHttp10) {
  Client client;
  client.shut_down();
  const auto bytes = client.exchange("GET /plaintext HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(only_answer(bytes).field("Connection"), "close");
  EXPECT_TRUE(client.connection.finishing());
}

TEST(Drain, StillSaysContinue) {
  Client client;
  client.shut_down();
  const auto head = request("POST", "/echo", "Content-Length: 5\r\nExpect: 100-continue\r\n");
  EXPECT_EQ(statuses(client.exchange(head)), std::vector{100});
  EXPECT_EQ(statuses(client.exchange("hello")), std::vector{200});
}

}  // namespace
}  // namespace quartet::test
