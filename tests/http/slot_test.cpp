// Counters and gauges that a connection keeps.
#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <thread>

#include "tests/http/answer.h"
#include "tests/http/client.h"

namespace quartet::test {
namespace {

using http::Phase;
using http::Slot;
using http::Want;
using namespace std::chrono_literals;

TEST(Gauge, IsAcceptedBeforeTheFirstByte) {
  Client client;
  EXPECT_EQ(client.gauge(Phase::accepted), 1U);
  EXPECT_EQ(client.gauges(), 1U);
}

TEST(Gauge, IsReadingWhileARequestComes) {
  Client client;
  client.send("GET ");
  EXPECT_EQ(client.gauge(Phase::reading), 1U);
  client.exchange("/ HTTP/1.1\r\nHost: a\r\n\r\n");
  client.send(request("POST", "/echo", "Content-Length: 5\r\n"));
  EXPECT_EQ(client.gauge(Phase::reading), 1U);
}

TEST(Gauge, IsRunningForTheHandler) {
  std::uint64_t running = 0;
  const auto router = router_with([&running](const http::Request&, const Slot& slot) -> http::Outcome {
    running = slot.gauges[static_cast<std::size_t>(Phase::running)];
    return http::text_response(200, "");
  });
  Client client({.router = router});
  client.exchange(get("/"));
  EXPECT_EQ(running, 1U);
  EXPECT_EQ(client.gauge(Phase::running), 0U);
}

TEST(Gauge, IsWritingUntilTheAnswerHasLeft) {
  Client client;
  client.send(get());
  client.run();
  EXPECT_EQ(client.gauge(Phase::writing), 1U);
  client.write(1);
  EXPECT_EQ(client.gauge(Phase::writing), 1U);
}

TEST(Gauge, IsSleepingForADelay) {
  Client client;
  client.send(get("/sleep"));
  client.run();
  EXPECT_EQ(client.gauge(Phase::sleeping), 1U);
  client.pass(250ms);
  EXPECT_EQ(client.gauge(Phase::writing), 1U);
}

TEST(Gauge, IsIdleAfterAnAnswer) {
  Client client;
  client.exchange(get());
  EXPECT_EQ(client.gauge(Phase::idle), 1U);
  EXPECT_EQ(client.gauges(), 1U);
}

/// What the gauges show after a connection that got no further than its first run().
std::uint64_t gauges_after(std::string_view bytes) {
  const http::Service service{.router = test_router(), .limits = {}};
  const http::Moment now{http::TimePoint{} + 1h, kSunday};
  Slot slot;
  {
    http::Connection connection(service, slot, now);
    connection.on_bytes(bytes, now);
    if (connection.want() == Want::run) connection.run(now);
  }
  return std::accumulate(slot.gauges.begin(), slot.gauges.end(), std::uint64_t{0});
}

TEST(Gauge, IsGivenBackInEveryPhase) {
  for (const auto& bytes :
       {std::string("GET "), get(), get("/sleep"), get("/stream"), std::string("BAD\r\n\r\n")}) {
    EXPECT_EQ(gauges_after(bytes), 0U) << bytes;
  }
}

TEST(Counter, OfConnectionsCountsEveryConnection) {
  Client client;
  EXPECT_EQ(client.slot.connections, 1U);
  const http::Connection second(client.service, client.slot, client.now);
  EXPECT_EQ(client.slot.connections, 2U);
}

TEST(Counter, OfRequestsCountsWhatReachedAHandler) {
  Client client;
  client.exchange(get() + get("/sleep") + get("/stream") + get("/throw"));
  EXPECT_EQ(client.slot.requests, 4U);
}

TEST(Counter, OfErrorsCountsRefusals) {
  Client client;
  client.exchange(get() + "BAD\r\n\r\n");
  EXPECT_EQ(client.slot.errors, 1U);
  EXPECT_EQ(client.slot.requests, 1U);
}

TEST(Counter, OfErrorsIsNotForAHandlersAnswer) {
  Client client;
  client.exchange(get("/throw"));
  EXPECT_EQ(client.slot.errors, 0U);
}

TEST(Counter, OfTimeoutsCountsConnectionsEndedByADeadline) {
  Client late;
  late.send("GET ");
  late.pass(10s);
  EXPECT_EQ(late.slot.timeouts, 1U);
  EXPECT_EQ(late.slot.errors, 1U);
  Client idle;
  idle.exchange(get());
  idle.pass(5s);
  EXPECT_EQ(idle.slot.timeouts, 1U);
}

TEST(Counter, OfTimeoutsIsNotForASleep) {
  Client client;
  client.exchange(get("/sleep"));
  EXPECT_EQ(client.slot.timeouts, 0U);
}

TEST(Counter, OfBytesCountsBothWays) {
  Client client;
  const auto sent = get() + get("/file/ten") + "BAD\r\n\r\n";
  const auto answers = client.exchange(sent);
  EXPECT_EQ(client.slot.bytes_received, sent.size());
  EXPECT_EQ(client.slot.bytes_sent, answers.size());
}

}  // namespace
using http::FlightRecord;

constexpr http::TimePoint kNow{1h};

TEST(FlightRecord, SaysWhatRunsSinceWhen) {
  FlightRecord record;
  EXPECT_FALSE(record.read());
  record.begin("GET", "/block?ms=100", kNow);
  EXPECT_EQ(record.read()->request, "GET /block?ms=100");
  EXPECT_EQ(record.read()->since, kNow);
  record.end();
  EXPECT_FALSE(record.read());
}

TEST(FlightRecord, ForgetsTheEndOfALongerRequest) {
  for (std::size_t length = 0; length < 40; ++length) {
    FlightRecord record;
    record.begin("GET", std::string(200, 'x'), kNow);
    record.begin("GET", std::string(length, 'y'), kNow);
    EXPECT_EQ(record.read()->request, "GET " + std::string(length, 'y'));
  }
}

TEST(FlightRecord, CutsOffWhatDoesNotFit) {
  for (std::size_t length = 120; length < 140; ++length) {
    FlightRecord record;
    record.begin("GET", std::string(length, 'x'), kNow);
    EXPECT_EQ(record.read()->request, ("GET " + std::string(length, 'x')).substr(0, FlightRecord::kBytes));
  }
}

TEST(FlightRecord, IsCopied) {
  FlightRecord record, copy;
  record.begin("GET", "/a/rather/long/target/of/several/words", kNow);
  copy.begin("POST", std::string(100, 'x'), kNow);
  copy.copy(record);
  EXPECT_EQ(copy.read()->request, "GET /a/rather/long/target/of/several/words");
  record.end();
  copy.copy(record);
  EXPECT_FALSE(copy.read());
}

char letter(std::int64_t round) { return static_cast<char>('a' + round % 26); }

TEST(FlightRecord, NeverShowsAMixtureOfTwoRequests) {
  FlightRecord record;
  std::jthread writer([&](const std::stop_token& done) {
    for (int round = 1; !done.stop_requested(); ++round) {
      record.begin("GET", std::string(60, letter(round)), kNow + std::chrono::nanoseconds(round));
      record.end();
    }
  });
  for (int seen = 0; seen < 10'000;) {
    const auto entry = record.read();
    if (!entry) continue;
    ++seen;
    ASSERT_EQ(entry->request, "GET " + std::string(60, letter((entry->since - kNow).count())));
  }
}

TEST(FlightRecord, NamesTheRequestWhileItsHandlerRuns) {
  std::string running;
  const auto router = router_with([&running](const http::Request&, const Slot& slot) -> http::Outcome {
    running = slot.running.read()->request;
    return http::text_response(200, "");
  });
  Client client({.router = router});
  client.exchange(get("/?a=%20b"));
  EXPECT_EQ(running, "GET /?a=%20b");
  EXPECT_FALSE(client.slot.running.read());
}

}  // namespace quartet::test
