// Whether pace tells the truth about a server whose behaviour is known beforehand. The bounds are those of
// the statement; where a machine is too disturbed for them, and says so, the measurement is void.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <future>
#include <optional>
#include <sstream>
#include <string>
#include <thread>

#include "loadtest/pace/engine.h"
#include "loadtest/pace/summary.h"
#include "tests/pace/disturbance.h"
#include "tests/servers/process_table.h"
#include "tests/servers/server_process.h"

namespace quartet::pace {
namespace {

using suite::ServerProcess;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

Plan plan_for(int port, double rate, Nanoseconds duration, std::string target = "/plaintext") {
  Plan plan;
  plan.server = {"127.0.0.1", port};
  plan.duration = duration;
  plan.lanes.push_back({.name = "requests",
                        .target = target,
                        .request = "GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n",
                        .arrivals = {.rate = rate, .last_rate = rate, .duration = duration}});
  return plan;
}

Ledger carry_out(const Plan& plan) {
  const volatile std::sig_atomic_t never = 0;
  return run(plan, never);
}

ServerProcess start_server(int port = 0) {
  const auto address = "127.0.0.1:" + std::to_string(port);
  return ServerProcess(
      suite::server_command("quartet-epoll", {"--listen", address, "--max-requests-per-connection", "0"}));
}

double milliseconds(std::int64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e6; }
double milliseconds(Clock::duration time) { return std::chrono::duration<double, std::milli>(time).count(); }

/// Bounds hold, or the machine says why they could not: a wrong number on a quiet machine is a failure.
#define EXPECT_BETWEEN(value, low, high)                                     \
  if (const auto reason = disturbance.describe();                            \
      ((value) < (low) || (value) > (high)) && !reason.empty()) {            \
    GTEST_SKIP() << #value << " is " << (value) << ", but void: " << reason; \
  } else                                                                     \
    EXPECT_TRUE((value) >= (low) && (value) <= (high))                       \
        << #value << " is " << (value) << ", not from " << (low) << " to " << (high)

TEST(Truth, AServerFrozenForASecondIsInThePercentilesOfTheSchedule) {
  const auto server = start_server();
  const Disturbance disturbance;
  auto freeze = std::async(std::launch::async, [&server] {
    std::this_thread::sleep_for(4s);
    server.signal(SIGSTOP);
    std::this_thread::sleep_for(1s);
    server.signal(SIGCONT);
  });
  const auto plan = plan_for(server.port(), 1000, 10s);
  const auto ledger = carry_out(plan);
  freeze.get();
  const auto summary = summarize(plan, ledger);
  EXPECT_EQ(ledger.records.size(), 10'000U);
  EXPECT_EQ(summary.total(Outcome::ok), 10'000U);
  // Of 10,000 requests 1,000 were due in the freeze, and wait from 0 to 1 s for its end.
  const auto& latency = summary.lanes[0].latency;
  EXPECT_BETWEEN(milliseconds(latency.at(95)), 450, 550);
  EXPECT_BETWEEN(milliseconds(latency.at(99)), 855, 945);
  EXPECT_BETWEEN(milliseconds(latency.at(50)), 0, 50);
  // A closed loop would have seen it 16 times, once for each connection: this is what it is about.
  EXPECT_BETWEEN(milliseconds(summary.lanes[0].service.at(99)), 0, 100);
}

TEST(Truth, AClosedLoopHardlySeesAServerFrozenForASecondButItAsksForLess) {
  const auto server = start_server();
  const Disturbance disturbance;
  auto plan = plan_for(server.port(), 0, 4s, "/sleep?ms=10");
  plan.lanes[0].closed = true;
  auto freeze = std::async(std::launch::async, [&server] {
    std::this_thread::sleep_for(1s);
    server.signal(SIGSTOP);
    std::this_thread::sleep_for(1s);
    server.signal(SIGCONT);
  });
  const auto summary = summarize(plan, carry_out(plan));
  freeze.get();
  const auto& lane = summary.lanes[0];
  EXPECT_EQ(summary.total(Outcome::ok), lane.requests);
  // 16 connections ask every 10 ms, but for one of four seconds; each sees the freeze once.
  EXPECT_LE(lane.answered_in_time, 16U * 300 + 16);
  EXPECT_BETWEEN(lane.answered_in_time, 16U * 300 * 8 / 10, 16U * 300 + 16);
  EXPECT_GE(milliseconds(lane.latency.at(50)), 10);
  EXPECT_BETWEEN(milliseconds(lane.latency.at(99)), 10, 100);
  EXPECT_BETWEEN(milliseconds(lane.latency.max()), 950, 1200);
  EXPECT_BETWEEN(milliseconds(summary.gap.length()), 950, 1200);
}

TEST(Truth, AServerThatIsKilledAndRestartedAfterASecondIsOutForSoLong) {
  const auto server = start_server();
  const auto plan = plan_for(server.port(), 1000, 4s);
  const Disturbance disturbance;
  auto measurement = std::async(std::launch::async, [&plan] { return carry_out(plan); });
  std::this_thread::sleep_for(1s);
  const auto killed = Clock::now();
  server.signal(SIGKILL);
  std::this_thread::sleep_until(killed + 1s);
  const auto second = start_server(server.port());
  const auto back = Clock::now();
  const auto ledger = measurement.get();
  const auto summary = summarize(plan, ledger);
  std::uint64_t sum = 0;
  for (const auto count : summary.lanes[0].outcomes) sum += count;
  EXPECT_EQ(sum, 4000U);
  EXPECT_EQ(summary.total(Outcome::unanswered), 0U);
  EXPECT_GT(summary.total(Outcome::refused), 0U);
  const auto outage = milliseconds(summary.gap.length()) - milliseconds(back - killed) + 1000;
  EXPECT_BETWEEN(outage, 950, 1200);  // as if the restart had taken no time
}

TEST(Truth, TheScheduleIsNotKeptByAProgramThatIsFrozenItself) {
  const auto server = start_server();
  suite::ChildProcess pace(suite::server_command(
      "quartet-pace", {"127.0.0.1:" + std::to_string(server.port()), "--duration", "3s", "--json", "-"}));
  ASSERT_TRUE(suite::eventually([&] { return suite::port_queues(server.port()).connections > 0; }));
  std::this_thread::sleep_for(500ms);
  pace.signal(SIGSTOP);
  std::this_thread::sleep_for(500ms);
  pace.signal(SIGCONT);
  EXPECT_EQ(pace.wait_exit(), suite::exited(4));
  EXPECT_NE(pace.out().find("the schedule was not kept"), std::string::npos) << pace.out();
}

/// "Connection time [ms]: min 20.3 avg 20.6 max 21.9 median 20.5 stddev 0.2"
struct HttperfTimes {
  double mean = 0, max = 0;
};

std::optional<HttperfTimes> parse_httperf(const std::string& text) {
  const auto line = text.find("Connection time [ms]: min");
  if (line == std::string::npos) return std::nullopt;
  std::istringstream words(text.substr(line));
  std::string word;
  HttperfTimes times;
  while (words >> word && word != "median") {
    if (word == "avg") words >> times.mean;
    if (word == "max") words >> times.max;
  }
  return times;
}

TEST(Truth, HttperfSeesTheSame) {
  if (std::system("command -v httperf >/dev/null") != 0) GTEST_SKIP() << "httperf is not installed";
  const auto server = start_server();
  const Disturbance disturbance;
  const auto httperf =
      suite::run({.executable = "httperf",
                  .arguments = {"--hog", "--server", "127.0.0.1", "--port", std::to_string(server.port()),
                                "--uri", "/sleep?ms=30", "--rate", "100", "--num-conns", "200"}});
  const auto theirs = parse_httperf(httperf.out);
  ASSERT_TRUE(theirs) << httperf.out << httperf.err;
  auto plan = plan_for(server.port(), 100, 2s, "/sleep?ms=30");
  plan.lanes[0].fresh = true;
  const auto summary = summarize(plan, carry_out(plan));
  EXPECT_EQ(summary.total(Outcome::ok), 200U);
  const auto& ours = summary.lanes[0].latency;
  EXPECT_GE(milliseconds(ours.min()), 30);
  EXPECT_BETWEEN(milliseconds(static_cast<std::int64_t>(ours.mean())), theirs->mean - 3, theirs->mean + 3);
  EXPECT_BETWEEN(milliseconds(ours.max()), 30, theirs->max + 30);
}

}  // namespace
}  // namespace quartet::pace
