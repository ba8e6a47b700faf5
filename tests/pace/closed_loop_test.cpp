// A closed loop against servers that count: what it says was answered is what they answered.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <numeric>

#include "loadtest/pace/engine.h"
#include "loadtest/pace/known_response.h"
#include "tests/pace/scripted_server.h"

namespace quartet::pace::closed_loop {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::string_view kHello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

Plan closed_plan(const net::Address& server, std::size_t pipeline = 1) {
  Plan plan;
  plan.server = server;
  plan.duration = 200ms;
  plan.timeout = plan.grace = 20s;
  std::string requests;
  for (std::size_t i = 0; i < pipeline; ++i) requests += kRequest;
  plan.lanes.push_back({.name = "requests",
                        .request = requests,
                        .arrivals = {.rate = 0, .last_rate = 0, .duration = plan.duration},
                        .connections = 1,
                        .closed = true,
                        .pipeline = pipeline});
  return plan;
}

struct Found {
  Ledger ledger;
  const Tally& tally() const { return ledger.tallies.at(0); }
  std::uint64_t count(Outcome outcome) const { return tally().outcomes[static_cast<std::size_t>(outcome)]; }
  std::uint64_t requests() const {
    return std::accumulate(tally().outcomes.begin(), tally().outcomes.end(), std::uint64_t{0});
  }
};

Found carry_out(const Plan& plan, std::sig_atomic_t interrupted = 0) {
  const volatile std::sig_atomic_t flag = interrupted;
  return {run(plan, flag)};
}

/// One request at a time from a connection on which several may have come at once.
class Requests {
 public:
  explicit Requests(int socket) : socket_(socket) {}

  bool next() {
    for (;;) {
      if (const auto end = received_.find("\r\n\r\n"); end != std::string::npos) {
        received_.erase(0, end + 4);
        return true;
      }
      char buffer[4096];
      const auto count = ::recv(socket_, buffer, sizeof buffer, 0);
      if (count <= 0) return false;
      received_.append(buffer, static_cast<std::size_t>(count));
    }
  }

 private:
  int socket_;
  std::string received_;
};

/// Answers with the k-th response to the k-th request, over and over, and counts them.
Script answer_in_turn(std::vector<std::string> responses, std::atomic<std::uint64_t>& answered) {
  return [responses = std::move(responses), &answered](int socket) {
    Requests requests(socket);
    for (std::size_t k = 0; requests.next(); ++k) {
      ++answered;
      write_all(socket, responses[k % responses.size()]);
    }
  };
}

TEST(ClosedLoop, CountsExactlyWhatTheServerAnswered) {
  std::atomic<std::uint64_t> answered = 0;
  Found found;
  {
    const ScriptedServer server(answer_in_turn({std::string(kHello)}, answered));
    found = carry_out(closed_plan(server.address()));
  }
  EXPECT_GT(found.requests(), 10U);  // it asks again
  EXPECT_EQ(found.count(Outcome::ok), answered);
  EXPECT_EQ(found.requests(), answered);
  EXPECT_EQ(found.tally().latency.count(), answered);
  EXPECT_LE(found.tally().in_time[0], answered);
  EXPECT_GE(found.tally().in_time[0] + 1, answered);  // all but the one on its way at the end
  EXPECT_TRUE(found.ledger.records.empty());
  EXPECT_EQ(found.ledger.connections_opened, 1U);
  EXPECT_EQ(found.ledger.connections_answered, std::vector<std::size_t>{1});
}

TEST(ClosedLoop, TellsPipelinedAnswersApart) {
  std::atomic<std::uint64_t> answered = 0;
  const std::string error = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
  const std::string other = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother";
  Found found;
  {
    const ScriptedServer server(
        answer_in_turn({std::string(kHello), error, other, std::string(kHello)}, answered));
    auto plan = closed_plan(server.address(), 4);
    plan.lanes[0].expected_body = "hello";
    found = carry_out(plan);
  }
  EXPECT_GT(answered, 8U);
  EXPECT_EQ(answered % 4, 0U);  // whole batches
  EXPECT_EQ(found.requests(), answered);
  EXPECT_EQ(found.count(Outcome::ok), answered / 2);
  EXPECT_EQ(found.count(Outcome::error_status), answered / 4);
  EXPECT_EQ(found.count(Outcome::wrong_content), answered / 4);
  EXPECT_EQ(found.ledger.connections_opened, 1U);
}

TEST(ClosedLoop, SendsItsRequestsAtOnceAndThenWaitsForTheAnswers) {
  std::atomic<bool> as_asked = true;
  const ScriptedServer server([&as_asked](int socket) {
    Requests requests(socket);
    for (;;) {
      for (int i = 0; i < 3; ++i)
        if (!requests.next()) return;  // none of them is answered before the last has come
      char more = 0;
      if (::recv(socket, &more, 1, MSG_DONTWAIT | MSG_PEEK) >= 0) as_asked = false;
      write_all(socket, std::string(kHello) + std::string(kHello) + std::string(kHello));
    }
  });
  const auto found = carry_out(closed_plan(server.address(), 3));
  EXPECT_GT(found.count(Outcome::ok), 3U);
  EXPECT_EQ(found.count(Outcome::ok), found.requests());
  EXPECT_TRUE(as_asked);
}

TEST(ClosedLoop, ReadsAnswersThatAreCutAnywhere) {
  const std::string answers = std::string(kHello) + std::string(kHello) + std::string(kHello);
  for (std::size_t cut = 1; cut < answers.size(); cut += 5) {
    const ScriptedServer server([&answers, cut](int socket) {
      Requests requests(socket);
      for (int i = 0; requests.next(); ++i) {
        if (i % 3 != 2) continue;
        write_all(socket, std::string_view(answers).substr(0, cut));
        std::this_thread::sleep_for(1ms);
        write_all(socket, std::string_view(answers).substr(cut));
      }
    });
    auto plan = closed_plan(server.address(), 3);
    plan.duration = 10ms;
    const auto found = carry_out(plan);
    EXPECT_GT(found.requests(), 0U);
    EXPECT_EQ(found.count(Outcome::ok), found.requests()) << cut;
  }
}

TEST(ClosedLoop, ReadsAnswersThatAreLargerThanItsBuffer) {
  const auto large = "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + std::string(300'000, 'b');
  std::atomic<std::uint64_t> answered = 0;
  Found found;
  {
    const ScriptedServer server(answer_in_turn({large, std::string(kHello)}, answered));
    found = carry_out(closed_plan(server.address(), 4));
  }
  EXPECT_GT(answered, 0U);
  EXPECT_EQ(found.count(Outcome::ok), answered);
}

TEST(ClosedLoop, GoesOnOverAnotherConnectionWhenTheServerRotates) {
  constexpr auto kLast = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
  std::atomic<std::uint64_t> answered = 0;
  std::atomic<std::uint64_t> connections = 0;
  Found found;
  {
    const ScriptedServer server([&](int socket) {
      ++connections;
      for (int i = 0; i < 5 && read_request(socket); ++i) {
        ++answered;
        write_all(socket, i == 4 ? kLast : kHello);
      }
    });
    found = carry_out(closed_plan(server.address()));
  }
  EXPECT_GT(connections, 2U);
  EXPECT_EQ(found.count(Outcome::ok), answered);
  EXPECT_EQ(found.requests(), answered);  // nothing is lost: the last answer says that it is the last
}

TEST(ClosedLoop, LosesWhatStandsBehindTheLastAnswerOfAConnection) {
  constexpr auto kLast = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
  const ScriptedServer server([](int socket) {
    Requests requests(socket);
    for (int i = 0; i < 4; ++i)
      if (!requests.next()) return;
    write_all(socket, std::string(kHello) + kLast);
  });
  const auto found = carry_out(closed_plan(server.address(), 4));
  EXPECT_GT(found.requests(), 0U);
  EXPECT_EQ(found.requests() % 4, 0U);
  EXPECT_EQ(found.count(Outcome::ok), found.requests() / 2);
  EXPECT_EQ(found.count(Outcome::eof), found.requests() / 2);
}

TEST(ClosedLoop, TellsATruncatedAnswerFromThoseBehindIt) {
  const ScriptedServer server([](int socket) {
    Requests requests(socket);
    for (int i = 0; i < 4; ++i)
      if (!requests.next()) return;
    write_all(socket, std::string(kHello) + std::string(kHello.substr(0, 10)));
  });
  const auto found = carry_out(closed_plan(server.address(), 4));
  EXPECT_GT(found.requests(), 0U);
  EXPECT_EQ(found.count(Outcome::ok), found.requests() / 4);
  EXPECT_EQ(found.count(Outcome::truncated), found.requests() / 4);
  EXPECT_EQ(found.count(Outcome::eof), found.requests() / 2);
}

TEST(ClosedLoop, AsksAServerThatStallsLess) {
  std::atomic<bool> first = true;
  std::atomic<std::uint64_t> answered = 0;
  Found found;
  {
    const ScriptedServer server([&](int socket) {
      while (read_request(socket)) {
        if (first.exchange(false)) std::this_thread::sleep_for(300ms);
        ++answered;
        write_all(socket, kHello);
      }
    });
    found = carry_out(closed_plan(server.address()));  // of 200 ms
  }
  EXPECT_EQ(found.requests(), 1U);  // a schedule would have had them all
  EXPECT_EQ(answered, 1U);
  EXPECT_EQ(found.tally().in_time[0], 0U);
  EXPECT_GE(found.tally().latency.max(), 300'000'000);
  EXPECT_GE(found.tally().gap_end - found.tally().gap_begin, 300ms);
}

TEST(ClosedLoop, TellsWhatWasNeverAnswered) {
  const ScriptedServer server([](int socket) {
    while (read_request(socket)) {
    }
  });
  auto plan = closed_plan(server.address(), 3);
  plan.grace = 20ms;
  const auto found = carry_out(plan);
  EXPECT_EQ(found.count(Outcome::unanswered), 3U);
  EXPECT_EQ(found.requests(), 3U);
}

TEST(ClosedLoop, TellsATimeoutOfEachRequest) {
  const ScriptedServer server([](int socket) {
    while (read_request(socket)) {
    }
  });
  auto plan = closed_plan(server.address(), 3);
  plan.timeout = 30ms;
  const auto found = carry_out(plan);
  EXPECT_GT(found.requests(), 3U);
  EXPECT_EQ(found.count(Outcome::timed_out), found.requests());
}

TEST(ClosedLoop, CountsRefusedConnectionsAndPausesBetweenThem) {
  auto plan = closed_plan(nobody());
  plan.lanes[0].fresh = true;
  const auto found = carry_out(plan);
  EXPECT_EQ(found.count(Outcome::refused), found.requests());
  EXPECT_GE(found.requests(), 1U);
  EXPECT_LE(found.requests(), 6U + 200 / 20);
}

TEST(ClosedLoop, OpensAConnectionForEachRequestThatWantsAFreshOne) {
  std::atomic<std::uint64_t> answered = 0;
  Found found;
  {
    const ScriptedServer server(answer_in_turn({std::string(kHello)}, answered));
    auto plan = closed_plan(server.address());
    plan.lanes[0].fresh = true;
    found = carry_out(plan);
  }
  EXPECT_GT(answered, 5U);
  EXPECT_EQ(found.count(Outcome::ok), answered);
  EXPECT_EQ(found.ledger.connections_opened, answered);
}

TEST(ClosedLoop, BytesBehindTheLastAnswerAreWrongContent) {
  const ScriptedServer server(answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhellox"));
  const auto found = carry_out(closed_plan(server.address()));
  EXPECT_GT(found.requests(), 0U);
  EXPECT_EQ(found.count(Outcome::wrong_content), found.requests());
}

TEST(ClosedLoop, KeepsTheScheduleOfAnotherLane) {
  std::atomic<std::uint64_t> answered = 0;
  Found found;
  {
    const ScriptedServer server([&](int socket) {
      if (!read_request(socket)) return;
      ++answered;
      write_all(socket, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
    });
    auto plan = closed_plan(server.address());
    plan.lanes.push_back({.name = "newcomer",
                          .request = std::string(kRequest),
                          .arrivals = {.rate = 100, .last_rate = 100, .duration = plan.duration},
                          .fresh = true});
    found = carry_out(plan);
  }
  ASSERT_EQ(found.ledger.records.size(), 20U);
  for (const auto& record : found.ledger.records) EXPECT_EQ(record.outcome, Outcome::ok);
  EXPECT_EQ(found.count(Outcome::ok) + 20, answered);
}

TEST(ClosedLoop, EndsEarlyWhenItIsInterrupted) {
  std::atomic<std::uint64_t> answered = 0;
  const ScriptedServer server(answer_in_turn({std::string(kHello)}, answered));
  auto plan = closed_plan(server.address());
  plan.duration = 24h;
  const auto found = carry_out(plan, 1);
  EXPECT_TRUE(found.ledger.interrupted);
}

TEST(KnownResponse, IsFoundAtTheBeginningAndWholeOnly) {
  KnownResponse known;
  EXPECT_EQ(known.match(kHello), 0U);
  known.learn(kHello);
  EXPECT_EQ(known.match(kHello), kHello.size());
  EXPECT_EQ(known.match(std::string(kHello) + "HTTP"), kHello.size());
  for (std::size_t size = 0; size < kHello.size(); ++size) EXPECT_EQ(known.match(kHello.substr(0, size)), 0U);
  for (std::size_t i = 0; i < kHello.size(); ++i) {
    auto other = std::string(kHello);
    other[i] ^= 1;
    EXPECT_EQ(known.match(other), 0U) << i;
  }
}

TEST(KnownResponse, IsNotLearnedWhenItIsLong) {
  KnownResponse known;
  known.learn(std::string(1'000'000, 'a'));
  EXPECT_EQ(known.match(std::string(1'000'000, 'a')), 0U);
}

}  // namespace
}  // namespace quartet::pace::closed_loop
