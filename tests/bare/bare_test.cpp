// Every bare server as a process, beside the server that it is linked from.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <ctime>
#include <map>
#include <thread>

#include "tests/servers/configuration.h"
#include "tests/servers/process_table.h"
#include "tests/servers/tracer.h"

namespace quartet::suite {
namespace {

const std::string kPlaintext = get("/plaintext");

Configuration bare(Configuration server) {
  server.executable.replace(0, server.executable.find('-'), "bare");
  return server;
}

/// A test of each bare server; GetParam() is the configuration of the server that it is linked from.
class BareTest : public testing::TestWithParam<Configuration> {
 protected:
  static ServerProcess start() { return start(bare(GetParam())); }
  static ServerProcess start(const Configuration& configuration) {
    return ServerProcess(configuration.command());
  }
};
QUARTET_EVERY_CONFIGURATION(BareTest);

std::string repeat_request(std::size_t times) {
  std::string requests;
  for (std::size_t i = 0; i < times; ++i) requests += kPlaintext;
  return requests;
}

/// All that a server sends until its end, after the client's.
std::string everything_after(TestClient& client) {
  client.half_close();
  const auto rest = client.read_to_end();
  EXPECT_EQ(rest.end, End::eof);
  return rest.bytes;
}

std::string ask_once(const ServerProcess& server, std::string_view request) {
  TestClient client(server);
  client.send(request);
  return everything_after(client);
}

/// An answer without the value of its Date, which is of fixed length (RFC 9110, 5.6.7).
std::string without_date(std::string answer) {
  constexpr std::size_t kDateLength = 29;
  const auto date = answer.find("\r\nDate: ");
  if (date != std::string::npos) answer.replace(date + 8, kDateLength, kDateLength, '-');
  return answer;
}

/// The server's CPU must be idle, or its requests come faster than they are answered.
void make_paced_requests(TestClient& client, int count) {
  for (int i = 0; i < count; ++i) {
    ASSERT_EQ(client.get("/plaintext").status, 200);
    std::this_thread::sleep_for(5ms);  // the pause is the client's behaviour, not a wait for something
  }
}

/// How often each system call is made for a request, in all processes together. Ticks do not show: they are
/// fewer than half of the requests.
using CallsPerRequest = std::map<std::string, long>;

CallsPerRequest count_calls(const Configuration& configuration) {
  constexpr long kRequests = 60;
  std::vector<std::string> one_worker;
  if (configuration.pool()) one_worker = {"--workers", "1"};
  const ServerProcess server(configuration.command(one_worker));
  TestClient client(server);
  make_paced_requests(client, 5);  // what is done once is done
  Tracer tracer(server);
  if (!tracer.attached()) return {};
  make_paced_requests(client, kRequests);
  CallsPerRequest counted;
  for (const auto& call : tracer.finish()) ++counted[call.name];
  for (auto& entry : counted) entry.second = (entry.second + kRequests / 2) / kRequests;
  std::erase_if(counted, [](const auto& entry) { return entry.second == 0; });
  return counted;
}

TEST_P(BareTest, TheAnswerIsTheServersByteForByte) {
  const auto server = start(GetParam());
  const auto bare_server = start();
  const auto answer = without_date(ask_once(bare_server, kPlaintext));
  EXPECT_EQ(answer, without_date(ask_once(server, kPlaintext)));
  EXPECT_TRUE(answer.ends_with("Hello, World!"));
}

TEST_P(BareTest, NoHttpIsInside) {
  const auto server = start();
  TestClient client(server);
  for (const char* request :
       {"GARBAGE\r\n\r\n", "\r\n\r\n", "GET /none HTTP/9.9\r\nConnection: close\r\n\r\n"})
    EXPECT_EQ(client.exchange(request).body, "Hello, World!") << request;
}

TEST_P(BareTest, TheDateIsThatOfTheStart) {
  const auto before = std::time(nullptr);
  const auto server = start();
  const auto after = std::time(nullptr);
  TestClient client(server);
  const auto date = client.get("/plaintext").header("Date");
  std::tm time{};
  ASSERT_NE(::strptime(date.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &time), nullptr) << date;
  EXPECT_GE(::timegm(&time), before);
  EXPECT_LE(::timegm(&time), after);
}

TEST_P(BareTest, PipelinedRequestsAreAnsweredOnceEach) {
  const auto server = start();
  TestClient client(server);
  for (const int depth : {1, 16, 100}) {
    client.send(repeat_request(static_cast<std::size_t>(depth)));
    for (int i = 0; i < depth; ++i) ASSERT_EQ(client.read_answer().body, "Hello, World!");
  }
  EXPECT_EQ(everything_after(client), "");
}

TEST_P(BareTest, ARequestMayComeInPartsAndTheEndComesAfterItsAnswer) {
  const auto server = start();
  TestClient client(server);
  client.send(kPlaintext.substr(0, kPlaintext.size() - 2));
  server.await_taken();
  EXPECT_TRUE(client.silent_for(0ms));
  client.send(kPlaintext.substr(kPlaintext.size() - 2));
  EXPECT_EQ(without_date(everything_after(client)), without_date(ask_once(server, kPlaintext)));
}

TEST_P(BareTest, WhatAClientDoesNotReadIsKeptForIt) {
  if (GetParam().process_per_request) GTEST_SKIP() << "it would take 60,000 forks to fill the socket";
  constexpr int kRequests = 60'000;  // more answers than a socket holds (net.ipv4.tcp_wmem: 4 MiB)
  const auto server = start();
  TestClient slow(server.endpoint(), 4096);
  std::jthread sender([&] { slow.send(repeat_request(kRequests)); });
  EXPECT_TRUE(eventually([&] { return port_queues(server.port()).unread_bytes > 0; }))
      << "it took everything";
  for (int i = 0; i < kRequests; ++i) ASSERT_EQ(slow.read_answer().body, "Hello, World!");
  EXPECT_EQ(everything_after(slow), "");
}

TEST_P(BareTest, ADrainEndsAndReapsEverything) {
  auto server = start();
  TestClient idle(server), amid_a_request(server);
  ASSERT_EQ(idle.get("/plaintext").status, 200);
  amid_a_request.send("GET");
  TestClient slow(server.endpoint(), 4096);
  std::jthread sender([&] { slow.offer(repeat_request(30'000)); });
  ASSERT_TRUE(slow.readable());
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait_exit(5s), exited(0));  // long before the drain timeout, which would make it a 3
  EXPECT_TRUE(session_members(server.pid()).empty());
}

TEST_P(BareTest, ARequestCostsTheSystemCallsThatTheServerMakes) {
  if (!GetParam().sanitizers.empty()) GTEST_SKIP() << "a sanitizer makes system calls of its own";
  const auto of_the_server = count_calls(GetParam());
  if (of_the_server.empty()) GTEST_SKIP() << "strace cannot attach";
  EXPECT_EQ(count_calls(bare(GetParam())), of_the_server);
}

TEST_P(BareTest, MessagesNameTheBareProgram) {
  const auto configuration = bare(GetParam());
  const auto finished = run(configuration.command({"--no-such-option"}));
  EXPECT_EQ(finished.ending, exited(2));
  EXPECT_TRUE(finished.err.starts_with(configuration.executable + ": ")) << finished.err;
}

}  // namespace
}  // namespace quartet::suite
