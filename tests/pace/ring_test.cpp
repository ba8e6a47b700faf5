#include "loadtest/pace/ring.h"

#include <gtest/gtest.h>

namespace quartet::pace {
namespace {

TEST(Ring, ReturnsWhatCameFirstHoweverItGrows) {
  Ring<int> ring(2);
  int next_in = 0, next_out = 0;
  for (int round = 0; round < 100; ++round) {
    for (int i = 0; i < 3; ++i) ring.push(next_in++);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(ring.pop(), next_out++);
  }
  EXPECT_EQ(ring.size(), 100U);
  while (!ring.empty()) EXPECT_EQ(ring.pop(), next_out++);
  EXPECT_EQ(next_out, next_in);
}

}  // namespace
}  // namespace quartet::pace
