// One thread has the connection, and lends it to another one for a request that may block.
#include <gtest/gtest.h>

#include <memory>

#include "tests/http/answer.h"
#include "tests/http/client.h"

namespace quartet::test {
namespace {

using http::Phase;
using http::Slot;
using http::Want;

/// A client whose connection another thread may go on with.
struct Lent : Client {
  using Client::Client;

  Slot worker;

  void lend() { connection.on_lent(worker); }
  void give_back() { connection.on_returned(now); }
  /// What the worker does, as far as the connection goes: Client's own run() would look at the owner's gauge.
  void help() {
    lend();
    connection.run(now);
    give_back();
  }
};

std::uint64_t gauges_of(const Slot& slot) {
  std::uint64_t sum = 0;
  for (const auto& gauge : slot.gauges) sum += gauge;
  return sum;
}

bool may_block(std::string_view bytes) {
  Client client;
  client.send(bytes);
  EXPECT_EQ(client.want(), Want::run) << bytes;
  return client.connection.may_block();
}

TEST(MayBlock, IsWhatNoRouteSaysToBeQuick) {
  for (const auto& target : {"/plaintext", "/json", "/large?n=1"})
    EXPECT_FALSE(may_block(get(target))) << target;
  for (const auto& target : {"/slow", "/sleep", "/throw", "/file/ten", "/stream"})
    EXPECT_TRUE(may_block(get(target))) << target;
  EXPECT_FALSE(may_block(post("/echo", "hello")));
}

TEST(MayBlock, IsAskedForEachRequestOfAPipeline) {
  Client client;
  client.send(get("/slow") + get());
  EXPECT_TRUE(client.connection.may_block());
  client.run();
  client.write();
  ASSERT_EQ(client.want(), Want::run);
  EXPECT_FALSE(client.connection.may_block());
}

TEST(MayBlock, HoldsForTheNextPartOfAStreamThoughItsRouteIsQuick) {
  int parts = 0;
  const auto next = [&parts](std::string& part) {
    part = "part";
    return ++parts < 3;
  };
  const auto router = router_with(
      [&](const http::Request&, const Slot&) -> http::Outcome {
        return http::Stream{
            .response = http::text_response(200, ""), .next = next, .interval = milliseconds{0}};
      },
      {http::Method::get}, true);
  Client client({.router = router});
  client.send(get("/"));
  EXPECT_FALSE(client.connection.may_block());
  client.run();
  client.write();
  ASSERT_EQ(client.want(), Want::run);
  EXPECT_TRUE(client.connection.may_block());
}

TEST(Lent, CountsTheRequestInTheSlotOfWhoRunsIt) {
  Lent client;
  client.exchange(get());
  client.send(get("/slow"));
  client.help();
  EXPECT_EQ(client.worker.requests, 1U);
  EXPECT_EQ(client.slot.requests, 1U);
  client.exchange("");
  client.exchange(get());
  EXPECT_EQ(client.worker.requests, 1U);
  EXPECT_EQ(client.slot.requests, 2U);
}

TEST(Lent, CountsBytesInTheSlotOfWhoSendsThem) {
  Lent client;
  client.send(get("/file/ten"));
  const auto received = client.slot.bytes_received.load();
  client.lend();
  client.connection.run(client.now);
  client.connection.on_written(7, client.now);
  client.give_back();
  EXPECT_EQ(client.worker.bytes_sent, 7U);
  EXPECT_EQ(client.worker.bytes_received, 0U);
  EXPECT_EQ(client.slot.bytes_sent, 0U);
  EXPECT_EQ(client.slot.bytes_received, received);
}

TEST(Lent, StaysInThePhaseThatItHasForItsOwner) {
  Lent client;
  client.send(get("/slow"));
  client.lend();
  client.connection.run(client.now);
  EXPECT_EQ(client.want(), Want::write);
  EXPECT_EQ(client.gauge(Phase::running), 1U);
  EXPECT_EQ(client.gauges(), 1U);
  EXPECT_EQ(gauges_of(client.worker), 0U);
  client.give_back();
  EXPECT_EQ(client.gauge(Phase::writing), 1U);
  EXPECT_EQ(client.gauges(), 1U);
  EXPECT_EQ(gauges_of(client.worker), 0U);
}

TEST(Lent, IsInTheFlightRecordOfWhoRunsIt) {
  std::string here, there;
  Slot* owner = nullptr;
  const auto router = router_with([&](const http::Request&, const Slot& slot) -> http::Outcome {
    if (const auto entry = slot.running.read()) here = entry->request;
    if (const auto entry = owner->running.read()) there = entry->request;
    return http::text_response(200, "");
  });
  Lent client({.router = router});
  owner = &client.slot;
  client.send(get("/"));
  client.help();
  EXPECT_EQ(here, "GET /");
  EXPECT_EQ(there, "");
}

TEST(Lent, NamesWhoRanIt) {
  Lent client;
  client.slot.process = client.worker.process = 17;
  client.worker.worker = 3;
  client.send(get("/slow", "Quartet-Worker: ?\r\n"));
  client.help();
  client.settle();
  EXPECT_TRUE(only_answer(client.received).field("Quartet-Worker").value_or("").starts_with("17/3"))
      << client.received;
}

TEST(Lent, LeavesAMistakeBehindTheRequestToWhoFindsIt) {
  Lent client;
  client.send(get("/slow") + "BAD\r\n\r\n");
  client.help();
  EXPECT_EQ(client.worker.errors, 1U);
  EXPECT_EQ(client.slot.errors, 0U);
  client.settle();
  EXPECT_EQ(statuses(client.received), (std::vector{200, 400}));
}

TEST(Lent, IsAnsweredAsIfItHadStayed) {
  const auto bytes = get() + get("/slow") + get("/file/ten") + get("/throw") + get("/sleep") +
                     get("/stream") + get("/nowhere") + get();
  Client whole;
  Lent client;
  client.send(bytes);
  for (int steps = 0; client.want() != Want::read; ++steps) {
    ASSERT_LT(steps, 100);
    if (client.want() == Want::run) client.connection.may_block() ? client.help() : client.run();
    if (client.want() == Want::write) client.write();
    if (client.want() == Want::sleep) client.pass(client.patience());
  }
  EXPECT_EQ(client.received, whole.exchange(bytes));
  EXPECT_EQ(client.gauge(Phase::idle), 1U);
}

TEST(Lent, DrainsWhenItIsBack) {
  Lent client;
  client.send(get("/slow") + get());
  client.help();
  client.shut_down();
  client.settle();
  EXPECT_EQ(statuses(client.received), (std::vector{200, 200}));
  EXPECT_TRUE(client.connection.finishing());
}

TEST(Lent, LeavesNothingInTheGaugesOfAnybody) {
  Slot owner, worker;
  const http::Service service{.router = test_router(), .limits = {}};
  const http::Moment now{http::TimePoint{} + seconds{1}, kSunday};
  auto connection = std::make_unique<http::Connection>(service, owner, now);
  connection->on_bytes(get("/slow"), now);
  EXPECT_EQ(gauges_of(owner), 1U);
  connection->on_lent(worker);
  connection->run(now);
  connection.reset();
  EXPECT_EQ(gauges_of(owner), 0U);
  EXPECT_EQ(gauges_of(worker), 0U);
}

}  // namespace
}  // namespace quartet::test
