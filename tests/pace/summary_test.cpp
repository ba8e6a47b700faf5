// From the ledger to the numbers: what counts, from when, and when not to trust it.
#include "loadtest/pace/summary.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "loadtest/pace/report.h"

namespace quartet::pace {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kMillisecond = 1'000'000;

Record ok(std::int64_t due, std::int64_t sent, std::int64_t done) {
  return {.due = due * kMillisecond,
          .sent = sent * kMillisecond,
          .first_byte = done * kMillisecond,
          .done = done * kMillisecond,
          .status = 200,
          .outcome = Outcome::ok};
}

Plan one_lane() {
  Plan plan;
  plan.lanes.push_back({.name = "requests"});
  return plan;
}

Ledger ledger_of(std::vector<Record> records, Nanoseconds elapsed = 100ms) {
  return {.records = std::move(records), .elapsed = elapsed, .connections_answered = {16, 16}};
}

TEST(Summary, CountsLatencyFromTheScheduleAndServiceFromTheSend) {
  const auto summary = summarize(one_lane(), ledger_of({ok(10, 30, 35)}));
  EXPECT_EQ(summary.lanes[0].latency.max(), 25 * kMillisecond);
  EXPECT_EQ(summary.lanes[0].service.max(), 5 * kMillisecond);
}

TEST(Summary, CountsEveryRequestOnce) {
  std::vector<Record> records;
  for (std::size_t i = 0; i < kOutcomes; ++i)
    for (std::size_t j = 0; j <= i; ++j) records.push_back({.outcome = static_cast<Outcome>(i)});
  const auto lane = summarize(one_lane(), ledger_of(records)).lanes[0];
  EXPECT_EQ(lane.requests, records.size());
  for (std::size_t i = 0; i < kOutcomes; ++i) EXPECT_EQ(lane.outcomes[i], i + 1);
}

TEST(Summary, KeepsLanesApart) {
  auto plan = one_lane();
  plan.lanes.push_back({.name = "other"});
  auto other = ok(0, 0, 50);
  other.lane = 1;
  const auto summary = summarize(plan, ledger_of({ok(0, 0, 1), other}));
  EXPECT_EQ(summary.lanes[0].latency.max(), 1 * kMillisecond);
  EXPECT_EQ(summary.lanes[1].latency.max(), 50 * kMillisecond);
  EXPECT_EQ(summary.total(Outcome::ok), 2U);
}

TEST(Summary, TakesNoLatencyFromWhatDidNotEndOk) {
  const Record timed_out{.due = 0, .sent = 0, .done = 90 * kMillisecond, .outcome = Outcome::timed_out};
  EXPECT_EQ(summarize(one_lane(), ledger_of({ok(0, 0, 1), timed_out})).lanes[0].latency.count(), 1U);
}

TEST(Summary, FindsTheLongestTimeWithoutAnOk) {
  const auto gap = summarize(one_lane(), ledger_of({ok(0, 0, 40), ok(5, 5, 10), ok(60, 60, 80)})).gap;
  EXPECT_EQ(gap.begin, 40ms);
  EXPECT_EQ(gap.end, 80ms);
}

TEST(Summary, CountsTheTimeBeforeTheFirstOkAndAfterTheLast) {
  EXPECT_EQ(summarize(one_lane(), ledger_of({ok(0, 0, 70)})).gap.length(), 70ms);
  EXPECT_EQ(summarize(one_lane(), ledger_of({ok(0, 0, 10)})).gap.length(), 90ms);
  EXPECT_EQ(summarize(one_lane(), ledger_of({})).gap.length(), 100ms);
}

TEST(Summary, SaysWhenTheScheduleWasNotKept) {
  std::vector<Record> records(1000, ok(0, 0, 1));
  for (std::size_t i = 0; i < 10; ++i) records[i].lateness = 2 * kMillisecond;
  EXPECT_TRUE(summarize(one_lane(), ledger_of(records)).problems.empty());  // 1 % may be late
  records[10].lateness = 2 * kMillisecond;
  const auto summary = summarize(one_lane(), ledger_of(records));
  EXPECT_FALSE(summary.schedule_kept);
  ASSERT_EQ(summary.problems.size(), 1U);
  EXPECT_NE(summary.problems[0].find("not kept"), std::string::npos);
}

TEST(Summary, SaysWhenThisSideFailed) {
  auto plan = one_lane();
  plan.hold = 10;
  auto ledger = ledger_of({});
  ledger.held = 9;
  ledger.local_failures = 3;
  EXPECT_EQ(summarize(plan, ledger).problems.size(), 2U);
}

TEST(Summary, CountsAnswersByWorker) {
  auto first = ok(0, 0, 1);
  first.worker_process = 10;
  auto second = first;
  second.worker_slot = 1;
  const auto workers = summarize(one_lane(), ledger_of({first, second, second, ok(0, 0, 1)})).workers;
  EXPECT_EQ(workers, (decltype(workers){{{10, 0}, 1}, {{10, 1}, 2}}));
}

TEST(Summary, CountsThePlacesOfAPoolThatWereAnswered) {
  auto ledger = ledger_of({});
  ledger.connections_answered = {14};
  EXPECT_EQ(summarize(one_lane(), ledger).lanes[0].connections_answered, 14U);
}

TEST(Summary, FreshConnectionsHaveNoPlace) {
  auto plan = one_lane();
  plan.lanes[0].fresh = true;
  EXPECT_EQ(summarize(plan, ledger_of({})).lanes[0].connections_answered, std::nullopt);
}

TEST(Report, SaysWhenAPlaceOfThePoolWasNotAnswered) {
  const auto plan = one_lane();
  auto ledger = ledger_of({});
  const auto text = [&] { return to_text(plan, ledger, summarize(plan, ledger)); };
  EXPECT_EQ(text().find("of them answered"), std::string::npos) << text();
  ledger.connections_answered = {14};
  EXPECT_NE(text().find(", 16 kept connections, 14 of them answered\n"), std::string::npos) << text();
}

TEST(Report, AsJsonTellsPlacesFromNone) {
  auto plan = one_lane();
  plan.lanes.push_back({.name = "fresh", .fresh = true});
  const auto ledger = ledger_of({});
  const auto lanes = to_json(plan, ledger, summarize(plan, ledger))["lanes"];
  EXPECT_EQ(lanes[0]["connections_answered"], 16);
  EXPECT_TRUE(lanes[1]["connections_answered"].is_null());
}

TEST(Report, NamesEveryOutcomeThatOccurred) {
  const auto plan = one_lane();
  const auto ledger = ledger_of({ok(0, 0, 1), {.outcome = Outcome::truncated}});
  const auto text = to_text(plan, ledger, summarize(plan, ledger));
  EXPECT_NE(text.find("2 requests: 1 ok, 1 truncated\n"), std::string::npos) << text;
}

TEST(Report, AsJsonHasCountsThatAddUp) {
  const auto plan = one_lane();
  const auto ledger = ledger_of({ok(0, 0, 1), ok(1, 1, 4), {.outcome = Outcome::refused}});
  const auto json = to_json(plan, ledger, summarize(plan, ledger));
  const auto& lane = json["lanes"][0];
  int sum = 0;
  for (const auto& [name, count] : lane["outcomes"].items()) sum += count.get<int>();
  EXPECT_EQ(sum, lane["requests"]);
  EXPECT_EQ(lane["latency"]["max_ms"], 3.0);
  EXPECT_EQ(lane["latency"]["count"], 2);
}

TEST(Report, OfNothingIsStillAReport) {
  const auto plan = one_lane();
  const auto summary = summarize(plan, ledger_of({}));
  EXPECT_NE(to_text(plan, ledger_of({}), summary), "");
  EXPECT_EQ(to_json(plan, ledger_of({}), summary)["lanes"][0]["requests"], 0);
}

}  // namespace
}  // namespace quartet::pace
