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
  return {.records = std::move(records),
          .elapsed = elapsed,
          .connections_answered = {16, 16},
          .fault_tries = {{}, {}}};
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

TEST(Summary, CountsWhatWasAnsweredBeforeTheScheduleWasOver) {
  auto plan = one_lane();
  plan.duration = 50ms;
  auto error = ok(0, 0, 10);
  error.outcome = Outcome::error_status;
  const auto lane =
      summarize(
          plan,
          ledger_of({ok(0, 0, 49), ok(0, 0, 50), ok(40, 45, 90), error, {.outcome = Outcome::unanswered}}))
          .lanes[0];
  EXPECT_EQ(lane.answered_in_time, 2U);
  EXPECT_EQ(lane.ok_in_time, 1U);
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

Record lost(Outcome outcome, std::int64_t sent = Record::kNever) {
  return {.due = 0, .sent = sent, .done = 90 * kMillisecond, .outcome = outcome};
}

TEST(Summary, WhoWasNeverAnsweredTookLongerThanTheTimeout) {
  for (const auto outcome : {Outcome::eof, Outcome::truncated, Outcome::reset, Outcome::refused,
                             Outcome::timed_out, Outcome::unanswered}) {
    auto plan = one_lane();
    plan.timeout = plan.grace = 2s;
    const auto latency =
        summarize(plan, ledger_of({ok(0, 0, 1), ok(0, 0, 2), lost(outcome)})).lanes[0].latency;
    EXPECT_EQ(latency.count(), 3U) << to_string(outcome);
    EXPECT_EQ(latency.censored(), 1U);
    EXPECT_EQ(latency.at(50), 2 * kMillisecond);
    EXPECT_FALSE(latency.is_bound(50));
    EXPECT_EQ(latency.at(99), 2000 * kMillisecond);
    EXPECT_TRUE(latency.is_bound(99));
    EXPECT_DOUBLE_EQ(latency.mean(), 2003.0 / 3 * kMillisecond);
  }
}

TEST(Summary, AnAnswerThatIsNotOkIsNotLost) {
  for (const auto outcome : {Outcome::error_status, Outcome::wrong_content}) {
    const auto latency = summarize(one_lane(), ledger_of({ok(0, 0, 1), lost(outcome)})).lanes[0].latency;
    EXPECT_EQ(latency.count(), 1U) << to_string(outcome);
    EXPECT_EQ(latency.censored(), 0U);
  }
}

TEST(Summary, OnlyWhatWasSentIsLostForTheService) {
  const auto lane =
      summarize(one_lane(), ledger_of({lost(Outcome::unanswered), lost(Outcome::timed_out, 0)})).lanes[0];
  EXPECT_EQ(lane.latency.censored(), 2U);
  EXPECT_EQ(lane.service.censored(), 1U);
}

TEST(Summary, WhoWaitsWithoutATimeoutWaitsForTheGrace) {
  auto plan = one_lane();
  plan.timeout = 0s;
  plan.grace = 3s;
  EXPECT_EQ(summarize(plan, ledger_of({lost(Outcome::unanswered)})).lanes[0].patience, 3s);
}

TEST(Summary, WhoIsCutOffByTheEndHadOnlyTheGrace) {
  auto plan = one_lane();
  plan.timeout = 10s;
  plan.grace = 2s;
  EXPECT_EQ(summarize(plan, ledger_of({lost(Outcome::unanswered)})).lanes[0].latency.at(50),
            2000 * kMillisecond);
  EXPECT_EQ(summarize(plan, ledger_of({lost(Outcome::eof)})).lanes[0].latency.at(50), 10'000 * kMillisecond);
}

TEST(Summary, OfAnInterruptedRunNobodyKnowsHowLongTheRestWouldHaveTaken) {
  auto plan = one_lane();
  plan.timeout = plan.grace = 2s;
  auto ledger = ledger_of({ok(0, 0, 5), lost(Outcome::unanswered)});
  ledger.interrupted = true;
  EXPECT_EQ(summarize(plan, ledger).lanes[0].patience, 0s);
  ledger.interrupted = false;
  EXPECT_EQ(summarize(plan, ledger).lanes[0].patience, 2s);
}

TEST(Summary, WhatWasSentShortlyBeforeTheEndIsNoLongServiceTime) {
  auto cut_off = lost(Outcome::unanswered);
  cut_off.sent = 999;
  const auto lane = summarize(one_lane(), ledger_of({ok(0, 0, 5), cut_off})).lanes[0];
  EXPECT_EQ(lane.latency.count(), 2);
  EXPECT_EQ(lane.service.count(), 1);
}

TEST(Summary, WhatTheServerDidIsNoProblemOfTheMeasurement) {
  auto plan = one_lane();
  plan.hold = 10;
  std::vector<Record> records(1000, lost(Outcome::unanswered));
  for (std::size_t i = 0; i < kOutcomes; ++i) records.push_back(lost(static_cast<Outcome>(i)));
  records.push_back(ok(0, 5000, 9000));
  auto ledger = ledger_of(records);
  ledger.held = 9;  // the tenth was refused
  ledger.held_lost = 9;
  const auto summary = summarize(plan, ledger);
  EXPECT_EQ(summary.problems, std::vector<std::string>{});
  EXPECT_TRUE(summary.schedule_kept);
}

/// A closed loop of which 3 requests were answered within 2 s and one behind them; then one was lost.
Ledger closed_ledger() {
  auto ledger = ledger_of({}, 3s);
  ledger.tallies.resize(1);
  Tally& tally = ledger.tallies[0];
  tally.outcomes = {3, 1, 1};
  tally.in_time = {2, 1, 0};
  for (const auto milliseconds : {1, 2, 3}) tally.latency.add(milliseconds * kMillisecond);
  tally.gap_begin = 1s;
  tally.gap_end = 2500ms;
  return ledger;
}

Plan closed_plan() {
  auto plan = one_lane();
  plan.duration = 2s;
  plan.timeout = plan.grace = 1s;
  plan.lanes[0].closed = true;
  plan.lanes[0].pipeline = 4;
  return plan;
}

TEST(Summary, OfAClosedLoopHasItsCounts) {
  const auto summary = summarize(closed_plan(), closed_ledger());
  const auto& lane = summary.lanes[0];
  EXPECT_EQ(lane.requests, 5U);
  EXPECT_EQ(lane.answered_in_time, 3U);
  EXPECT_EQ(lane.ok_in_time, 2U);
  EXPECT_EQ(lane.latency.count(), 4U);
  EXPECT_EQ(lane.latency.at(75), 3 * kMillisecond);
  EXPECT_TRUE(lane.latency.is_bound(99));
  EXPECT_TRUE(lane.service.empty());
  EXPECT_EQ(summary.gap.length(), 1500ms);
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
  EXPECT_EQ(summarize(plan, ledger).problems.size(), 1U);
}

TEST(Summary, TellsWhatBecameOfStateByNumberOfClients) {
  auto plan = one_lane();
  plan.sessions = 4;
  auto ledger = ledger_of({});
  ledger.state = {.sessions = {1, 2, 0, 1}, .counters = {0, 0, 4, 0}};
  const auto summary = summarize(plan, ledger);
  const auto text = to_text(plan, ledger, summary);
  EXPECT_NE(text.find("\nsessions: 1 kept, 2 lost, 1 never had\ncounters: 4 never answered\n"),
            std::string::npos);
  const auto json = to_json(plan, ledger, summary)["state"];
  EXPECT_EQ(json["clients"], 4);
  EXPECT_EQ(json["sessions"].dump(), R"({"kept":1,"lost":2,"never_answered":0,"never_had":1})");
  EXPECT_EQ(json["counters"]["never_answered"], 4);
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

TEST(Report, TellsTheStepsOfARate) {
  auto plan = one_lane();
  plan.lanes[0].arrivals.rate = 200;
  plan.lanes[0].arrivals.changes = {{3s, 400}, {4500ms, 0}};
  const auto ledger = ledger_of({});
  const auto text = to_text(plan, ledger, summarize(plan, ledger));
  EXPECT_NE(text.find("200, from 3 s 400, from 4.5 s 0 requests/s"), std::string::npos) << text;
  const auto lane = to_json(plan, ledger, summarize(plan, ledger))["lanes"][0];
  EXPECT_EQ(lane["rate_changes"].dump(), R"([{"time_s":3.0,"rate":400.0},{"time_s":4.5,"rate":0.0}])");
}

Plan fault_lane() {
  auto plan = one_lane();
  plan.lanes[0].fault = {.time = 20ms, .target = "/fault/segv", .request = {}};
  return plan;
}

/// Two ordinary requests, a fault, and another try of it.
Ledger fault_ledger() {
  auto fault = ok(20, 20, 21), retry = ok(30, 30, 95);
  fault.outcome = Outcome::eof;
  fault.status = 0;
  retry.outcome = Outcome::error_status;
  retry.status = 500;
  auto ledger = ledger_of({ok(10, 10, 11), fault, retry, ok(40, 41, 43)});
  ledger.fault_tries[0] = {1, 2};
  return ledger;
}

TEST(Summary, AFaultIsCountedButItsTimeIsNoLatency) {
  auto ledger = fault_ledger();
  ledger.records[2].outcome = Outcome::ok;  // even where it does no harm
  const auto lane = summarize(fault_lane(), ledger).lanes[0];
  EXPECT_EQ(lane.requests, 4U);
  EXPECT_EQ(lane.count(Outcome::eof), 1U);
  EXPECT_EQ(lane.latency.count(), 2U);
  EXPECT_EQ(lane.latency.censored(), 0U);
  EXPECT_EQ(lane.latency.max(), 3 * kMillisecond);
  EXPECT_EQ(lane.service.count(), 2U);
  ASSERT_EQ(lane.fault_tries.size(), 2U);
  EXPECT_EQ(lane.fault_tries[1].due, 30 * kMillisecond);
}

TEST(Report, SaysWhatBecameOfAFault) {
  const auto text = to_text(fault_lane(), fault_ledger(), summarize(fault_lane(), fault_ledger()));
  EXPECT_NE(text.find("  fault at 20 ms: POST /fault/segv: EOF before response, again: error status (500)\n"),
            std::string::npos)
      << text;
  const auto nothing = to_text(fault_lane(), ledger_of({}), summarize(fault_lane(), ledger_of({})));
  EXPECT_NE(nothing.find("  fault at 20 ms: POST /fault/segv, not asked\n"), std::string::npos) << nothing;
}

TEST(Report, AsJsonHasTheFaultAndWhenItWasAskedAgain) {
  const auto ledger = fault_ledger();
  const auto fault = to_json(fault_lane(), ledger, summarize(fault_lane(), ledger))["lanes"][0]["fault"];
  EXPECT_EQ(fault.dump(),
            R"({"at_ms":20.0,"method":"POST","target":"/fault/segv","outcome":"EOF_before_response",)"
            R"("status":null,"done_ms":21.0,"retries":[)"
            R"({"due_ms":30.0,"outcome":"error_status","status":500,"done_ms":95.0}]})");
}

TEST(Report, AsJsonTellsAFaultThatWasNotAskedOrNotAnsweredFromNone) {
  const auto plan = fault_lane();
  const auto fault_of = [](const Plan& of, const Ledger& ledger) {
    return to_json(of, ledger, summarize(of, ledger))["lanes"][0]["fault"];
  };
  EXPECT_TRUE(fault_of(one_lane(), ledger_of({})).is_null());
  EXPECT_TRUE(fault_of(plan, ledger_of({}))["outcome"].is_null());
  auto ledger = ledger_of({{.outcome = Outcome::unanswered}});
  ledger.fault_tries[0] = {0};
  EXPECT_EQ(fault_of(plan, ledger)["outcome"], "never_answered");
  EXPECT_TRUE(fault_of(plan, ledger)["done_ms"].is_null());
}

TEST(Report, CountsWhatBecameOfRudeClients) {
  auto plan = one_lane();
  const auto kinds = rude_kinds();
  plan.rude = {{.time = 500ms, .kind = &kinds[0], .connections = 10},
               {.time = 1s, .kind = &kinds[1], .connections = 2, .target = "/x"}};
  auto ledger = ledger_of({});
  ledger.rude = {{.opened = 9, .refused = 1, .closed_by_server = 7, .answers = {{408, 4}, {503, 2}}}, {}};
  const auto summary = summarize(plan, ledger);
  const auto text = to_text(plan, ledger, summary);
  EXPECT_NE(text.find("rude, from 0.5 s: 10 slow-header: 9 opened, 1 refused, 7 closed by the server, "
                      "4 answered with 408, 2 answered with 503\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("rude, from 1 s: 2 slow-reader of /x: 0 opened, 0 refused, 0 closed by the server\n"),
            std::string::npos)
      << text;
  const auto rude = to_json(plan, ledger, summary)["rude"];
  EXPECT_EQ(rude[0].dump(),
            R"({"kind":"slow-header","at_ms":500.0,"target":null,"connections":10,"opened":9,"refused":1,)"
            R"("closed_by_server":7,"answered":6,"statuses":{"408":4,"503":2}})");
  EXPECT_EQ(rude[1]["target"], "/x");
  EXPECT_TRUE(to_json(one_lane(), ledger, summarize(one_lane(), ledger))["rude"].empty());
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
  EXPECT_EQ(lane["latency"]["p50_ms"], 3.0);
  EXPECT_EQ(lane["latency"]["max_ms"], 10'000.0);
  EXPECT_EQ(lane["latency"]["count"], 3);
  EXPECT_EQ(lane["latency"]["censored"], 1);
  EXPECT_EQ(lane["patience_ms"], 10'000.0);
}

TEST(Report, SaysWhenALevelIsAmongThoseNeverAnswered) {
  auto plan = one_lane();
  plan.timeout = plan.grace = 2s;
  const auto ledger = ledger_of({ok(0, 0, 1), ok(0, 0, 1), lost(Outcome::unanswered)});
  const auto text = to_text(plan, ledger, summarize(plan, ledger));
  EXPECT_NE(
      text.find("  latency      > 667.333     1.000    > 2000    > 2000    > 2000    > 2000    > 2000\n"),
      std::string::npos)
      << text;
}

TEST(Report, AsJsonHasAHistogramOfWhatEndedOkWithThreeDigits) {
  auto early = ok(0, 0, 0), late = ok(0, 0, 0);
  early.done = 1'234'500;
  late.done = 1'239'999;
  const auto ledger = ledger_of({early, early, late, ok(0, 0, 90), lost(Outcome::eof)});
  const auto json = to_json(one_lane(), ledger, summarize(one_lane(), ledger));
  EXPECT_EQ(json["lanes"][0]["latency_histogram"].dump(), "[[1230000,2],[1240000,1],[90000000,1]]");
}

TEST(Report, OfAClosedLoopSaysHowManyWereAnsweredInItsWindow) {
  const auto plan = closed_plan();
  const auto ledger = closed_ledger();
  const auto summary = summarize(plan, ledger);
  const auto text = to_text(plan, ledger, summary);
  EXPECT_NE(text.find("closed loop, 4 requests at once, 16 kept connections\n"), std::string::npos) << text;
  EXPECT_NE(text.find("  2 answered/s, of 3 within 2 s\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("schedule"), std::string::npos) << text;
  const auto lane = to_json(plan, ledger, summary)["lanes"][0];
  EXPECT_EQ(lane["answered_in_time"], 3);
  EXPECT_EQ(lane["ok_in_time"], 2);
  EXPECT_EQ(lane["closed_loop"]["answered_per_s"], 1.5);
  EXPECT_EQ(lane["latency_histogram"].size(), 3U);
  const auto open = to_json(one_lane(), ledger_of({}), summarize(one_lane(), ledger_of({})))["lanes"][0];
  EXPECT_TRUE(open["closed_loop"].is_null());
}

TEST(Report, OfNothingIsStillAReport) {
  const auto plan = one_lane();
  const auto summary = summarize(plan, ledger_of({}));
  EXPECT_NE(to_text(plan, ledger_of({}), summary), "");
  EXPECT_EQ(to_json(plan, ledger_of({}), summary)["lanes"][0]["requests"], 0);
}

}  // namespace
}  // namespace quartet::pace
