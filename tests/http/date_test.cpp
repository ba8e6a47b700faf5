#include "common/http/date.h"

#include <gtest/gtest.h>

namespace quartet::http {
namespace {

constexpr std::time_t kExample = 784111777;  // RFC 9110, 5.6.7

TEST(Date, IsFormattedAsImfFixdate) {
  EXPECT_EQ(format_http_date(kExample), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(format_http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
}

TEST(Date, KnowsLeapDays) {
  EXPECT_EQ(format_http_date(951782400), "Tue, 29 Feb 2000 00:00:00 GMT");
  EXPECT_EQ(format_http_date(4107542400), "Mon, 01 Mar 2100 00:00:00 GMT");
}

TEST(Date, KnowsTheYearsBefore1970) { EXPECT_EQ(format_http_date(-1), "Wed, 31 Dec 1969 23:59:59 GMT"); }

TEST(Date, IsReadInThreeFormats) {
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), kExample);
  EXPECT_EQ(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT"), kExample);
  EXPECT_EQ(parse_http_date("Sun Nov  6 08:49:37 1994"), kExample);
}

TEST(Date, IsReadAsItIsWritten) {
  for (std::time_t time = -5'000'000'000; time < 20'000'000'000; time += 123'456'789) {
    EXPECT_EQ(parse_http_date(format_http_date(time)), time);
  }
}

TEST(Date, OfAscTimeMayHaveTwoDigitsInItsDay) {
  EXPECT_EQ(parse_http_date("Wed Nov 16 08:49:37 1994"), kExample + 10 * 86400);
}

TEST(Date, MayHaveALeapSecond) { EXPECT_TRUE(parse_http_date("Sat, 31 Dec 2016 23:59:60 GMT").has_value()); }

TEST(Date, IsNothingForAnythingElse) {
  for (const auto text :
       {"", "yesterday", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 GMT ", "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 Noo 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 32 Nov 1994 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT", "Sun Nov 6 08:49:37 1994",
        "Sun, 06 Nov 1994 8:49:37 GMT", "Xun, 06 Nov 1994 08:49:37 GMT", "Sun, 06-Nov-1994 08:49:37 GMT",
        "Sun, -6 Nov 1994 08:49:37 GMT"}) {
    EXPECT_EQ(parse_http_date(text), std::nullopt) << text;
  }
}

TEST(Date, DoesNotExistOnTheThirtiethOfFebruary) {
  EXPECT_EQ(parse_http_date("Wed, 30 Feb 2000 00:00:00 GMT"), std::nullopt);
}

TEST(DateLine, FollowsTheClockBothWays) {
  EXPECT_EQ(date_line(kExample), "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
  EXPECT_EQ(date_line(kExample + 1), "Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n");
  EXPECT_EQ(date_line(kExample), "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
}

}  // namespace
}  // namespace quartet::http
