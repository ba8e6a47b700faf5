#include "common/program/number.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

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

std::string refusal_of(const char* text) try {
  parse_number(text, 1, 10'000'000'000);
  return "";
} catch (const std::invalid_argument& error) {
  return error.what();
}

TEST(ParseNumber, TakesARangeWithBothEnds) {
  EXPECT_EQ(parse_number("3", 3, 5), 3u);
  EXPECT_EQ(parse_number("5", 3, 5), 5u);
  EXPECT_THROW(parse_number("2", 3, 5), std::invalid_argument);
  EXPECT_THROW(parse_number("6", 3, 5), std::invalid_argument);
  EXPECT_EQ(parse_number("18446744073709551615", 0, UINT64_MAX), UINT64_MAX);
}

TEST(ParseNumber, SaysWhatToWriteInPlaceOfAUnit) {
  EXPECT_EQ(refusal_of("10k"), "\"10k\" is not a whole number from 1 to 10000000000: write 10240");
  EXPECT_EQ(refusal_of("8GiB"), "\"8GiB\" is not a whole number from 1 to 10000000000: write 8589934592");
  for (const std::string text : {"10G", "0k", "1t", "1kk", "k", "17179869184G", "18446744073709551615G"})
    EXPECT_EQ(refusal_of(text.c_str()), "\"" + text + "\" is not a whole number from 1 to 10000000000");
}

}  // namespace
}  // namespace quartet::app
