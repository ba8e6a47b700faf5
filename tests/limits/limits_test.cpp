// Every yardstick as a process: correct answers, no matter how requests come, and a clean end.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <thread>

#include "tests/servers/process_table.h"
#include "tests/servers/server_process.h"
#include "tests/servers/test_client.h"

namespace quartet::limits {
namespace {

using namespace suite;

constexpr std::string_view kSanitizers = QUARTET_SANITIZE;
const std::string kRequest = get("/plaintext");

struct Limit {
  std::string name;  ///< "epoll" of limit-epoll
  bool pool = false;
  bool forks = false;
  bool has_workers = false;

  Command command(std::vector<std::string> options = {}) const {
    options.insert(options.begin(), {"--listen", "127.0.0.1:0"});
    return server_command("limit-" + name, std::move(options));
  }
};
void PrintTo(const Limit& limit, std::ostream* stream) { *stream << limit.name; }

/// All of them; under ThreadSanitizer those that have threads.
std::vector<Limit> every_limit() {
  std::vector<Limit> all{
      {.name = "epoll"},
      {.name = "coroutines", .has_workers = true},
      {.name = "threads", .pool = true, .has_workers = true},
      {.name = "prefork", .pool = true, .forks = true, .has_workers = true},
      {.name = "fork-per-connection", .forks = true},
      {.name = "fork-per-request", .forks = true},
  };
  if (kSanitizers == "thread")
    std::erase_if(all, [](const auto& each) { return each.forks || !each.has_workers; });
  return all;
}

class LimitTest : public testing::TestWithParam<Limit> {
 protected:
  /// With so many workers where a client holds one.
  static Command command(int workers = 16) {
    if (!GetParam().pool) return GetParam().command();
    return GetParam().command({"--workers", std::to_string(workers)});
  }
  static ServerProcess start(int workers = 16) { return ServerProcess(command(workers)); }
};

INSTANTIATE_TEST_SUITE_P(Every, LimitTest, testing::ValuesIn(every_limit()), [](const auto& each) {
  auto name = each.param.name;
  std::ranges::replace(name, '-', '_');
  return name;
});

/// All that a server sends until its end, after the client's.
std::string everything_after(TestClient& client) {
  client.half_close();
  const auto rest = client.read_to_end();
  EXPECT_EQ(rest.end, End::eof);
  return rest.bytes;
}

std::string ask_once(const ServerProcess& server) {
  TestClient client(server);
  client.send(kRequest);
  return everything_after(client);
}

constexpr std::size_t kDateLength = 29;

/// An answer without the value of its Date, which is of fixed length (RFC 9110, 5.6.7).
std::string without_date(std::string answer) {
  const auto date = answer.find("\r\nDate: ");
  if (date != std::string::npos) answer.replace(date + 8, kDateLength, kDateLength, '-');
  return answer;
}

std::string repeat(std::string_view text, std::size_t times) {
  std::string result;
  for (std::size_t i = 0; i < times; ++i) result += text;
  return result;
}

std::string repeat_request(std::size_t times) { return repeat(kRequest, times); }

/// Of all its processes; one that has just gone has none.
std::size_t open_descriptors(const ServerProcess& server) {
  std::size_t count = 0;
  for (const auto process : server.processes()) {
    std::error_code gone;
    std::filesystem::directory_iterator each("/proc/" + std::to_string(process) + "/fd", gone);
    for (; !gone && each != std::filesystem::directory_iterator(); each.increment(gone)) ++count;
  }
  return count;
}

TEST_P(LimitTest, TheAnswerIsTheServersByteForByte) {
  const ServerProcess model(server_command("quartet-epoll", {"--listen", "127.0.0.1:0"}));
  const auto limit = start();
  EXPECT_EQ(without_date(ask_once(limit)), without_date(ask_once(model)));
}

TEST_P(LimitTest, TheDateIsThatOfTheStart) {
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

TEST_P(LimitTest, AConnectionIsKept) {
  const auto server = start();
  TestClient client(server);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(client.get("/plaintext").body, "Hello, World!");
}

TEST_P(LimitTest, PipelinedRequestsAreAnsweredOnceEach) {
  const auto server = start();
  TestClient client(server);
  for (const int depth : {2, 16, 100}) {
    client.send(repeat_request(static_cast<std::size_t>(depth)));
    for (int i = 0; i < depth; ++i) ASSERT_EQ(client.read_answer().body, "Hello, World!");
  }
  EXPECT_EQ(everything_after(client), "");
}

TEST_P(LimitTest, ARequestSplitAnywhereIsAnsweredOnce) {
  const auto server = start();
  const auto answer = ask_once(server);
  TestClient client(server);
  for (std::size_t split = 1; split < kRequest.size(); ++split) {
    client.send(kRequest.substr(0, split));
    server.await_taken();
    ASSERT_TRUE(client.silent_for(0ms)) << "split at " << split;
    client.send(kRequest.substr(split));
    ASSERT_EQ(client.read_answer().status, 200);
  }
  EXPECT_EQ(everything_after(client), "");
}

TEST_P(LimitTest, ManyClientsAreServedAtOnce) {
  constexpr int kClients = 40;
  const auto server = start(kClients);
  const auto answer = ask_once(server);
  std::vector<TestClient> clients;
  for (int i = 0; i < kClients; ++i) clients.emplace_back(server);
  for (int round = 0; round < 3; ++round) {
    for (auto& client : clients) client.send(repeat_request(3));
    for (auto& client : clients)
      for (int i = 0; i < 3; ++i) ASSERT_EQ(client.read_answer().status, 200);
  }
  for (auto& client : clients) EXPECT_EQ(everything_after(client), "");
}

TEST_P(LimitTest, WhatAClientDoesNotReadIsKeptForIt) {
  if (GetParam().name == "fork-per-request") GTEST_SKIP() << "it would take 60,000 forks to fill the socket";
  constexpr int kRequests = 60'000;  // more answers than a socket holds (net.ipv4.tcp_wmem: 4 MiB)
  const auto server = start();
  TestClient slow(server.endpoint(), 4096);
  std::jthread sender([&] { slow.send(repeat_request(kRequests)); });
  EXPECT_TRUE(eventually([&] { return port_queues(server.port()).unread_bytes > 0; }))
      << "it took everything";
  const auto before = server.cpu_time();
  std::this_thread::sleep_for(1s);  // the client's behaviour: blocking sends end with a part, at a tick
  EXPECT_LT(server.cpu_time() - before, 300ms);
  for (int i = 0; i < kRequests; ++i) ASSERT_EQ(slow.read_answer().body, "Hello, World!");
  EXPECT_EQ(everything_after(slow), "");
}

TEST_P(LimitTest, ClientsThatLeaveTakeTheirDescriptorsAndProcessesWithThem) {
  const auto server = start();
  ask_once(server);
  const auto descriptors = open_descriptors(server);
  for (int i = 0; i < 20; ++i) {
    TestClient asking(server), silent(server), amid_a_request(server), rude(server);
    ASSERT_EQ(asking.get("/plaintext").status, 200);
    amid_a_request.send(kRequest.substr(0, 10));
    rude.send(repeat_request(100));
    rude.reset();
  }
  EXPECT_TRUE(eventually([&] { return open_descriptors(server) <= descriptors; }));
  const auto has_zombies = [&] {
    return std::ranges::any_of(session_members(server.pid()), &ProcessEntry::zombie);
  };
  EXPECT_TRUE(eventually([&] { return !has_zombies(); }));
}

TEST_P(LimitTest, ATerminationEndsAndReapsEverything) {
  for (const int signal : {SIGTERM, SIGINT}) {
    auto server = start();
    TestClient busy(server), idle(server);
    ASSERT_EQ(busy.get("/plaintext").status, 200);
    server.signal(signal);
    EXPECT_EQ(server.wait_exit(), exited(0));
    // What it had not waited for would be our zombie now.
    EXPECT_TRUE(session_members(server.pid()).empty());
    EXPECT_TRUE(refuses(server.endpoint()));
  }
}

TEST_P(LimitTest, CtrlCEndsTheWholeGroup) {
  auto server = start();
  TestClient client(server);
  ASSERT_EQ(client.get("/plaintext").status, 200);
  server.signal_group(SIGINT);
  EXPECT_EQ(server.wait_exit(), exited(0));
  EXPECT_TRUE(session_members(server.pid()).empty());
}

TEST_P(LimitTest, AClientThatDoesNotReadDoesNotDelayTheEnd) {
  auto server = start();
  TestClient slow(server.endpoint(), 4096);
  std::jthread sender([&] { slow.offer(repeat_request(30'000)); });
  ASSERT_TRUE(slow.readable());
  ASSERT_TRUE(eventually([&] { return port_queues(server.port()).unread_bytes > 0; }));
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait_exit(), exited(0));
  EXPECT_TRUE(session_members(server.pid()).empty());
}

TEST_P(LimitTest, ChildrenDieWithTheirParent) {
  if (!GetParam().forks) GTEST_SKIP() << "no children";
  const auto server = start();
  TestClient client(server);
  ASSERT_EQ(client.get("/plaintext").status, 200);
  ASSERT_GE(server.children().size(), 1u);
  server.signal(SIGKILL);
  EXPECT_TRUE(eventually([&] { return server.processes().empty(); }));
}

TEST_P(LimitTest, MoreClientsThanDescriptorsWaitInPeace) {
  constexpr int kDescriptors = 40, kClients = 100;
  auto few = command(64);
  few.descriptors = kDescriptors;
  auto server = ServerProcess(few);
  std::vector<TestClient> clients;
  for (int i = 0; i < kClients; ++i) clients.emplace_back(server);
  const auto before = server.cpu_time();
  EXPECT_TRUE(clients.front().silent_for(1s));
  EXPECT_LT(server.cpu_time() - before, 300ms);  // who spins uses all of it
  EXPECT_TRUE(server.running());
  if (!GetParam().forks) {
    EXPECT_GT(port_queues(server.port()).unaccepted, 0u) << "the limit was not reached";
  }

  clients.erase(clients.begin(), clients.begin() + kClients - 10);  // the others' turn comes
  for (auto& client : clients) EXPECT_EQ(client.get("/plaintext").status, 200);
}

TEST_P(LimitTest, IdleClientsCostNoProcessorTime) {
  const auto server = start();
  std::vector<TestClient> idle;
  for (int i = 0; i < 10; ++i) idle.emplace_back(server).get("/plaintext");
  const auto before = server.cpu_time();
  EXPECT_TRUE(idle.front().silent_for(1s));
  EXPECT_LT(server.cpu_time() - before, 300ms);
}

TEST_P(LimitTest, MoreThanOneWorkerServes) {
  if (!GetParam().has_workers) GTEST_SKIP() << "it has none";
  const ServerProcess server(GetParam().command({"--workers", "2"}));
  TestClient first(server), second(server);
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(first.get("/plaintext").status, 200);
    ASSERT_EQ(second.get("/plaintext").status, 200);
  }
}

TEST_P(LimitTest, ItListensOnIPv6) {
  const ServerProcess server(server_command("limit-" + GetParam().name, {"--listen", "[::1]:0"}));
  TestClient client(server);
  EXPECT_EQ(client.get("/plaintext").status, 200);
}

TEST_P(LimitTest, AUsageErrorIsOneSentenceAndStatus2) {
  const auto program = "limit-" + GetParam().name;
  for (const std::vector<std::string>& wrong : {std::vector<std::string>{"--listen", "nowhere"},
                                                {"--listen"},
                                                {"--no-such-option"},
                                                {"--workers", "0"},
                                                {"--workers", "many"},
                                                {"a word"}}) {
    const auto finished = run(server_command(program, wrong));
    EXPECT_EQ(finished.ending, exited(2)) << wrong.front();
    EXPECT_TRUE(finished.err.starts_with(program + ": ")) << finished.err;
    EXPECT_EQ(std::ranges::count(finished.err, '\n'), 1) << finished.err;
    EXPECT_EQ(finished.out, "");
  }
}

TEST_P(LimitTest, WorkersAreAnOptionWhereTheModelHasSome) {
  const auto help = run(server_command("limit-" + GetParam().name, {"--help"}));
  EXPECT_EQ(help.ending, exited(0));
  EXPECT_EQ(help.out.find("--workers") != std::string::npos, GetParam().has_workers);
}

TEST_P(LimitTest, AnAddressInUseIsOneSentenceAndStatus1) {
  const auto server = start();
  const auto address = "127.0.0.1:" + std::to_string(server.port());
  const auto finished = run(server_command("limit-" + GetParam().name, {"--listen", address}));
  EXPECT_EQ(finished.ending, exited(1));
  EXPECT_EQ(finished.err, "limit-" + GetParam().name + ": bind " + address + ": Address already in use\n");
}

TEST(PreforkLimitTest, ADeadWorkerEndsItBecauseASmallerPoolMeasuresSomethingElse) {
  if (kSanitizers == "thread") GTEST_SKIP() << "it forks";
  ServerProcess server(server_command("limit-prefork", {"--listen", "127.0.0.1:0", "--workers", "3"}));
  const auto workers = server.children();
  ASSERT_EQ(workers.size(), 3u);
  ASSERT_EQ(::kill(workers.front(), SIGKILL), 0);
  EXPECT_EQ(server.wait_exit(), exited(1));
  EXPECT_EQ(server.err(), "limit-prefork: a worker process has died\n");
  EXPECT_TRUE(session_members(server.pid()).empty());
}

}  // namespace
}  // namespace quartet::limits
