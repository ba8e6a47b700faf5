// The oracle of the fuzzers, and what it must not be blind to.
#include "tests/http/reference.h"

#include <gtest/gtest.h>

#include "tests/http/client.h"

namespace quartet::test {
namespace {

const std::string kExpecting = request("POST", "/echo", "Expect: 100-continue\r\nContent-Length: 5\r\n");
const std::string kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

Dues dues_of(std::string_view bytes) { return due_answers(bytes, http::Limits{}, test_router()); }

std::string answers_to(std::string_view bytes) { return Client().exchange(bytes); }

/// Whether `received` passes for the answers to `sent`.
bool passes(std::string_view sent, std::string_view received) {
  const auto dues = dues_of(sent);
  Audit audit(dues);
  try {
    audit.read(received);
    audit.expect_all_of(sent.size());
    audit.expect_continues_of_one_piece();
  } catch (const std::exception&) {
    return false;
  }
  return true;
}

TEST(Reference, KnowsTheAnswersOfAPipeline) {
  const auto dues = dues_of(get("/plaintext") + request("HEAD", "/large?n=7") + get("/nowhere") + "BAD\r\n");
  ASSERT_EQ(dues.answers.size(), 4U);
  EXPECT_EQ(dues.answers[0].body, "Hello, World!");
  EXPECT_TRUE(dues.answers[1].to_head);
  EXPECT_EQ(dues.answers[2].status, 404);
  EXPECT_EQ(dues.answers[3].status, 400);
  EXPECT_TRUE(dues.closes());
}

TEST(Reference, OwesNothingForHalfARequest) {
  const auto dues = dues_of(get() + "GET / HTTP/1.1\r\n");
  EXPECT_EQ(dues.answers.size(), 1U);
  EXPECT_TRUE(dues.unfinished);
}

TEST(Audit, AcceptsWhatAConnectionAnswers) {
  for (const auto& sent : {get() + get("/stream"), request("HEAD", "/stream") + get(), get("/file/a"),
                           get("/throw"), kExpecting, kExpecting + "hello", std::string("BAD\r\n\r\n")}) {
    EXPECT_TRUE(passes(sent, answers_to(sent))) << sent;
  }
}

TEST(Audit, TakesABodyForABodyWhateverItLooksLike) {
  const auto sent = post("/echo", kContinue) + post("/echo", answers_to(get()));
  EXPECT_TRUE(passes(sent, answers_to(sent)));
}

TEST(Audit, MissesAnAnswer) { EXPECT_FALSE(passes(get() + get(), answers_to(get()))); }

TEST(Audit, RefusesAnAnswerWithoutARequest) {
  EXPECT_FALSE(passes(get(), answers_to(get() + get())));
  EXPECT_FALSE(passes("GET / HTTP/1.1\r\n", answers_to(get())));
}

TEST(Audit, RefusesAnswersInAnotherOrder) {
  EXPECT_FALSE(passes(get("/plaintext") + get("/json"), answers_to(get("/json") + get("/plaintext"))));
}

TEST(Audit, RefusesAnotherBody) {
  EXPECT_FALSE(passes(post("/echo", "hello"), answers_to(post("/echo", "jello"))));
}

TEST(Audit, RefusesABodyForHead) { EXPECT_FALSE(passes(request("HEAD", "/"), answers_to(get()))); }

TEST(Audit, RefusesAnEndThatNobodyAskedFor) {
  const auto close = std::string("Connection: close\r\n");
  EXPECT_FALSE(passes(get(), answers_to(get("/", close))));
  EXPECT_FALSE(passes(get("/", close), answers_to(get())));
}

TEST(Audit, CountsContinues) {
  const auto answer = answers_to(post("/echo", "hello"));
  EXPECT_FALSE(passes(post("/echo", "hello"), kContinue + answer)) << "nobody asked";
  EXPECT_FALSE(passes(kExpecting + "hello", kContinue + answer)) << "the body is there";
  EXPECT_FALSE(passes(kExpecting, "")) << "the client waits";
  EXPECT_FALSE(passes(kExpecting, kContinue + kContinue)) << "twice";
}

TEST(WithoutInterim, TellsAnInterimAnswerByItsPlace) {
  const auto answer = answers_to(post("/echo", kContinue));
  EXPECT_EQ(without_interim(kContinue + answer), answer);
}

}  // namespace
}  // namespace quartet::test
