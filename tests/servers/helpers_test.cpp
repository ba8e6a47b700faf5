// One loop and a pool of helpers: who waits for a helper, and what becomes of a client that is with one.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "common/scoreboard/scoreboard.h"
#include "tests/servers/server_process.h"
#include "tests/servers/test_client.h"

namespace quartet::suite {
namespace {

using json = nlohmann::json;

ServerProcess start(std::vector<std::string> options = {}) {
  options.insert(options.end(), {"--listen", "127.0.0.1:0", "--keep-alive-timeout", "60s"});
  return ServerProcess(server_command("quartet-helpers", options));
}

std::vector<TestClient> ask(const ServerProcess& server, const std::string& target, int clients) {
  std::vector<TestClient> asking;
  for (int i = 0; i < clients; ++i) asking.emplace_back(server).send(get(target, {"Connection: close"}));
  server.await_taken();
  return asking;
}

/// The server's own view: the kernel forgets a socket when its client resets it.
std::uint64_t open_connections(const ServerProcess& server) {
  const app::ScoreboardReader board("/dev/shm/quartet-" + std::to_string(server.port()));
  std::uint64_t open = 0;
  for (const auto& slot : board.used())
    for (const auto& gauge : slot.gauges) open += gauge;
  return open;
}

TEST(HelpersTest, BusyHelpersDelayOnlyThoseWhoNeedOne) {
  const auto server = start({"--workers", "2"});
  TestClient early(server);
  const auto busy = ask(server, "/block?ms=60000", 2);
  const auto waiting = ask(server, "/block?ms=1", 1);
  TestClient newcomer(server);
  for (auto* client : {&early, &newcomer}) {
    EXPECT_EQ(client->get("/plaintext").status, 200);
    EXPECT_EQ(client->get("/whoami").status, 200);
    EXPECT_EQ(client->get("/nowhere").status, 404);
    EXPECT_EQ(client->exchange(request("DELETE", "/block")).status, 405);
    EXPECT_EQ(client->exchange(request("OPTIONS", "/block")).status, 204);
  }
  newcomer.send(get("/block?ms=1"));
  EXPECT_TRUE(newcomer.silent_for(300ms));
}

TEST(HelpersTest, ThoseWhoNeedAHelperHaveTheirTurnsInTheOrderOfTheirRequests) {
  const auto server = start({"--workers", "1"});
  auto busy = ask(server, "/block?ms=500", 1);
  std::vector<TestClient> waiting;
  for (int i = 0; i < 5; ++i) {
    waiting.emplace_back(server).send(request("POST", "/counter"));
    server.await_taken();
  }
  std::vector<int> turns;
  for (auto& client : waiting) turns.push_back(json::parse(client.read_answer().body)["value"]);
  EXPECT_TRUE(std::ranges::is_sorted(turns)) << testing::PrintToString(turns);
}

TEST(HelpersTest, APipelineThatGoesBackAndForthIsAnsweredInOrder) {
  const auto server = start();
  TestClient client(server);
  std::string pipeline;
  for (int i = 0; i < 100; ++i)
    pipeline += get("/plaintext") + get("/block?ms=0") + request("POST", "/echo", std::to_string(i)) +
                get("/stream?chunks=3&interval_ms=0") + get("/sleep?ms=1");
  client.send(pipeline);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(client.read_answer().body, "Hello, World!");
    EXPECT_EQ(client.read_answer().status, 200);
    EXPECT_EQ(client.read_answer().body, std::to_string(i));
    EXPECT_EQ(client.read_answer().header("Transfer-Encoding"), "chunked");
    EXPECT_EQ(client.read_answer().status, 200);
  }
}

TEST(HelpersTest, WhatAClientDoesWhileAHelperHasItCostsNoProcessorTime) {
  const auto server = start();
  std::vector<TestClient> clients;
  for (int i = 0; i < 3; ++i) clients.emplace_back(server).send(get("/block?ms=2000"));
  server.await_taken();
  clients[0].reset();
  clients[1].half_close();
  clients[2].send(get("/plaintext"));
  const auto before = server.cpu_time();
  EXPECT_EQ(clients[1].read_answer().status, 200);
  EXPECT_EQ(clients[1].read_to_end().end, End::eof);
  EXPECT_EQ(clients[2].read_answer().status, 200);
  EXPECT_EQ(clients[2].read_answer().body, "Hello, World!");
  EXPECT_LT(server.cpu_time() - before, 150ms);
  EXPECT_TRUE(eventually([&] { return open_connections(server) == 1; }));
}

TEST(HelpersTest, AClientThatResetsBeforeItsTurnDoesNotSleep) {
  const auto server = start({"--workers", "1"});
  auto busy = ask(server, "/block?ms=500", 1);
  auto gone = ask(server, "/sleep?ms=60000", 1);
  gone.front().reset();
  EXPECT_EQ(busy.front().read_answer().status, 200);
  busy.front().close();
  EXPECT_TRUE(eventually([&] { return open_connections(server) == 0; }));
}

/// With a file of 16 MiB to serve, more than any socket holds.
class HelpersFileTest : public testing::Test {
 protected:
  static constexpr std::size_t kSize = 16 << 20;

  HelpersFileTest() {
    std::filesystem::create_directory(root_);
    std::ofstream(root_ + "/big");
    std::filesystem::resize_file(root_ + "/big", kSize);
  }
  ~HelpersFileTest() override { std::filesystem::remove_all(root_); }

  const std::string root_ = testing::TempDir() + "helpers." + std::to_string(getpid());
};

TEST_F(HelpersFileTest, ASlowReaderOfAFileHoldsNoHelper) {
  const auto server = start({"--workers", "1", "--root", root_});
  TestClient slow(server.endpoint(), 4096), gone(server.endpoint(), 4096), other(server);
  for (auto* client : {&slow, &gone}) {
    client->send(get("/file/big"));
    client->receive_until(1);
  }
  EXPECT_EQ(other.get("/block?ms=1").status, 200);
  EXPECT_EQ(other.get("/file/big").body.size(), kSize);
  EXPECT_EQ(other.exchange(request("HEAD", "/file/big"), true).header("Content-Length"),
            std::to_string(kSize));
  gone.reset();
  EXPECT_EQ(slow.read_answer().body.size(), kSize);
  EXPECT_EQ(slow.get("/block?ms=1").status, 200);
  EXPECT_TRUE(eventually([&] { return open_connections(server) == 2; }));
}

TEST_F(HelpersFileTest, TheWaitForAHelperIsNotTheReadersFault) {
  const auto server = start({"--workers", "1", "--root", root_, "--write-timeout", "1s"});
  TestClient slow(server.endpoint(), 4096), busy(server);
  slow.send(get("/file/big"));
  slow.receive_until(1);
  busy.send(get("/block?ms=4000"));
  EXPECT_EQ(slow.read_answer().body.size(), kSize);
}

TEST(HelpersTest, ADrainAnswersThoseWithAHelperAndThoseWhoWaitForOne) {
  auto server = start({"--workers", "1"});
  auto busy = ask(server, "/block?ms=500", 1);
  auto waiting = ask(server, "/block?ms=1", 20);
  server.signal(SIGTERM);
  EXPECT_EQ(busy.front().read_answer().status, 200);
  for (auto& client : waiting) EXPECT_EQ(client.read_answer().status, 200);
  EXPECT_EQ(server.wait_exit(), exited(0));
}

class HelpersDrainTest : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Each, HelpersDrainTest, testing::Bool(),
                         [](const auto& supervised) { return supervised.param ? "supervised" : "alone"; });

TEST_P(HelpersDrainTest, ItsTimeoutCutsThoseWithAHelperAndThoseWhoWaitForOne) {
  std::vector<std::string> options{"--workers", "2", "--drain-timeout", "200ms"};
  if (GetParam()) options.emplace_back("--supervise");
  auto server = start(options);
  auto clients = ask(server, "/block?ms=60000", 5);
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait_exit(), exited(3));
  EXPECT_NE(server.err().find("5 connections cut"), std::string::npos) << server.err();
  for (auto& client : clients) EXPECT_EQ(client.read_to_end().bytes, "");
}

TEST(HelpersTest, ManyThreadsCountEveryRequestAndEveryByte) {
  const auto server = start();
  constexpr std::size_t kClients = 20;
  constexpr std::size_t kRounds = 50;
  const std::string round = get("/plaintext") + get("/block?ms=0") + get("/json") + get("/cpu?units=1") +
                            get("/nowhere") + get("/stream?chunks=2&interval_ms=0");
  std::string pipeline;
  for (std::size_t i = 0; i < kRounds; ++i) pipeline += round;
  pipeline += get("/block?ms=0", {"Connection: close"});
  std::vector<TestClient> clients;
  for (std::size_t i = 0; i < kClients; ++i) clients.emplace_back(server).send(pipeline);
  std::uint64_t received = 0;
  for (auto& client : clients) received += client.read_to_end().bytes.size();
  clients.clear();
  const app::ScoreboardReader board("/dev/shm/quartet-" + std::to_string(server.port()));
  EXPECT_TRUE(eventually([&] { return open_connections(server) == 0; }));
  const auto total = [&](auto count) {
    std::uint64_t sum = 0;
    for (const auto& slot : board.used()) sum += slot.*count;
    return sum;
  };
  EXPECT_EQ(total(&http::Slot::connections), kClients);
  EXPECT_EQ(total(&http::Slot::requests), kClients * (6 * kRounds + 1));
  EXPECT_EQ(total(&http::Slot::bytes_received), kClients * pipeline.size());
  EXPECT_EQ(total(&http::Slot::bytes_sent), received);
}

}  // namespace
}  // namespace quartet::suite
