// What becomes of requests, against servers that do what the test says. No test depends on how fast anything
// is: bounds of time are those that only a mistake can break.
#include "loadtest/pace/engine.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "tests/pace/scripted_server.h"
#include "tests/pace/small_run.h"

namespace quartet::pace {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kHello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
/// What holds for every record, whatever became of the request.
void expect_consistent(const Ledger& ledger) {
  std::int64_t last_due = 0;
  for (const auto& record : ledger.records) {
    EXPECT_GE(record.due, last_due);
    last_due = record.due;
    const auto not_before = [](std::int64_t time, std::int64_t earlier) {
      return time == Record::kNever || time >= earlier;
    };
    EXPECT_TRUE(not_before(record.sent, record.due));
    EXPECT_TRUE(not_before(record.first_byte, record.sent));
    EXPECT_TRUE(not_before(record.done, std::max({record.due, record.sent, record.first_byte})));
    EXPECT_EQ(record.done == Record::kNever, record.outcome == Outcome::unanswered);
  }
}

void expect_all(const Ledger& ledger, Outcome outcome, std::size_t requests = 20) {
  expect_consistent(ledger);
  EXPECT_EQ(ledger.records.size(), requests);
  EXPECT_EQ(count(ledger, outcome), requests) << to_string(outcome);
}

TEST(Engine, SendsEveryRequestOfTheScheduleWhenItIsDue) {
  const ScriptedServer server(answer(kHello));
  const auto ledger = carry_out(small_plan(server.address()));
  expect_all(ledger, Outcome::ok);
  for (std::size_t k = 0; k < ledger.records.size(); ++k) {
    const auto& record = ledger.records[k];
    EXPECT_EQ(record.due, static_cast<std::int64_t>(k) * 10'000'000);
    EXPECT_EQ(record.status, 200);
    EXPECT_EQ(record.body_bytes, 5U);
    EXPECT_EQ(record.connection, ledger.records[0].connection);
  }
  EXPECT_EQ(ledger.connections_opened, 1U);
  EXPECT_GE(ledger.elapsed, 200ms);
  EXPECT_FALSE(ledger.interrupted);
}

TEST(Engine, OpensAConnectionForEachRequestThatWantsAFreshOne) {
  const ScriptedServer server(answer(kHello));
  const auto ledger = carry_out(fresh_plan(server.address()));
  expect_all(ledger, Outcome::ok);
  std::set<std::uint32_t> connections;
  for (const auto& record : ledger.records) connections.insert(record.connection);
  EXPECT_EQ(connections.size(), 20U);
  EXPECT_EQ(ledger.connections_opened, 20U);
}

TEST(Engine, GoesOnOverAnotherConnectionWhenTheServerClosesOne) {
  for (const auto response : {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
                              "HTTP/1.1 200 OK\r\n\r\nuntil the end"}) {
    const ScriptedServer server([response](int socket) {
      if (read_request(socket)) write_all(socket, response);
    });
    expect_all(carry_out(small_plan(server.address())), Outcome::ok);
  }
}

TEST(Engine, GoesOnOverAnotherConnectionWhenAnIdleOneIsClosed) {
  const ScriptedServer server([](int socket) {
    for (int i = 0; i < 3 && read_request(socket); ++i) write_all(socket, kHello);
  });
  const auto ledger = carry_out(small_plan(server.address()));
  expect_consistent(ledger);
  EXPECT_EQ(ledger.records.size(), 20U);
  // The end of a connection may cross the next request on its way; it is then known for what it is.
  EXPECT_EQ(count(ledger, Outcome::ok) + count(ledger, Outcome::eof) + count(ledger, Outcome::reset), 20U);
  EXPECT_GE(count(ledger, Outcome::ok), 10U);
}

TEST(Engine, CountsTheWaitForAConnectionAsLatency) {
  std::atomic<bool> first = true;
  const ScriptedServer server([&first](int socket) {
    while (read_request(socket)) {
      if (first.exchange(false)) std::this_thread::sleep_for(150ms);
      write_all(socket, kHello);
    }
  });
  const auto ledger = carry_out(small_plan(server.address()));
  expect_all(ledger, Outcome::ok);
  for (const auto& record : ledger.records) {
    EXPECT_GE(record.done, ledger.records[0].done);  // one connection: nobody overtakes
    EXPECT_GE(latency(record), 150'000'000 - record.due);
  }
  EXPECT_LT(service_time(ledger.records[1]), latency(ledger.records[1]));
}

TEST(Engine, TellsAnErrorStatus) {
  const ScriptedServer server(answer("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"));
  const auto ledger = carry_out(small_plan(server.address()));
  expect_all(ledger, Outcome::error_status);
  EXPECT_EQ(ledger.records[0].status, 503);
}

TEST(Engine, TellsAnEndBeforeTheResponse) {
  const ScriptedServer server([](int socket) { read_request(socket); });
  expect_all(carry_out(fresh_plan(server.address())), Outcome::eof);
}

TEST(Engine, TellsAResetBeforeTheResponse) {
  const ScriptedServer server([](int socket) {
    read_request(socket);
    arm_reset(socket);
  });
  expect_all(carry_out(fresh_plan(server.address())), Outcome::reset);
}

TEST(Engine, TellsATruncatedResponse) {
  for (const bool by_reset : {false, true}) {
    const ScriptedServer server([by_reset](int socket) {
      if (!read_request(socket)) return;
      write_all(socket, kHello.substr(0, kHello.size() - 1));
      if (!by_reset) return;
      // A reset throws away what the client has not read yet.
      while (::recv(socket, std::array<char, 1>().data(), 1, MSG_DONTWAIT) > 0) {
      }
      std::this_thread::sleep_for(5ms);
      arm_reset(socket);
    });
    const auto ledger = carry_out(fresh_plan(server.address()));
    expect_consistent(ledger);
    const auto resets = by_reset ? count(ledger, Outcome::reset) : 0;  // those that overtook the bytes
    EXPECT_EQ(count(ledger, Outcome::truncated) + resets, 20U);
    EXPECT_GT(count(ledger, Outcome::truncated), 0U);
  }
}

TEST(Engine, TellsARefusedConnection) { expect_all(carry_out(fresh_plan(nobody())), Outcome::refused); }

TEST(Engine, TellsATimeout) {
  const ScriptedServer server([](int socket) {
    while (read_request(socket)) {
    }
  });
  auto plan = fresh_plan(server.address());
  plan.timeout = 10ms;
  const auto ledger = carry_out(plan);
  expect_all(ledger, Outcome::timed_out);
  for (const auto& record : ledger.records) EXPECT_GE(service_time(record), 10'000'000);
}

TEST(Engine, TellsWhatWasNeverAnswered) {
  const ScriptedServer server([](int socket) {
    while (read_request(socket)) {
    }
  });
  auto plan = small_plan(server.address());
  plan.grace = 50ms;
  const auto ledger = carry_out(plan);
  expect_all(ledger, Outcome::unanswered);
  EXPECT_NE(ledger.records[0].sent, Record::kNever);
  EXPECT_EQ(ledger.records[1].sent, Record::kNever);  // no connection was free for it
}

TEST(Engine, TellsWrongContent) {
  const std::string too_much = std::string(kHello) + "x";
  for (const std::string_view response :
       {std::string_view("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhullo"),
        std::string_view("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello!"), std::string_view(too_much),
        std::string_view("220 smtp.example.com ready\r\n")}) {
    const ScriptedServer server(answer(response));
    auto plan = small_plan(server.address());
    plan.lanes[0].expected_body = "hello";
    expect_all(carry_out(plan), Outcome::wrong_content);
  }
}

TEST(Engine, AcceptsTheExpectedContent) {
  const ScriptedServer server(answer(kHello));
  auto plan = small_plan(server.address());
  plan.lanes[0].expected_body = "hello";
  expect_all(carry_out(plan), Outcome::ok);
}

TEST(Engine, ReceivesAResponseThatIsLargerThanAnyBuffer) {
  const std::string body(3'000'000, 'b');
  const auto response = "HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + body;
  const ScriptedServer server(answer(response));
  auto plan = small_plan(server.address());
  plan.lanes[0].expected_body = body;
  const auto ledger = carry_out(plan);
  expect_all(ledger, Outcome::ok);
  EXPECT_EQ(ledger.records[0].body_bytes, 3'000'000U);
}

TEST(Engine, SendsARequestThatIsLargerThanAnyBuffer) {
  const std::string request = "GET / HTTP/1.1\r\nHost: a\r\nA: " + std::string(8'000'000, 'a') + "\r\n\r\n";
  const ScriptedServer server(answer(kHello));
  auto plan = small_plan(server.address());
  plan.lanes[0].request = request;
  plan.lanes[0].arrivals.rate = plan.lanes[0].arrivals.last_rate = 10;
  expect_all(carry_out(plan), Outcome::ok, 2);
}

TEST(Engine, NotesWhoAnswered) {
  const ScriptedServer server(
      answer("HTTP/1.1 200 OK\r\nQuartet-Worker: 1234/5\r\nContent-Length: 0\r\n\r\n"));
  const auto ledger = carry_out(small_plan(server.address()));
  expect_all(ledger, Outcome::ok);
  EXPECT_EQ(ledger.records[7].worker_process, 1234);
  EXPECT_EQ(ledger.records[7].worker_slot, 5U);
}

TEST(Engine, PausesBetweenConnectionsThatFail) {
  auto plan = fresh_plan(nobody());
  plan.lanes[0].arrivals.rate = plan.lanes[0].arrivals.last_rate = 10'000;
  plan.grace = 0ms;
  const auto ledger = carry_out(plan);
  expect_consistent(ledger);
  EXPECT_EQ(ledger.records.size(), 2000U);
  // 1 + 2 + 4 + 8 + 16 ms, then every 20 ms
  EXPECT_GE(count(ledger, Outcome::refused), 1U);
  EXPECT_LE(count(ledger, Outcome::refused), 6U + 200 / 20);
}

TEST(Engine, PausesBetweenKeptConnectionsThatAreClosedAtOnce) {
  std::atomic<int> connections = 0;
  const ScriptedServer server([&connections](int) { ++connections; });
  auto plan = small_plan(server.address());
  plan.lanes[0].arrivals.rate = plan.lanes[0].arrivals.last_rate = 1;
  carry_out(plan);
  EXPECT_LE(connections, 8 + 200 / 20);
}

TEST(Engine, KeepsLanesAndTheirConnectionsApart) {
  const ScriptedServer server([](int socket) {
    if (read_request(socket)) write_all(socket, kHello);
  });
  auto plan = fresh_plan(server.address());
  plan.lanes.push_back(plan.lanes[0]);
  plan.lanes[1].arrivals.rate = plan.lanes[1].arrivals.last_rate = 50;
  plan.lanes[1].arrivals.phase = 0.5;
  const auto ledger = carry_out(plan);
  expect_all(ledger, Outcome::ok, 30);
  std::size_t second = 0;
  for (const auto& record : ledger.records) second += record.lane == 1;
  EXPECT_EQ(second, 10U);
}

/// Accepts so many connections, and from then on answers them in turn, whoever has asked meanwhile.
Script answer_round_robin(std::size_t connections, std::list<net::Fd>& accepted) {
  return [connections, &accepted](int socket) {
    accepted.emplace_back(::dup(socket));
    if (accepted.size() < connections) return;
    std::vector<pollfd> waiting;
    for (const net::Fd& each : accepted)
      waiting.push_back({.fd = each.get(), .events = POLLIN, .revents = 0});
    std::vector<int> turns;
    while (turns.size() < connections) {  // the order in which they ask for the first time
      ::poll(waiting.data(), waiting.size(), -1);
      for (pollfd& each : waiting) {
        if (each.fd < 0 || each.revents == 0) continue;
        turns.push_back(std::exchange(each.fd, -1));
        if (read_request(turns.back())) write_all(turns.back(), kHello);
      }
    }
    for (std::size_t i = 0; read_request(turns[i % connections]); ++i)
      write_all(turns[i % connections], kHello);
  };
}

TEST(Engine, RequestsGoToTheConnectionsInTurn) {
  std::list<net::Fd> accepted;
  const ScriptedServer server(answer_round_robin(4, accepted));
  auto plan = small_plan(server.address());
  plan.lanes[0].connections = 4;
  plan.grace = 2s;
  const auto ledger = carry_out(plan);
  expect_all(ledger, Outcome::ok);
  std::map<std::uint32_t, int> requests;
  for (const auto& record : ledger.records) ++requests[record.connection];
  ASSERT_EQ(requests.size(), 4U);
  for (const auto& [connection, number] : requests) EXPECT_EQ(number, 5) << connection;
}

TEST(Engine, CountsThePlacesOfItsPoolThatWereAnswered) {
  const ScriptedServer server(
      answer(kHello));  // one connection after the other: the second place waits for ever
  auto plan = small_plan(server.address());
  plan.lanes[0].connections = 2;
  plan.grace = 0ms;
  EXPECT_EQ(carry_out(plan).connections_answered, std::vector<std::size_t>{1});
}

TEST(Engine, AConnectionThatIsOpenedAgainKeepsItsPlace) {
  const ScriptedServer server([](int socket) {
    if (read_request(socket)) write_all(socket, "HTTP/1.1 200 OK\r\n\r\nuntil the end");
  });
  const auto ledger = carry_out(small_plan(server.address()));
  expect_all(ledger, Outcome::ok);
  EXPECT_EQ(ledger.connections_answered, std::vector<std::size_t>{1});
}

TEST(Engine, AnErrorDoesNotCountAsAnAnsweredPlace) {
  const ScriptedServer server(answer("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"));
  EXPECT_EQ(carry_out(small_plan(server.address())).connections_answered, std::vector<std::size_t>{0});
}

TEST(Engine, AsksOver64HeldConnectionsAtATime) {
  std::vector<net::Fd> kept;
  const ScriptedServer server([&kept](int socket) {
    kept.emplace_back(::dup(socket));
    if (kept.size() < 64) return;
    for (const net::Fd& client : kept) {
      EXPECT_TRUE(read_request(client.get()));
      write_all(client.get(), kHello);
    }
  });
  auto plan = small_plan(server.address());
  plan.lanes.clear();
  plan.hold = 64;
  EXPECT_EQ(carry_out(plan).held_served, 64U);
}

TEST(Engine, HoldsConnectionsThatWereServedOnce) {
  std::vector<net::Fd> kept;
  const ScriptedServer server([&kept](int socket) {
    if (!read_request(socket)) return;
    write_all(socket, kHello);
    kept.emplace_back(::dup(socket));  // it stays open behind the next one
  });
  auto plan = small_plan(server.address());
  plan.lanes.clear();
  plan.hold = 100;
  plan.sources = 3;
  const auto ledger = carry_out(plan);
  EXPECT_EQ(ledger.held, 100U);
  EXPECT_EQ(ledger.held_served, 100U);
  EXPECT_EQ(ledger.held_lost, 0U);
  EXPECT_TRUE(ledger.records.empty());
}

TEST(Engine, TellsWhenTheHeldConnectionsHaveBeenServed) {
  const ScriptedServer server(answer(kHello));
  auto plan = small_plan(server.address());
  plan.lanes.clear();
  plan.hold = 1;
  plan.duration = 1ms;
  std::vector<std::size_t> served;
  const volatile std::sig_atomic_t never = 0;
  run(plan, never, [&served](const Ledger& ledger) { served.push_back(ledger.held_served); });
  EXPECT_EQ(served, std::vector<std::size_t>{1});
}

TEST(Engine, CountsHeldConnectionsThatTheServerCloses) {
  const ScriptedServer server([](int socket) {
    if (read_request(socket)) write_all(socket, kHello);
  });
  auto plan = small_plan(server.address());
  plan.lanes.clear();
  plan.hold = 10;
  const auto ledger = carry_out(plan);
  EXPECT_EQ(ledger.held, 10U);
  EXPECT_EQ(ledger.held_served, 10U);
  EXPECT_EQ(ledger.held_lost, 10U);
}

TEST(Engine, EndsEarlyWhenItIsInterrupted) {
  const ScriptedServer server(answer(kHello));
  auto plan = fresh_plan(server.address());
  plan.duration = 24h;
  const auto ledger = carry_out(plan, 1);
  EXPECT_TRUE(ledger.interrupted);
  EXPECT_LT(ledger.elapsed, 1h);
  expect_consistent(ledger);
}

TEST(Engine, CannotBeginWithoutAServer) {
  const auto plan = small_plan(nobody());
  try {
    carry_out(plan);
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_EQ(error.what(), "connect " + plan.server.to_string() + ": Connection refused");
  }
}

TEST(Engine, CannotBeginWithoutDescriptors) {
  auto plan = fresh_plan(nobody());
  plan.lanes[0].connections = 1;
  plan.hold = 100'000'000;
  EXPECT_THROW(carry_out(plan), std::runtime_error);
}

}  // namespace
}  // namespace quartet::pace
