// What one client is owed: a request ends at its blank line, however its bytes come.
#include "loadtest/limits/conversation.h"

#include <gtest/gtest.h>

#include <string>

namespace quartet::limits {
namespace {

const std::string kRequest = "GET /plaintext HTTP/1.1\r\nHost: test\r\n\r\n";

std::string repeat(std::string_view text, std::size_t times) {
  std::string result;
  for (std::size_t i = 0; i < times; ++i) result += text;
  return result;
}

/// Takes all of the output, at most so many bytes at a time.
std::string take(Conversation& conversation, std::size_t at_a_time) {
  std::string taken;
  while (!conversation.output().empty()) {
    const auto part = conversation.output().substr(0, at_a_time);
    taken += part;
    conversation.on_written(part.size());
  }
  return taken;
}

std::size_t answers_to(std::string_view bytes) {
  Conversation conversation;
  conversation.on_bytes(bytes);
  return take(conversation, std::string_view::npos).size() / canned_answer().size();
}

TEST(ConversationTest, NothingIsOwedBeforeTheBlankLine) {
  Conversation conversation;
  EXPECT_TRUE(conversation.output().empty());
  EXPECT_TRUE(conversation.answer().empty());
  for (const char byte : kRequest) {
    EXPECT_TRUE(conversation.output().empty());
    conversation.on_bytes({&byte, 1});
  }
  EXPECT_EQ(conversation.output(), canned_answer());
}

TEST(ConversationTest, ARequestSplitAnywhereIsAnsweredOnce) {
  const std::string two = kRequest + kRequest;
  for (std::size_t split = 0; split <= two.size(); ++split) {
    Conversation conversation;
    conversation.on_bytes(std::string_view(two).substr(0, split));
    conversation.on_bytes(std::string_view(two).substr(split));
    EXPECT_EQ(take(conversation, 1000), repeat(canned_answer(), 2)) << "split at " << split;
  }
}

TEST(ConversationTest, OnlyABlankLineEndsARequest) {
  EXPECT_EQ(answers_to("a\r\nb\r\n\r"), 0u);
  EXPECT_EQ(answers_to("a\n\nb\r\rc\r\n\nd\n\r\n"), 0u);
  EXPECT_EQ(answers_to("a\r\r\n\r\n"), 1u);
  EXPECT_EQ(answers_to("a\r\n\r\r\n\r\n"), 1u);
  EXPECT_EQ(answers_to("a\r\n\rb\r\n\r\n"), 1u);
  EXPECT_EQ(answers_to("a\r\n\r\nb\r\n\r\n"), 2u);
}

TEST(ConversationTest, AnswersLeaveInPartsOfAnySize) {
  for (const std::size_t part : {1, 7, 146, 147, 148, 1000}) {
    Conversation conversation;
    conversation.on_bytes(repeat(kRequest, 10));
    EXPECT_EQ(take(conversation, part), repeat(canned_answer(), 10)) << part << " bytes at a time";
  }
}

TEST(ConversationTest, AnswersToOneReadLeaveTogetherAsFarAsTheServersBatchThem) {
  Conversation conversation;
  conversation.on_bytes(repeat(kRequest, 100));
  EXPECT_EQ(conversation.output(), repeat(canned_answer(), 64));
  conversation.on_written(conversation.output().size());
  EXPECT_EQ(conversation.output(), repeat(canned_answer(), 36));
}

TEST(ConversationTest, TheFirstAnswerIsWhatIsLeftOfIt) {
  Conversation conversation;
  conversation.on_bytes(kRequest + kRequest);
  EXPECT_EQ(conversation.answer(), canned_answer());
  conversation.on_written(100);
  EXPECT_EQ(conversation.answer(), canned_answer().substr(100));
  conversation.on_written(canned_answer().size() - 100);
  EXPECT_EQ(conversation.answer(), canned_answer());
}

}  // namespace
}  // namespace quartet::limits
