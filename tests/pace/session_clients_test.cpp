// What clients with sessions ask, and what they conclude: the server is the test itself, in the same thread.
#include "loadtest/pace/session_clients.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/pace/scripted_server.h"
#include "tests/pace/small_run.h"

namespace quartet::pace {
namespace {

using namespace std::chrono_literals;

constexpr auto kOneKept = FateCounts{1, 0, 0, 0};
constexpr auto kOneLost = FateCounts{0, 1, 0, 0};
constexpr auto kOneNeverAnswered = FateCounts{0, 0, 1, 0};
constexpr auto kOneNeverHad = FateCounts{0, 0, 0, 1};

/// A server's memory, and what it does with a request.
class SessionTest : public testing::Test {
 protected:
  void invite(std::size_t clients) {
    listener_->set_blocking(false);
    clients_.emplace(address_, clients);
  }
  void let_them_store() {
    clients_->store();
    talk();
  }
  StateCounts counts_at_the_end() {
    clients_->ask();
    talk();
    return clients_->counts();
  }
  /// Serves one connection after the other, each as long as it asks, until nobody waits.
  void talk() {
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (clients_->waiting()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      clients_->on_events();
      if (listener_)
        while (net::Fd socket = listener_->accept(SOCK_NONBLOCK)) sockets_.push_back(std::move(socket));
      for (net::Fd& socket : sockets_)
        while (serve(socket)) clients_->on_events();
    }
  }
  /// @return whether there was a request
  bool serve(net::Fd& socket) {
    char buffer[4096];
    const auto size = socket ? ::recv(socket.get(), buffer, sizeof buffer, 0) : -1;
    if (size <= 0) return false;
    const std::string request(buffer, static_cast<std::size_t>(size));
    const auto answer = answer_to(request);
    if (!answer.empty()) write_all(socket.get(), answer);
    if (closes_) socket.reset();
    return true;
  }
  std::string answer_to(const std::string& request) {
    const auto path = request.substr(request.find('/'), request.find(" HTTP") - request.find('/'));
    asked_.push_back(request.substr(0, request.find(' ')) + " " + path.substr(0, path.find_first_of("?p")));
    if (path == dumb_for_) return "";
    if (path.starts_with("/counter"))
      return response("200 OK", fmt::format(R"({{"value":{},"pid":{}}})", ++counter_, process_));
    if (request.starts_with("PUT")) {
      if (remembers_) sessions_[path] = request.substr(request.find("\r\n\r\n") + 4);
      return response("201 Created", "created");
    }
    return sessions_.contains(path) ? response("200 OK", sessions_[path]) : response("404 Not Found", "");
  }
  std::string response(std::string_view status, std::string_view body) {
    const auto* close = says_close_ ? "Connection: close\r\n" : "";
    if (!remembers_) counter_ = 0;
    return fmt::format("HTTP/1.1 {}\r\n{}Content-Length: {}\r\n\r\n{}", status, close, body.size(), body);
  }
  void forget() {
    sessions_.clear();
    counter_ = 0;
  }
  void cut() { sockets_.clear(); }

  std::optional<net::Listener> listener_{net::Address{"127.0.0.1", 0}};
  const net::Address address_ = listener_->address();
  std::optional<SessionClients> clients_;
  std::vector<net::Fd> sockets_;
  std::map<std::string, std::string> sessions_;
  std::uint64_t counter_ = 0, process_ = 1;
  bool remembers_ = true, says_close_ = false, closes_ = false;
  std::string dumb_for_;  // a path
  std::vector<std::string> asked_;
};

TEST_F(SessionTest, EachStoresASessionCountsAndReadsItBack) {
  invite(1);
  let_them_store();
  EXPECT_EQ(asked_,
            (std::vector<std::string>{"PUT /session/", "GET /counter", "GET /counter", "GET /session/"}));
  EXPECT_EQ(clients_->counts().sessions, kOneNeverAnswered);  // nobody has asked yet
  asked_.clear();
  EXPECT_EQ(counts_at_the_end().sessions, kOneKept);
  EXPECT_EQ(clients_->counts().counters, kOneKept);
  EXPECT_EQ(asked_, (std::vector<std::string>{"GET /session/", "GET /counter"}));
  EXPECT_EQ(sockets_.size(), 1U);  // over the same connection
}

TEST_F(SessionTest, EachHasASessionOfItsOwn) {
  invite(3);
  let_them_store();
  std::set<std::string> values;
  for (const auto& [path, value] : sessions_) values.insert(value);
  EXPECT_EQ(values.size(), 3U);
  EXPECT_EQ(counts_at_the_end().sessions, (FateCounts{3, 0, 0, 0}));
}

TEST_F(SessionTest, WhatTheServerHasForgottenIsLost) {
  invite(1);
  let_them_store();
  forget();
  EXPECT_EQ(counts_at_the_end().sessions, kOneLost);
  EXPECT_EQ(clients_->counts().counters, kOneLost);
}

TEST_F(SessionTest, AnotherValueIsALostSession) {
  invite(1);
  let_them_store();
  sessions_.begin()->second += "!";
  EXPECT_EQ(counts_at_the_end().sessions, kOneLost);
  EXPECT_EQ(clients_->counts().counters, kOneKept);
}

TEST_F(SessionTest, ACounterThatBeginsAnewIsLostHoweverManyAskIt) {
  invite(3);
  let_them_store();  // one after the other, so that the first one saw the lowest counts
  counter_ = 0;
  std::swap(sockets_.front(), sockets_.back());  // the first one is the last to ask
  EXPECT_EQ(counts_at_the_end().counters, (FateCounts{0, 3, 0, 0}));
  EXPECT_EQ(clients_->counts().sessions, (FateCounts{3, 0, 0, 0}));
}

TEST_F(SessionTest, ACounterOfAnotherProcessIsALostOneHoweverFarItIs) {
  invite(1);
  let_them_store();
  cut();
  process_ = 2;
  EXPECT_EQ(counts_at_the_end().counters, kOneLost);
  EXPECT_EQ(clients_->counts().sessions, kOneKept);
}

TEST_F(SessionTest, TheMemoryOfOneRequestNeverHadAnything) {
  invite(1);
  remembers_ = false;
  let_them_store();
  EXPECT_EQ(counts_at_the_end().sessions, kOneNeverHad);
  EXPECT_EQ(clients_->counts().counters, kOneNeverHad);
}

TEST_F(SessionTest, AsksOnANewConnectionWhereItsOwnWasCut) {
  invite(1);
  let_them_store();
  cut();  // whether or not it has noticed
  EXPECT_EQ(counts_at_the_end().sessions, kOneKept);
  EXPECT_EQ(clients_->counts().counters, kOneKept);
  EXPECT_EQ(sockets_.size(), 1U);
}

TEST_F(SessionTest, WhoHasBeenAnsweredDoesNotComeBackWhenItIsCut) {
  invite(1);
  let_them_store();
  const auto counts = counts_at_the_end();
  cut();
  pollfd news{.fd = clients_->descriptor(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(::poll(&news, 1, 10'000), 1);
  clients_->on_events();
  EXPECT_FALSE(listener_->accept());
  EXPECT_FALSE(clients_->waiting());
  EXPECT_EQ(clients_->counts().sessions, counts.sessions);
  EXPECT_EQ(clients_->counts().counters, kOneKept);
}

TEST_F(SessionTest, AsksOnANewConnectionForEachWhereTheServerClosesThem) {
  invite(1);
  says_close_ = closes_ = true;
  let_them_store();
  EXPECT_EQ(counts_at_the_end().sessions, kOneKept);
  EXPECT_EQ(sockets_.size(), 6U);
}

TEST_F(SessionTest, WhoIsRefusedAtTheEndIsNeverAnswered) {
  invite(1);
  let_them_store();
  listener_.reset();
  cut();
  EXPECT_EQ(counts_at_the_end().sessions, kOneNeverAnswered);
  EXPECT_EQ(clients_->counts().counters, kOneNeverAnswered);
}

TEST_F(SessionTest, WhoIsCutAgainAndAgainGivesUp) {
  invite(1);
  let_them_store();
  closes_ = true;
  dumb_for_ = sessions_.begin()->first;
  EXPECT_EQ(counts_at_the_end().sessions, kOneNeverAnswered);
}

TEST_F(SessionTest, OfWhatIsNotAnsweredNobodyKnows) {
  invite(1);
  let_them_store();
  dumb_for_ = sessions_.begin()->first;
  clients_->ask();
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (asked_.size() < 5 && std::chrono::steady_clock::now() < deadline) {
    clients_->on_events();
    serve(sockets_.front());
  }
  EXPECT_EQ(asked_.size(), 5U);
  EXPECT_TRUE(clients_->waiting());
  EXPECT_EQ(clients_->counts().sessions, kOneNeverAnswered);
}

TEST_F(SessionTest, WhatCouldNotBeStoredWasNeverThere) {
  invite(1);
  listener_.reset();
  let_them_store();
  EXPECT_EQ(counts_at_the_end().sessions, kOneNeverHad);
}

TEST(Engine, AsksForSessionsWhenTheLoadIsOver) {
  std::vector<std::string> asked;  // read when the server's thread has ended
  Ledger ledger;
  {
    const ScriptedServer server([&asked](int socket) {
      char buffer[4096];
      for (ssize_t size = 0; (size = ::recv(socket, buffer, sizeof buffer, 0)) > 0;) {
        const std::string request(buffer, static_cast<std::size_t>(size));
        asked.push_back(request.substr(0, 6));
        write_all(socket, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
      }
    });
    auto plan = small_plan(server.address());
    plan.lanes.clear();
    plan.sessions = 1;
    ledger = carry_out(plan);
  }
  EXPECT_EQ(asked, (std::vector<std::string>{"PUT /s", "GET /c", "GET /c", "GET /s", "GET /s", "GET /c"}));
  EXPECT_GE(ledger.elapsed, 200ms);
  EXPECT_LT(ledger.elapsed, 20s);                  // the grace is over only when nobody answers
  EXPECT_EQ(ledger.state.sessions, kOneNeverHad);  // "hello" is none
  EXPECT_TRUE(ledger.records.empty());
}

TEST(Engine, GoesOnWhenNobodyAnswersThoseWithSessions) {
  const ScriptedServer server([](int socket) {
    while (read_request(socket)) {
    }
  });
  auto plan = small_plan(server.address());
  plan.lanes.clear();
  plan.sessions = 1;
  plan.timeout = plan.grace = 50ms;
  EXPECT_EQ(carry_out(plan).state.sessions, kOneNeverHad);
}

}  // namespace
}  // namespace quartet::pace
