#include "loadtest/pace/percentiles.h"

#include <gtest/gtest.h>

#include <numeric>
#include <sstream>

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
  const Percentiles none({});
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.at(50), 0);
  EXPECT_EQ(none.mean(), 0);
}

TEST(Percentiles, KnowMeanAndDeviation) {
  const Percentiles values({2, 4, 4, 4, 5, 5, 7, 9});
  EXPECT_DOUBLE_EQ(values.mean(), 5);
  EXPECT_DOUBLE_EQ(values.deviation(), 2);
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

TEST(Histogram, OfNothingHasNoRow) { EXPECT_TRUE(rows_of(histogram_of(Percentiles({}))).empty()); }

}  // namespace
}  // namespace quartet::pace
