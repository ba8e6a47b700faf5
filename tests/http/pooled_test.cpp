#include "common/http/pooled.h"

#include <gtest/gtest.h>

#include <deque>

namespace quartet::test {

struct Buffer {
  std::string text;
};
void recycle(Buffer& buffer) { buffer.text.clear(); }

namespace {

using http::Pooled;

TEST(Pooled, IsEmptyUntilTaken) {
  Pooled<Buffer> pooled;
  EXPECT_FALSE(pooled);
  pooled.take().text = "a";
  EXPECT_TRUE(pooled);
  EXPECT_EQ(pooled->text, "a");
}

TEST(Pooled, KeepsItsValueWhenTakenAgain) {
  Pooled<Buffer> pooled;
  pooled.take().text = "a";
  EXPECT_EQ(pooled.take().text, "a");
}

TEST(Pooled, IsEmptyAfterRelease) {
  Pooled<Buffer> pooled;
  pooled.take();
  pooled.release();
  EXPECT_FALSE(pooled);
  pooled.release();
}

TEST(Pooled, HandsAReleasedValueOnEmptied) {
  Pooled<Buffer> first;
  const Buffer* value = &first.take();
  first->text = "secret";
  first.release();
  Pooled<Buffer> second;
  EXPECT_EQ(&second.take(), value);
  EXPECT_EQ(second->text, "");
}

TEST(Pooled, ReleasesAtTheEndOfItsLife) {
  const Buffer* value = nullptr;
  {
    Pooled<Buffer> first;
    value = &first.take();
  }
  Pooled<Buffer> second;
  EXPECT_EQ(&second.take(), value);
}

TEST(Pooled, MovesItsValue) {
  Pooled<Buffer> first;
  first.take().text = "a";
  Pooled<Buffer> second(std::move(first));
  EXPECT_EQ(second->text, "a");
}

TEST(Pooled, GivesEveryHolderItsOwnValue) {
  std::deque<Pooled<Buffer>> many(200);
  for (auto& pooled : many) pooled.take().text = "mine";
  for (auto& pooled : many) EXPECT_EQ(pooled->text, "mine");
}

}  // namespace
}  // namespace quartet::test
