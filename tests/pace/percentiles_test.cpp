#include "loadtest/pace/percentiles.h"

#include <gtest/gtest.h>

#include <limits>
#include <numeric>
#include <sstream>
#include <utility>

namespace quartet::pace {
namespace {

/// `count`, ..., 2, 1: in an order that must not matter.
Percentiles first_integers(std::size_t count) {
  std::vector<std::int64_t> values(count);
  std::iota(values.rbegin(), values.rend(), 1);
  return Percentiles(values);
}

TEST(Percentiles, AreTheLeastValuesThatSoManyDoNotExceed) {
  const auto values = first_integers(1000);
  EXPECT_EQ(values.at(50), 500);
  EXPECT_EQ(values.at(95), 950);
  EXPECT_EQ(values.at(99), 990);
  EXPECT_EQ(values.at(99.9), 999);
  EXPECT_EQ(values.at(99.95), 1000);
  EXPECT_EQ(values.min(), 1);
  EXPECT_EQ(values.max(), 1000);
}

TEST(Percentiles, OfOneValueAreThatValue) {
  const Percentiles one({7});
  for (const double percent : {0.0, 50.0, 99.99, 100.0}) EXPECT_EQ(one.at(percent), 7);
  EXPECT_EQ(one.mean(), 7);
  EXPECT_EQ(one.deviation(), 0);
}

TEST(Percentiles, OfNothingAreZero) {
  const Percentiles none;
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.at(50), 0);
  EXPECT_EQ(none.mean(), 0);
}

TEST(Percentiles, KnowMeanAndDeviation) {
  const Percentiles values({2, 4, 4, 4, 5, 5, 7, 9});
  EXPECT_DOUBLE_EQ(values.mean(), 5);
  EXPECT_DOUBLE_EQ(values.deviation(), 2);
}

TEST(Percentiles, PutWhoWasNeverAnsweredBehindAllOthers) {
  const Percentiles values({4, 1, 3, 2, 5}, {.count = 5, .bound = 100});
  EXPECT_EQ(values.count(), 10U);
  EXPECT_EQ(values.at(50), 5);
  EXPECT_FALSE(values.is_bound(50));
  EXPECT_EQ(values.at(50.1), 100);
  EXPECT_TRUE(values.is_bound(50.1));
  EXPECT_EQ(values.max(), 100);
  EXPECT_DOUBLE_EQ(values.mean(), 51.5);
  EXPECT_EQ(values.count_up_to(99), 5U);
  EXPECT_EQ(values.count_up_to(100), 10U);
}

TEST(Percentiles, OfWhoWasNeverAnsweredExceedTheLongestAnswer) {
  const Percentiles values({300}, {.count = 1, .bound = 100});  // it was due long before it was sent
  EXPECT_EQ(values.at(99), 300);
  EXPECT_TRUE(values.is_bound(99));
}

TEST(Percentiles, OfNobodyWhoWasAnsweredAreTheBound) {
  const Percentiles values(std::vector<std::int64_t>(), {.count = 2, .bound = 7});
  EXPECT_FALSE(values.empty());
  EXPECT_EQ(values.at(50), 7);
  EXPECT_TRUE(values.is_bound(0));
  EXPECT_DOUBLE_EQ(values.mean(), 7);
}

TEST(Percentiles, OfAHistogramAreThoseOfItsValuesWithThreeDigits) {
  std::vector<std::int64_t> values;
  Histogram histogram;
  for (std::int64_t value = 1; value < 3'000'000'000; value += value / 7 + 1) {
    values.push_back(value);
    histogram.add(value);
  }
  const Percentiles exact(values), found(histogram);
  EXPECT_EQ(found.count(), exact.count());
  EXPECT_EQ(found.max(), exact.max());
  EXPECT_NEAR(found.mean(), exact.mean(), exact.mean() * 1e-9);
  EXPECT_NEAR(found.deviation(), exact.deviation(), exact.deviation() * 1e-9);
  for (const double percent : {0.0, 10.0, 50.0, 90.0, 99.0})
    EXPECT_EQ(found.at(percent), rounded(exact.at(percent)));
}

TEST(RoundedHistogram, RoundsHalfUpToThreeDigits) {
  for (const auto& [value, expected] :
       std::vector<std::pair<std::int64_t, std::int64_t>>{{0, 0},
                                                          {7, 7},
                                                          {999, 999},
                                                          {1000, 1000},
                                                          {1004, 1000},
                                                          {1005, 1010},
                                                          {1234, 1230},
                                                          {9994, 9990},
                                                          {9995, 10'000},
                                                          {123'499, 123'000},
                                                          {123'500, 124'000},
                                                          {999'500, 1'000'000},
                                                          {86'400'000'000'000, 86'400'000'000'000}}) {
    EXPECT_EQ(rounded(value), expected);
    EXPECT_EQ(rounded(rounded(value)), rounded(value));
    Histogram histogram;
    histogram.add(value);
    ASSERT_EQ(histogram.entries().size(), 1U) << value;
    EXPECT_EQ(histogram.entries()[0].first, expected);
  }
}

TEST(RoundedHistogram, HasAPlaceForEveryValue) {
  Histogram histogram;
  for (const std::int64_t value : {std::int64_t{-1}, std::numeric_limits<std::int64_t>::max()})
    histogram.add(value);
  EXPECT_EQ(histogram.count(), 2U);
  EXPECT_EQ(histogram.entries().front().first, 0);
  EXPECT_EQ(histogram.entries().back().first, 1'000'000'000'000'000);
}

TEST(RoundedHistogram, IsInAscendingOrderAndComplete) {
  Histogram histogram;
  for (std::int64_t value = 0; value < 200'000; ++value) histogram.add(value);
  std::uint64_t count = 0;
  std::int64_t last = -1;
  for (const auto& [value, times] : histogram.entries()) {
    EXPECT_GT(value, last);
    EXPECT_EQ(rounded(value), value);
    last = value;
    count += times;
  }
  EXPECT_EQ(count, 200'000U);
}

struct Row {
  double value, percentile, count;
};

/// As a plotter reads it: numbers up to the comments.
std::vector<Row> rows_of(const std::string& text) {
  std::istringstream lines(text);
  std::string line;
  std::vector<Row> rows;
  while (std::getline(lines, line)) {
    Row row{};
    if (std::istringstream(line) >> row.value >> row.percentile >> row.count) rows.push_back(row);
  }
  return rows;
}

std::string histogram_of(const Percentiles& values) {
  std::ostringstream text;
  write_histogram(text, values);
  return text.str();
}

TEST(Histogram, RisesFromTheLeastValueToTheGreatest) {
  const auto rows = rows_of(histogram_of(first_integers(100'000)));
  ASSERT_GT(rows.size(), 50U);
  EXPECT_DOUBLE_EQ(rows.front().percentile, 0);
  EXPECT_DOUBLE_EQ(rows.back().percentile, 1);
  EXPECT_DOUBLE_EQ(rows.back().value, 0.1);  // 100,000 ns in ms
  EXPECT_DOUBLE_EQ(rows.back().count, 100'000);
  for (std::size_t i = 1; i < rows.size(); ++i) {
    EXPECT_GE(rows[i].value, rows[i - 1].value);
    EXPECT_GT(rows[i].percentile, rows[i - 1].percentile);
  }
}

TEST(Histogram, CountsTheValuesUpToEachPercentile) {
  for (const auto& row : rows_of(histogram_of(first_integers(1000))))
    EXPECT_GE(row.count, row.percentile * 1000 - 1e-6);
}

TEST(Histogram, HasTheFrameThatItsReadersLookFor) {
  const auto text = histogram_of(first_integers(10));
  EXPECT_TRUE(text.starts_with("       Value     Percentile TotalCount 1/(1-Percentile)\n\n")) << text;
  for (const auto* part : {"\n#[Mean    = ", ", StdDeviation   = ", "\n#[Max     = ", ", Total count    = ",
                           "\n#[Buckets = ", ", SubBuckets     = "})
    EXPECT_NE(text.find(part), std::string::npos) << part;
}

TEST(Histogram, OfNothingHasNoRow) { EXPECT_TRUE(rows_of(histogram_of(Percentiles())).empty()); }

}  // namespace
}  // namespace quartet::pace
