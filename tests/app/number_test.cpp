#include "common/app/number.h"

#include <gtest/gtest.h>

namespace quartet::app {
namespace {

TEST(ParseDigits, TakesDigitsOnly) {
  EXPECT_EQ(parse_digits("0"), 0u);
  EXPECT_EQ(parse_digits("0042"), 42u);
  for (const auto* text : {"", "-1", "+1", " 1", "1 ", "1x", "0x10", "1.5", "1e3"}) {
    EXPECT_FALSE(parse_digits(text)) << text;
  }
}

TEST(ParseDigits, StopsAtTheMostThatItHolds) {
  EXPECT_EQ(parse_digits("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(parse_digits("18446744073709551616"), UINT64_MAX);
  EXPECT_EQ(parse_digits("99999999999999999999999999"), UINT64_MAX);
  EXPECT_FALSE(parse_digits("99999999999999999999999999x"));
}

}  // namespace
}  // namespace quartet::app
