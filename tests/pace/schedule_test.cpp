// When requests are due: fixed beforehand, whatever the server does.
#include "loadtest/pace/schedule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace quartet::pace {
namespace {

using namespace std::chrono_literals;

std::vector<Nanoseconds> all_of(const Arrivals& arrivals) {
  Schedule schedule(arrivals);
  std::vector<Nanoseconds> times;
  while (const auto due = schedule.next()) times.push_back(*due);
  return times;
}

Arrivals constant(double rate, Nanoseconds duration) {
  return {.rate = rate, .last_rate = rate, .duration = duration};
}

TEST(Schedule, HasRequestKAtKOverTheRate) {
  const auto times = all_of(constant(1000, 10s));
  ASSERT_EQ(times.size(), 10'000U);
  for (std::size_t k = 0; k < times.size(); ++k) EXPECT_EQ(times[k], k * 1ms) << k;
}

TEST(Schedule, DoesNotDriftAtARateThatIsNoDivisorOfASecond) {
  const auto times = all_of(constant(60'000, 100s));
  ASSERT_EQ(times.size(), 6'000'000U);
  EXPECT_EQ(times[60'000], 1s);
  EXPECT_EQ(times[5'999'940], 99'999ms);
  EXPECT_EQ(all_of(constant(3, 10s))[29], 9'666'666'667ns);
}

TEST(Schedule, CanBeginAtAFractionOfItsInterval) {
  auto arrivals = constant(10, 1s);
  arrivals.phase = 0.5;
  const auto times = all_of(arrivals);
  ASSERT_EQ(times.size(), 10U);
  EXPECT_EQ(times.front(), 50ms);
  EXPECT_EQ(times.back(), 950ms);
}

TEST(Schedule, OfARampHasTheAreaUnderTheRate) {
  for (const auto& [first, last] : {std::pair(0.0, 1000.0), {1000.0, 0.0}, {100.0, 300.0}}) {
    const auto times = all_of({.rate = first, .last_rate = last, .duration = 10s});
    EXPECT_NEAR(static_cast<double>(times.size()), (first + last) / 2 * 10, 1) << first << ':' << last;
    EXPECT_TRUE(std::is_sorted(times.begin(), times.end()));
    const auto half = std::lower_bound(times.begin(), times.end(), 5s) - times.begin();
    EXPECT_NEAR(static_cast<double>(half), (first + (first + last) / 2) / 2 * 5, 1);
  }
}

TEST(Schedule, OfStepsIsThatOfEachRateFromItsStepOn) {
  auto arrivals = constant(200, 6s);
  arrivals.changes = {{3s, 400}, {4s, 3}};
  const auto times = all_of(arrivals);
  ASSERT_EQ(times.size(), 600U + 400U + 6U);
  for (std::size_t k = 0; k < 600; ++k) EXPECT_EQ(times[k], k * 5ms) << k;
  for (std::size_t k = 0; k < 400; ++k) EXPECT_EQ(times[600 + k], 3s + k * 2500us) << k;
  EXPECT_EQ(times[1001], 4'333'333'333ns);
}

TEST(Schedule, OfStepsCarriesOverAFractionOfARequest) {
  auto arrivals = constant(5, 2s);
  arrivals.phase = 0.5;  // due at 100, 300 and 500 ms, and 0.25 of a request is left at 550 ms
  arrivals.changes = {{550ms, 10}};
  const auto times = all_of(arrivals);
  EXPECT_EQ(times[2], 500ms);
  EXPECT_EQ(times[3], 625ms);
  EXPECT_EQ(times[4], 725ms);
}

TEST(Schedule, HasNoRequestWhileTheRateIsNothing) {
  auto arrivals = constant(0, 4s);
  arrivals.changes = {{1s, 10}, {2s, 0}, {3s, 10}};
  const auto times = all_of(arrivals);
  ASSERT_EQ(times.size(), 20U);
  EXPECT_EQ(times.front(), 1s);
  EXPECT_EQ(times[9], 1900ms);
  EXPECT_EQ(times[10], 3s);
  arrivals.changes = {{1s, 10}, {2s, 0}};
  EXPECT_EQ(all_of(arrivals).back(), 1900ms);
}

TEST(Schedule, OfPoissonArrivalsFollowsSteps) {
  auto arrivals = constant(1000, 20s);
  arrivals.changes = {{10s, 3000}};
  arrivals.poisson = true;
  const auto times = all_of(arrivals);
  const auto before = std::ranges::lower_bound(times, Nanoseconds(10s)) - times.begin();
  EXPECT_NEAR(static_cast<double>(before), 10'000, 500);  // five standard deviations
  EXPECT_NEAR(static_cast<double>(times.size()), 40'000, 1'000);
  EXPECT_TRUE(std::ranges::is_sorted(times));
  EXPECT_EQ(all_of(arrivals), times);
}

TEST(Schedule, OfPoissonArrivalsHasGapsThatAreExponential) {
  auto arrivals = constant(1000, 100s);
  arrivals.poisson = true;
  const auto times = all_of(arrivals);
  EXPECT_NEAR(static_cast<double>(times.size()), 100'000, 1'600);  // five standard deviations
  std::size_t long_gaps = 0;
  for (std::size_t k = 1; k < times.size(); ++k) long_gaps += times[k] - times[k - 1] > 1ms;
  EXPECT_NEAR(static_cast<double>(long_gaps) / static_cast<double>(times.size()), std::exp(-1), 0.01);
}

TEST(Schedule, OfPoissonArrivalsDependsOnTheSeedAlone) {
  auto arrivals = constant(1000, 1s);
  arrivals.poisson = true;
  const auto first = all_of(arrivals);
  EXPECT_EQ(all_of(arrivals), first);
  arrivals.seed = 2;
  EXPECT_NE(all_of(arrivals), first);
}

TEST(Schedule, KnowsHowManyRequestsThereWillBe) {
  for (const auto& arrivals : {constant(1000, 10s), constant(7, 1s), constant(0.1, 5s), constant(0, 1s),
                               Arrivals{.rate = 100, .last_rate = 301, .duration = 3s},
                               Arrivals{.rate = 7, .changes = {{1500ms, 0}, {2s, 33}}, .duration = 3s}}) {
    EXPECT_EQ(Schedule(arrivals).expected(), all_of(arrivals).size()) << arrivals.rate;
  }
}

TEST(Schedule, IsEmptyAtARateOfNothing) { EXPECT_TRUE(all_of(constant(0, 10s)).empty()); }

}  // namespace
}  // namespace quartet::pace
