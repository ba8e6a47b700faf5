#include "tests/http/corpus.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>
#include <set>

#include "common/http/date.h"
#include "common/http/grammar.h"
#include "tests/http/answer.h"
#include "tests/http/client.h"

namespace quartet::test {

void PrintTo(const Conversation& conversation, std::ostream* out) { *out << conversation.name; }
void PrintTo(End end, std::ostream* out) {
  *out << (end == End::open ? "open" : end == End::lingering ? "lingering" : "closed");
}

namespace {

using Pieces = std::vector<std::string_view>;

struct Played {
  std::string bytes;
  End end = End::open;
};

End end_of(const Client& client) {
  if (client.want() == http::Want::close || client.dismissed()) return End::closed;
  return client.connection.finishing() ? End::lingering : End::open;
}

Played play(const Conversation& conversation, const Pieces& pieces, std::size_t write_size) {
  Client client({.limits = conversation.limits});
  client.write_size = write_size;
  for (const auto piece : pieces) {
    client.send(piece);
    client.play();
  }
  if (conversation.eof && client.open()) client.half_close();
  client.play();
  return {client.take_received(), end_of(client)};
}

constexpr std::size_t kAll = 1 << 30;

Pieces single_bytes(std::string_view bytes) {
  Pieces pieces;
  for (std::size_t i = 0; i < bytes.size(); ++i) pieces.push_back(bytes.substr(i, 1));
  return pieces;
}

bool has_status(const Answer& answer, const std::string& pattern) {
  const auto status = std::to_string(answer.status);
  return std::ranges::equal(status, pattern,
                            [](char digit, char wanted) { return wanted == 'x' || wanted == digit; });
}

std::set<std::string> elements(std::string_view list) {
  std::set<std::string> all;
  for (auto element = http::next_element(list); !element.empty(); element = http::next_element(list)) {
    all.emplace(element);
  }
  return all;
}

void expect_fields(const Answer& answer, const ExpectedAnswer& expected) {
  for (const auto& [name, value] : expected.fields) EXPECT_EQ(answer.field(name), value) << name;
  for (const auto& name : expected.absent) EXPECT_EQ(answer.field(name), std::nullopt) << name;
  if (expected.allow) {
    EXPECT_EQ(elements(answer.field("Allow").value_or("")), elements(*expected.allow));
  }
  if (answer.status == 100) return;
  EXPECT_EQ(answer.field("Server"), "quartet");
  EXPECT_EQ(http::parse_http_date(answer.field("Date").value_or("")).value_or(0) / 60, kSunday / 60);
}

void expect_answer(const Answer& answer, const ExpectedAnswer& expected) {
  EXPECT_TRUE(has_status(answer, expected.status)) << answer.status << " instead of " << expected.status;
  if (expected.body) {
    EXPECT_EQ(answer.body, *expected.body);
  }
  expect_fields(answer, expected);
}

class Corpus : public testing::TestWithParam<Conversation> {
 protected:
  void expect_alike(const Pieces& pieces, std::size_t write_size) {
    const auto played = play(GetParam(), pieces, write_size);
    ASSERT_EQ(without_interim(played.bytes, bodies()), without_interim(whole_.bytes, bodies()));
    ASSERT_EQ(played.end, whole_.end);
  }

  static std::vector<Body> bodies() {
    std::vector<Body> bodies;
    for (const auto& answer : GetParam().answers) {
      if (answer.status != "100") bodies.push_back(answer.to_head ? Body::none : Body::expected);
    }
    return bodies;
  }

  const std::string& bytes_ = GetParam().bytes;
  Played whole_ = play(GetParam(), {bytes_}, kAll);
};

TEST_P(Corpus, IsAnsweredAsExpected) {
  std::string_view rest = whole_.bytes;
  for (const auto& expected : GetParam().answers) {
    SCOPED_TRACE("answer " + expected.status + ", of what is left of the answers:\n" + std::string(rest));
    ASSERT_NO_THROW(
        expect_answer(take_answer(rest, expected.to_head ? Body::none : Body::expected), expected));
  }
  EXPECT_EQ(rest, "");
  EXPECT_EQ(whole_.end, GetParam().end);
}

TEST_P(Corpus, SaysCloseInTheLastAnswerExactlyWhenTheServerCloses) {
  std::string_view rest = whole_.bytes;
  const auto& answers = GetParam().answers;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const bool last = i + 1 == answers.size() && GetParam().end != End::open && !GetParam().eof;
    const auto answer = take_answer(rest, answers[i].to_head ? Body::none : Body::expected);
    EXPECT_EQ(answer.field("Connection") == "close", last) << "answer " << i;
  }
}

TEST_P(Corpus, IsAnsweredAlikeInTwoPartsAtEveryPosition) {
  const std::string_view bytes = bytes_;
  for (std::size_t at = 1; at < bytes.size(); ++at) {
    SCOPED_TRACE("split at " + std::to_string(at));
    ASSERT_NO_FATAL_FAILURE(expect_alike({bytes.substr(0, at), bytes.substr(at)}, kAll));
  }
}

TEST_P(Corpus, IsAnsweredAlikeByteByByte) { expect_alike(single_bytes(bytes_), kAll); }

TEST_P(Corpus, IsAnsweredAlikeWhenTheAnswerLeavesByteByByte) {
  ASSERT_NO_FATAL_FAILURE(expect_alike({bytes_}, 1));
  expect_alike(single_bytes(bytes_), 1);
}

INSTANTIATE_TEST_SUITE_P(Of, Corpus, testing::ValuesIn(corpus()), [](const auto& tested) {
  std::string name = tested.param.name;
  std::ranges::replace_if(
      name, [](char letter) { return letter == '-' || letter == '.'; }, '_');
  return name;
});

TEST(CorpusFiles, AreAtLeastAHundredAndTwenty) { EXPECT_GE(corpus().size(), 120U); }

}  // namespace
}  // namespace quartet::test
