#include "common/http/output_queue.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

namespace quartet::test {
namespace {

using http::FileRange;
using http::Limits;
using http::OutputQueue;
using http::TimePoint;
using namespace std::chrono_literals;

const Limits kLimits{.min_body_rate = 500, .write_timeout = 4s};
constexpr TimePoint kNow = TimePoint{} + 1h;
constexpr std::size_t kMany = 1000;

FileRange file_of(std::uint64_t length) { return {memfd_create("output", MFD_CLOEXEC), 0, length}; }

void append_answer(OutputQueue& queue, std::string_view bytes, TimePoint now = kNow) {
  queue.begin(now).append(bytes);
  queue.end_answer();
}

TEST(OutputQueue, IsEmptyAtFirst) {
  const OutputQueue queue(kLimits);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.pending().bytes, "");
  EXPECT_EQ(queue.pending().file, nullptr);
}

TEST(OutputQueue, IsEmptyUntilSomethingIsAppended) {
  OutputQueue queue(kLimits);
  queue.begin(kNow);
  EXPECT_TRUE(queue.empty());
  queue.begin(kNow).append("a");
  EXPECT_FALSE(queue.empty());
}

TEST(OutputQueue, KeepsItsAnswersInOrder) {
  OutputQueue queue(kLimits);
  append_answer(queue, "one ");
  append_answer(queue, "two");
  EXPECT_EQ(queue.pending().bytes, "one two");
}

TEST(OutputQueue, GoesOnWhereAShortWriteEnded) {
  OutputQueue queue(kLimits);
  append_answer(queue, "one ");
  queue.on_written(3);
  append_answer(queue, "two");
  EXPECT_EQ(queue.pending().bytes, " two");
  queue.on_written(4);
  EXPECT_TRUE(queue.empty());
}

TEST(OutputQueue, BeginsAnewWhenItWasEmpty) {
  OutputQueue queue(kLimits);
  append_answer(queue, "one");
  queue.on_written(3);
  append_answer(queue, "two");
  EXPECT_EQ(queue.pending().bytes, "two");
}

TEST(OutputQueue, SendsTheFileBehindTheBytes) {
  OutputQueue queue(kLimits);
  queue.begin(kNow).append("head");
  queue.append_file(file_of(10));
  queue.on_written(4 + 3);
  EXPECT_EQ(queue.pending().bytes, "");
  ASSERT_NE(queue.pending().file, nullptr);
  EXPECT_EQ(queue.pending().file->offset(), 3U);
  EXPECT_EQ(queue.pending().file->length(), 7U);
  queue.on_written(7);
  EXPECT_TRUE(queue.empty());
}

TEST(OutputQueue, LeavesOutAnEmptyFile) {
  OutputQueue queue(kLimits);
  queue.begin(kNow).append("head");
  queue.append_file(file_of(0));
  EXPECT_FALSE(queue.ends_with_file());
  EXPECT_EQ(queue.pending().file, nullptr);
}

TEST(OutputQueue, HasRoomForSoManyAnswers) {
  OutputQueue queue(kLimits);
  append_answer(queue, "one");
  EXPECT_TRUE(queue.has_room(2));
  append_answer(queue, "two");
  EXPECT_FALSE(queue.has_room(2));
}

TEST(OutputQueue, CountsTheAnswersAnewWhenItWasEmpty) {
  OutputQueue queue(kLimits);
  append_answer(queue, "one");
  append_answer(queue, "two");
  queue.on_written(6);
  append_answer(queue, "three");
  EXPECT_TRUE(queue.has_room(2));
}

TEST(OutputQueue, HasNoRoomBehindAFile) {
  OutputQueue queue(kLimits);
  queue.begin(kNow).append("head");
  queue.append_file(file_of(10));
  EXPECT_TRUE(queue.ends_with_file());
  EXPECT_FALSE(queue.has_room(kMany));
}

TEST(OutputQueue, HasNoRoomBehind64Kibibytes) {
  OutputQueue queue(kLimits);
  append_answer(queue, std::string(64 * 1024 - 1, 'a'));
  EXPECT_TRUE(queue.has_room(kMany));
  append_answer(queue, "a");
  EXPECT_FALSE(queue.has_room(kMany));
}

TEST(OutputQueue, GivesThePeerTheWriteTimeout) {
  OutputQueue queue(kLimits);
  append_answer(queue, "one");
  append_answer(queue, "two", kNow + 1s);
  EXPECT_EQ(queue.deadline(), kNow + 4s);
}

TEST(OutputQueue, GivesThePeerTheWholeTimeoutWhenItWasEmpty) {
  OutputQueue queue(kLimits);
  append_answer(queue, "one");
  queue.on_written(3);
  append_answer(queue, "two", kNow + 1s);
  EXPECT_EQ(queue.deadline(), kNow + 5s);
}

TEST(OutputQueue, TakesNoWriteForProgressOfThePeer) {
  OutputQueue queue(kLimits);
  append_answer(queue, std::string(2000, 'a'));
  queue.on_written(1000);
  EXPECT_FALSE(queue.on_unacknowledged(1000, kNow + 2s));
  EXPECT_EQ(queue.deadline(), kNow + 4s);
}

TEST(OutputQueue, GivesThePeerMoreTimeForWhatItAcknowledges) {
  OutputQueue queue(kLimits);
  append_answer(queue, std::string(2000, 'a'));
  queue.on_written(1000);
  EXPECT_TRUE(queue.on_unacknowledged(500, kNow + 2s));  // 500 bytes at 500 bytes a second
  EXPECT_EQ(queue.deadline(), kNow + 5s);
  EXPECT_FALSE(queue.on_unacknowledged(500, kNow + 2s));
  EXPECT_EQ(queue.deadline(), kNow + 5s);
}

TEST(OutputQueue, KnowsWhatIsUnacknowledgedWhenAllIsWritten) {
  OutputQueue queue(kLimits);
  append_answer(queue, "answer");
  queue.on_written(6);
  EXPECT_FALSE(queue.on_unacknowledged(6, kNow));
  EXPECT_TRUE(queue.on_unacknowledged(0, kNow));
}

}  // namespace
}  // namespace quartet::test
