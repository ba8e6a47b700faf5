// What rude clients do to a server, which is the test itself. Time is a number here.
#include "loadtest/pace/rude.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <list>
#include <string>

#include "common/net/system.h"
#include "tests/pace/scripted_server.h"
#include "tests/pace/small_run.h"

namespace quartet::pace {
namespace {

using namespace std::chrono_literals;

const RudeKind* kind_of(std::string_view name) {
  return &*std::ranges::find(rude_kinds(), name, &RudeKind::name);
}

/// Rude clients of one kind, and the server that they come to.
class RudeTest : public testing::Test {
 protected:
  void invite(std::string_view kind, std::size_t connections, std::size_t sources = 0) {
    plans_ = {{.time = 500ms, .kind = kind_of(kind), .connections = connections, .target = "/x"}};
    clients_.emplace(listener_->address(), plans_, sources);
  }
  /// They come, and the server accepts so many of them.
  void meet(std::string_view kind, std::size_t connections, std::size_t sources = 0) {
    invite(kind, connections, sources);
    while (clients_->next_wake() == 500ms) clients_->on_time(500ms);
    ASSERT_TRUE(until([&] { return count().opened == connections; }));
    for (std::size_t i = 0; i < connections; ++i) accept();
  }
  void accept() {
    net::Fd socket;
    EXPECT_TRUE(until([&] { return bool(socket = listener_->accept(SOCK_NONBLOCK)); }));
    sockets_.push_back(std::move(socket));
  }
  /// Lets events be handled, at that time. @return whether it has come true
  template <typename Condition>
  bool until(Condition condition, Nanoseconds time = 500ms) {
    for (const auto start = std::chrono::steady_clock::now();
         std::chrono::steady_clock::now() < start + 10s;) {
      if (condition()) return true;
      clients_->on_events(time);
    }
    return false;
  }
  /// What there is at the server's end, until that many bytes have come. Empty: reset, or closed.
  std::string receive(const net::Fd& socket, std::size_t size) {
    std::string received(size, '\0');
    std::size_t filled = 0;
    until([&] {
      const auto got = ::recv(socket.get(), received.data() + filled, size - filled, 0);
      if (got < 0 && !net::is_transient(errno)) return filled = 0, true;
      if (got > 0) filled += static_cast<std::size_t>(got);
      return got == 0 || filled == size;
    });
    return received.substr(0, filled);
  }
  bool is_silent(const net::Fd& socket) {
    char byte = 0;
    return ::recv(socket.get(), &byte, 1, 0) < 0 && errno == EAGAIN;
  }
  /// What comes after all that has come. @return errno
  int error_of_reading(const net::Fd& socket) {
    char byte = 0;
    ssize_t received = 0;
    while ((received = ::recv(socket.get(), &byte, 1, 0)) > 0) {
    }
    return received == 0 ? 0 : errno;
  }
  const RudeCount& count() { return counts_ = clients_->counts().at(0); }

  std::optional<net::Listener> listener_{net::Address{"127.0.0.1", 0}};
  std::vector<RudePlan> plans_;
  std::optional<RudeClients> clients_;
  std::list<net::Fd> sockets_;
  RudeCount counts_;
};

TEST_F(RudeTest, ComesAtItsTimeAFewConnectionsAtOnce) {
  invite("flood", 20);
  EXPECT_EQ(clients_->next_wake(), 500ms);
  clients_->on_time(499ms);
  EXPECT_FALSE(listener_->accept());
  clients_->on_time(500ms);
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(until([&] { return bool(listener_->accept()); })) << i;
  EXPECT_FALSE(listener_->accept());
  EXPECT_EQ(clients_->next_wake(), 500ms);  // there are more
}

TEST_F(RudeTest, AFloodSaysNothingAndDoesNotComeBack) {
  meet("flood", 20);
  EXPECT_EQ(clients_->next_wake(), std::nullopt);
  for (const net::Fd& socket : sockets_) EXPECT_TRUE(is_silent(socket));
  EXPECT_EQ(count().closed_by_server, 0U);
  sockets_.pop_front();
  EXPECT_TRUE(until([&] { return count().closed_by_server == 1; }));
  clients_->on_time(1h);
  EXPECT_EQ(clients_->next_wake(), std::nullopt);
  EXPECT_EQ(count().opened, 20U);
  EXPECT_EQ(count().answered(), 0U);
}

TEST_F(RudeTest, ASlowHeaderSendsAByteEvery100MillisecondsAndNeverTheEnd) {
  meet("slow-header", 1);
  std::string received = receive(sockets_.front(), 1);
  for (auto time = 600ms; time <= 6s; time += 100ms) {
    EXPECT_EQ(clients_->next_wake(), time);
    clients_->on_time(time - 1ms);
    EXPECT_TRUE(is_silent(sockets_.front()));
    clients_->on_time(time);
    received += receive(sockets_.front(), 1);
    EXPECT_TRUE(is_silent(sockets_.front()));
  }
  EXPECT_EQ(received, "GET / HTTP/1.1\r\nHost: a\r\nSlow: " + std::string(25, 'a'));
}

TEST_F(RudeTest, AnAnswerCountsThoughNobodyAsked) {
  meet("slow-header", 1);
  receive(sockets_.front(), 1);
  write_all(sockets_.front().get(), "HTTP/1.1 40");
  write_all(sockets_.front().get(), "8 Request Timeout\r\nContent-Length: 0\r\n\r\n");
  sockets_.clear();
  EXPECT_TRUE(until([&] { return count().closed_by_server == 1; }));
  EXPECT_EQ(count().answers, (std::map<int, std::uint64_t>{{408, 1}}));
  clients_->on_time(1h);
  EXPECT_EQ(clients_->next_wake(), std::nullopt);
}

TEST_F(RudeTest, WhatIsNoHttpIsNoAnswer) {
  meet("flood", 1);
  write_all(sockets_.front().get(), "220 smtp.example.com ready\r\n");
  sockets_.clear();
  EXPECT_TRUE(until([&] { return count().closed_by_server == 1; }));
  EXPECT_EQ(count().answered(), 0U);
}

TEST_F(RudeTest, ASlowReaderHasLittleRoomAndReadsAFewBytesAtATime) {
  meet("slow-reader", 1);
  const net::Fd& socket = sockets_.front();
  const auto request = "GET /x HTTP/1.1\r\nHost: " + listener_->address().to_string() + "\r\n\r\n";
  EXPECT_EQ(receive(socket, request.size()), request);
  const int small = 4096;
  net::check(::setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small), "setsockopt");
  const std::string response = "HTTP/1.1 200 OK\r\n" + std::string(1'000'000, 'x');
  std::size_t sent = 0;
  for (ssize_t part = 0; part >= 0 && sent < response.size();
       part = ::send(socket.get(), response.data() + sent, response.size() - sent, MSG_NOSIGNAL))
    sent += static_cast<std::size_t>(part);
  EXPECT_LT(sent, 48U * 1024);
  clients_->on_events(550ms);
  EXPECT_EQ(count().answered(), 0U);  // it has not read yet
  clients_->on_time(600ms);
  EXPECT_EQ(count().answers, (std::map<int, std::uint64_t>{{200, 1}}));
  EXPECT_EQ(clients_->next_wake(), 700ms);
  EXPECT_EQ(count().closed_by_server, 0U);
}

TEST_F(RudeTest, OfASlowReaderTheAnswerCountsThatItHasNotReadYet) {
  meet("slow-reader", 1);
  receive(sockets_.front(), 20);
  write_all(sockets_.front().get(), "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
  ::shutdown(sockets_.front().get(), SHUT_WR);
  EXPECT_TRUE(until([&] { return count().closed_by_server == 1; }));
  EXPECT_EQ(count().answers, (std::map<int, std::uint64_t>{{503, 1}}));
}

TEST_F(RudeTest, AnAbortResetsAmidTheResponseAndComesBackAfterTenMilliseconds) {
  meet("abort", 1);
  receive(sockets_.front(), 20);
  EXPECT_EQ(clients_->next_wake(), std::nullopt);
  write_all(sockets_.front().get(), "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
  EXPECT_TRUE(until([&] { return clients_->next_wake().has_value(); }, 1s));
  EXPECT_TRUE(until([&] { return error_of_reading(sockets_.front()) == ECONNRESET; }, 1s));
  EXPECT_EQ(clients_->next_wake(), 1010ms);
  clients_->on_time(1009ms);
  EXPECT_FALSE(listener_->accept());
  clients_->on_time(1010ms);
  EXPECT_TRUE(until([&] { return count().opened == 2; }));
  EXPECT_TRUE(until([&] { return bool(listener_->accept()); }));
  EXPECT_EQ(count().closed_by_server, 0U);
  EXPECT_EQ(count().answered(), 1U);
}

TEST_F(RudeTest, AnAbortComesBackWhenTheServerCloses) {
  meet("abort", 1);
  sockets_.clear();
  EXPECT_TRUE(until([&] { return count().closed_by_server == 1; }));
  EXPECT_EQ(clients_->next_wake(), 510ms);
}

TEST_F(RudeTest, CountsThoseThatAreRefused) {
  invite("abort", 1);
  listener_.reset();
  for (const auto time : {500ms, 510ms, 520ms}) {
    const auto refused = count().refused;
    clients_->on_time(time);
    EXPECT_TRUE(until([&] { return count().refused == refused + 1; }, time));
    EXPECT_EQ(clients_->next_wake(), time + 10ms);
  }
  EXPECT_EQ(count().opened, 0U);
  EXPECT_EQ(clients_->local_failures(), 0U);
}

TEST_F(RudeTest, ComesFromSeveralAddresses) {
  meet("flood", 4, 2);
  std::vector<in_addr_t> sources;
  for (const net::Fd& socket : sockets_) {
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    net::check(::getpeername(socket.get(), reinterpret_cast<sockaddr*>(&peer), &size), "getpeername");
    sources.push_back(ntohl(peer.sin_addr.s_addr) - INADDR_LOOPBACK);
  }
  std::ranges::sort(sources);
  EXPECT_EQ(sources, (std::vector<in_addr_t>{0, 0, 1, 1}));
}

TEST_F(RudeTest, TellsWhatThisSideCouldNotEvenTry) {
  invite("flood", 3);
  rlimit limit{};
  net::check(::getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
  const rlimit none{.rlim_cur = 3, .rlim_max = limit.rlim_max};
  net::check(::setrlimit(RLIMIT_NOFILE, &none), "setrlimit");
  clients_->on_time(500ms);
  net::check(::setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
  EXPECT_EQ(clients_->local_failures(), 3U);
  EXPECT_EQ(clients_->local_failure(), EMFILE);
  EXPECT_EQ(count().refused, 3U);
}

TEST(Engine, HasRudeClientsBesideItsLoad) {
  const std::string_view hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
  const ScriptedServer server(answer(hello));  // the rude ones wait in its queue
  auto plan = small_plan(server.address());
  plan.rude = {{.time = 50ms, .kind = kind_of("flood"), .connections = 20},
               {.time = 100ms, .kind = kind_of("slow-header"), .connections = 3}};
  const auto ledger = carry_out(plan);
  EXPECT_EQ(count(ledger, Outcome::ok), 20U);
  EXPECT_EQ(ledger.records.size(), 20U);
  ASSERT_EQ(ledger.rude.size(), 2U);
  EXPECT_EQ(ledger.rude[0].opened, 20U);
  EXPECT_EQ(ledger.rude[1].opened, 3U);
  EXPECT_EQ(ledger.rude[0].closed_by_server, 0U);
  EXPECT_EQ(ledger.connections_opened, 1U);  // they are none of its own
}

TEST(Engine, CannotBeginWithoutDescriptorsForRudeClients) {
  auto plan = fresh_plan(nobody());
  plan.rude = {{.kind = kind_of("flood"), .connections = 100'000'000}};
  EXPECT_THROW(carry_out(plan), std::runtime_error);
}

}  // namespace
}  // namespace quartet::pace
