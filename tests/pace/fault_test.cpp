// One request that does harm, amid the ordinary ones of its client; and answers that harm has changed.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include "loadtest/pace/engine.h"
#include "tests/pace/scripted_server.h"
#include "tests/pace/small_run.h"

namespace quartet::pace {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kFault = "POST /fault HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";

std::string with_body(std::string_view body, std::string_view status = "200 OK") {
  return "HTTP/1.1 " + std::string(status) + "\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + std::string(body);
}

/// Of its requests one is a fault.
Plan fault_plan(const net::Address& server, Nanoseconds time, std::size_t retries = 0) {
  auto plan = small_plan(server);
  plan.lanes[0].fault = {.time = time, .request = std::string(kFault), .retries = retries};
  return plan;
}

/// Answers all requests but the fault, at which it closes.
Script die_of_the_fault() {
  return [](int socket) {
    for (auto text = request_text(socket); !text.empty() && text != kFault; text = request_text(socket))
      write_all(socket, with_body("hello"));
  };
}

TEST(Fault, TakesThePlaceOfOneRequestOfItsConnection) {
  std::mutex mutex;
  std::vector<std::string> asked;
  const ScriptedServer server([&](int socket) {
    for (auto text = request_text(socket); !text.empty(); text = request_text(socket)) {
      const std::lock_guard lock(mutex);
      asked.push_back(text);
      write_all(socket, with_body("hello"));
    }
  });
  const auto ledger = carry_out(fault_plan(server.address(), 50ms));
  ASSERT_EQ(ledger.records.size(), 20U);
  EXPECT_EQ(count(ledger, Outcome::ok), 20U);
  EXPECT_EQ(ledger.fault_tries[0], std::vector<std::size_t>{5});
  EXPECT_EQ(ledger.records[5].due, Nanoseconds(50ms).count());
  for (const auto& record : ledger.records) EXPECT_EQ(record.connection, ledger.records[0].connection);
  const std::lock_guard lock(mutex);
  ASSERT_EQ(asked.size(), 20U);
  for (std::size_t i = 0; i < asked.size(); ++i) EXPECT_EQ(asked[i], i == 5 ? kFault : kRequest) << i;
}

TEST(Fault, IsNotAskedAgainByItself) {
  const ScriptedServer server(die_of_the_fault());
  const auto ledger = carry_out(fault_plan(server.address(), 50ms));
  EXPECT_EQ(ledger.records.size(), 20U);
  EXPECT_EQ(ledger.fault_tries[0].size(), 1U);
  EXPECT_EQ(ledger.records[5].outcome, Outcome::eof);
  EXPECT_EQ(count(ledger, Outcome::ok), 19U);  // over another connection
  EXPECT_GT(ledger.records[19].connection, ledger.records[5].connection);
}

TEST(Fault, ThatIsLostIsAskedAgainTenMillisecondsLaterOverAnotherConnection) {
  const ScriptedServer server(die_of_the_fault());
  auto plan = fault_plan(server.address(), 0ms, 2);
  plan.duration = plan.lanes[0].arrivals.duration = 1s;
  plan.lanes[0].arrivals.rate = plan.lanes[0].arrivals.last_rate = 10;
  const auto ledger = carry_out(plan);
  ASSERT_EQ(ledger.fault_tries[0].size(), 3U);
  EXPECT_EQ(ledger.records.size(), 12U);
  EXPECT_EQ(count(ledger, Outcome::eof), 3U);
  for (std::size_t i = 1; i < 3; ++i) {
    const Record& last = ledger.records[ledger.fault_tries[0][i - 1]];
    const Record& record = ledger.records[ledger.fault_tries[0][i]];
    EXPECT_EQ(record.due, last.done + 10'000'000);
    EXPECT_GE(record.sent, record.due);
    EXPECT_GT(record.connection, last.connection);
    EXPECT_EQ(record.outcome, Outcome::eof);
  }
  EXPECT_TRUE(std::ranges::is_sorted(ledger.records, {}, &Record::due));
}

TEST(Fault, IsAskedAgainWhereNobodyListens) {
  std::optional<ScriptedServer> server(std::in_place, answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  auto plan = fault_plan(server->address(), 0ms, 3);
  plan.duration = plan.lanes[0].arrivals.duration = 1s;
  plan.lanes[0].arrivals.rate = plan.lanes[0].arrivals.last_rate = 10;
  plan.lanes[0].fresh = true;
  const volatile std::sig_atomic_t never = 0;
  const auto ledger = run(plan, never, [&server](const Ledger&) { server.reset(); });
  ASSERT_EQ(ledger.fault_tries[0].size(), 4U);
  EXPECT_EQ(count(ledger, Outcome::refused), ledger.records.size());
}

TEST(Fault, ThatIsAnsweredIsNotAskedAgain) {
  const auto sorry = with_body("sorry", "500 Internal Server Error");
  const ScriptedServer server(answer(sorry));
  const auto ledger = carry_out(fault_plan(server.address(), 0ms, 5));
  EXPECT_EQ(ledger.fault_tries[0].size(), 1U);
  EXPECT_EQ(ledger.records[0].status, 500);
}

TEST(Fault, ThatOnlyTakesTooLongIsNotAskedAgain) {
  const ScriptedServer server([](int socket) {
    for (auto text = request_text(socket); !text.empty(); text = request_text(socket))
      if (text != kFault) write_all(socket, with_body("hello"));
  });
  auto plan = fault_plan(server.address(), 0ms, 5);
  plan.timeout = 30ms;
  const auto ledger = carry_out(plan);
  EXPECT_EQ(ledger.fault_tries[0].size(), 1U);
  EXPECT_EQ(ledger.records[0].outcome, Outcome::timed_out);
}

TEST(Fault, IsNeverDueBehindTheSchedule) {
  const ScriptedServer server(die_of_the_fault());
  const auto ledger = carry_out(fault_plan(server.address(), 0ms, 1'000));
  EXPECT_LE(ledger.fault_tries[0].size(), 20U);
  for (const auto& record : ledger.records) EXPECT_LT(record.due, Nanoseconds(200ms).count());
}

TEST(Fault, ThatHangsLeavesItsClientsOtherRequestsUnanswered) {
  const ScriptedServer server([](int socket) {
    for (auto text = request_text(socket); !text.empty() && text != kFault; text = request_text(socket))
      write_all(socket, with_body("hello"));
    request_text(socket);  // until the client closes
  });
  auto plan = fault_plan(server.address(), 100ms);
  plan.timeout = 0ms;
  plan.grace = 2s;
  const auto ledger = carry_out(plan);
  EXPECT_EQ(count(ledger, Outcome::ok), 10U);
  EXPECT_EQ(count(ledger, Outcome::unanswered), 10U);
  EXPECT_NE(ledger.records[10].sent, Record::kNever);
  EXPECT_NE(ledger.records[10].connection, 0U);
  EXPECT_EQ(ledger.records[11].sent, Record::kNever);
  EXPECT_EQ(ledger.records[11].connection, 0U);
}

// --- the same body

/// Answers its requests with those, and from then on with the last one.
Script answer_one_by_one(std::vector<std::string> answers) {
  return [answers, next = std::size_t{0}](int socket) mutable {
    while (read_request(socket)) {
      write_all(socket, answers[next]);
      next = std::min(next + 1, answers.size() - 1);
    }
  };
}

Plan same_body_plan(const net::Address& server) {
  auto plan = small_plan(server);
  plan.lanes[0].same_body = true;
  return plan;
}

TEST(SameBody, IsThatOfTheFirstGoodAnswer) {
  for (const auto* other : {"hullo", "hell", "hello!", ""}) {
    const ScriptedServer server(
        answer_one_by_one({with_body("hello"), with_body("hello"), with_body(other), with_body("hello")}));
    const auto ledger = carry_out(same_body_plan(server.address()));
    EXPECT_EQ(count(ledger, Outcome::ok), 19U) << other;
    EXPECT_EQ(ledger.records[2].outcome, Outcome::wrong_content) << other;
    EXPECT_EQ(ledger.records[2].status, 200) << other;
  }
}

TEST(SameBody, IsNotAskedForUnlessItIsWanted) {
  const ScriptedServer server(answer_one_by_one({with_body("hello"), with_body("hullo")}));
  EXPECT_EQ(count(carry_out(small_plan(server.address())), Outcome::ok), 20U);
}

TEST(SameBody, IsNeverThatOfABadAnswer) {
  for (const auto& bad : {with_body("sorry", "503 Service Unavailable"), with_body("hello") + "x"}) {
    const ScriptedServer server(answer_one_by_one({bad, with_body("fine")}));
    const auto ledger = carry_out(same_body_plan(server.address()));
    EXPECT_NE(ledger.records[0].outcome, Outcome::ok);
    EXPECT_EQ(count(ledger, Outcome::ok), 19U);
  }
}

TEST(SameBody, IsToldByItsLastOctetHoweverLargeItIs) {
  const std::string body(300'000, 'b');
  const ScriptedServer server(answer_one_by_one({with_body(body + "b"), with_body(body + "c")}));
  const auto ledger = carry_out(same_body_plan(server.address()));
  EXPECT_EQ(count(ledger, Outcome::ok), 1U);
  EXPECT_EQ(count(ledger, Outcome::wrong_content), 19U);
}

TEST(SameBody, IsThatOfItsClass) {
  const ScriptedServer server([](int socket) {
    const auto text = request_text(socket);
    if (!text.empty()) write_all(socket, with_body(text.starts_with("GET /b") ? "b" : "a"));
  });
  auto plan = same_body_plan(server.address());
  plan.lanes[0].fresh = true;
  plan.lanes.push_back(plan.lanes[0]);
  plan.lanes[1].request = "GET /b HTTP/1.1\r\nHost: a\r\n\r\n";
  const auto ledger = carry_out(plan);
  EXPECT_EQ(ledger.records.size(), 40U);
  EXPECT_EQ(count(ledger, Outcome::ok), 40U);
}

TEST(SameBody, IsNotThatOfAFault) {
  for (const auto time : {0ms, 100ms}) {
    const ScriptedServer server([](int socket) {
      for (auto text = request_text(socket); !text.empty(); text = request_text(socket))
        write_all(socket, with_body(text == kFault ? "done" : "hello"));
    });
    auto plan = fault_plan(server.address(), time);
    plan.lanes[0].same_body = true;
    EXPECT_EQ(count(carry_out(plan), Outcome::ok), 20U);
  }
}

TEST(Fault, IsNotHeldToTheBodyThatTheOthersExpect) {
  const ScriptedServer server([](int socket) {
    for (auto text = request_text(socket); !text.empty(); text = request_text(socket))
      write_all(socket, with_body(text == kFault ? "done" : "hello"));
  });
  auto plan = fault_plan(server.address(), 50ms);
  plan.lanes[0].expected_body = "hello";
  EXPECT_EQ(count(carry_out(plan), Outcome::ok), 20U);
}

}  // namespace
}  // namespace quartet::pace
