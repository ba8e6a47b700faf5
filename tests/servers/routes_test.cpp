// What each demo route answers, in every model.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/servers/configuration.h"
#include "tests/servers/process_table.h"

namespace quartet::suite {
namespace {

using RoutesTest = ServerTest;
QUARTET_EVERY_CONFIGURATION(RoutesTest);

using Json = nlohmann::json;

Json whoami(TestClient& client) { return Json::parse(client.get("/whoami").body); }

TEST_P(RoutesTest, PlaintextIsTheGreetingWithTheFieldsOfEveryAnswer) {
  const auto server = start();
  const auto answer = TestClient(server).get("/plaintext");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "Hello, World!");
  EXPECT_EQ(answer.header("Content-Length"), "13");
  EXPECT_TRUE(answer.header("Content-Type").starts_with("text/plain"));
  EXPECT_EQ(answer.header("Server"), "quartet");
  EXPECT_TRUE(answer.header("Date").ends_with(" GMT"));
}

TEST_P(RoutesTest, JsonIsJson) {
  const auto server = start();
  const auto answer = TestClient(server).get("/json");
  EXPECT_EQ(answer.header("Content-Type"), "application/json");
  EXPECT_EQ(Json::parse(answer.body)["message"], "Hello, World!");
}

TEST_P(RoutesTest, TheIndexListsEveryRoute) {
  const auto server = start();
  const auto answer = TestClient(server).get("/");
  EXPECT_TRUE(answer.header("Content-Type").starts_with("text/html"));
  for (const auto* path : {"/plaintext", "/json", "/bytes", "/echo", "/sleep", "/block", "/cpu", "/stream",
                           "/whoami", "/stats", "/healthz", "/counter", "/session/", "/layout"}) {
    EXPECT_NE(answer.body.find(path), std::string::npos) << path;
  }
}

TEST_P(RoutesTest, BytesHasTheSizeAskedFor) {
  const auto server = start();
  TestClient client(server);
  for (const std::size_t size : {0, 1, 65'536, 5'000'000}) {
    EXPECT_EQ(client.get("/bytes?n=" + std::to_string(size)).body.size(), size);
  }
}

TEST_P(RoutesTest, EchoReturnsTheBody) {
  const auto server = start();
  TestClient client(server);
  const std::string body(900'000, '\xff');
  EXPECT_EQ(client.exchange(request("POST", "/echo", body)).body, body);
  EXPECT_EQ(client.exchange(request("PUT", "/echo", std::string("a\0b", 3))).body, std::string("a\0b", 3));
}

TEST_P(RoutesTest, SleepAndBlockTakeTheTimeAskedFor) {
  const auto server = start();
  TestClient client(server);
  for (const auto* target : {"/sleep?ms=300", "/block?ms=300"}) {
    SCOPED_TRACE(target);
    const auto start_time = Clock::now();
    EXPECT_EQ(client.get(target).status, 200);
    EXPECT_GE(Clock::now() - start_time, 300ms);
  }
}

TEST_P(RoutesTest, CpuDoesTheSameWorkEveryTime) {
  const auto server = start();
  TestClient client(server);
  const auto first = client.get("/cpu?units=10");
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(client.get("/cpu?units=10").body, first.body);
}

TEST_P(RoutesTest, StreamSendsChunksAsTheyComeAndKeepsTheConnection) {
  const auto server = start();
  TestClient client(server);
  const auto start_time = Clock::now();
  const auto answer = client.get("/stream?chunks=4&interval_ms=50");
  EXPECT_GE(Clock::now() - start_time, 150ms);  // no pause before the first
  EXPECT_EQ(answer.header("Transfer-Encoding"), "chunked");
  EXPECT_EQ(answer.header("Content-Length"), "");
  EXPECT_EQ(std::count(answer.body.begin(), answer.body.end(), '\n'), 4);
  EXPECT_EQ(client.get("/healthz").status, 200);
}

TEST_P(RoutesTest, AStreamStartsBeforeItEnds) {
  const auto server = start();
  TestClient client(server);
  client.send(get("/stream?chunks=2&interval_ms=30000"));
  EXPECT_TRUE(client.readable());
}

TEST_P(RoutesTest, ABadParameterIsNamed) {
  const auto server = start();
  TestClient client(server);
  const std::map<std::string, std::string> names{{"/bytes?n=many", "n"},
                                                 {"/sleep?ms=-1", "ms"},
                                                 {"/block?ms=1.5", "ms"},
                                                 {"/cpu?units=", "units"},
                                                 {"/stream?chunks=2&interval_ms=soon", "interval_ms"}};
  for (const auto& [target, name] : names) {
    SCOPED_TRACE(target);
    const auto answer = client.get(target);
    EXPECT_EQ(answer.status, 400);
    EXPECT_TRUE(answer.header("Content-Type").starts_with("text/plain"));
    EXPECT_NE(answer.body.find(name), std::string::npos) << answer.body;
    EXPECT_GT(answer.body.size(), name.size() + 10) << "no reason: " << answer.body;
    EXPECT_FALSE(answer.closes());
  }
}

TEST_P(RoutesTest, WhoamiNamesTheProcessThatTheModelGivesTheRequest) {
  const auto server = start();
  TestClient client(server);
  const auto first = whoami(client), second = whoami(client);
  EXPECT_EQ(first["pid"] == server.pid(), !GetParam().has_parent);
  EXPECT_EQ(first["pid"] == second["pid"], !GetParam().process_per_request);
  if (GetParam().loops_in_processes()) return;  // another client may have the same
  TestClient other(server);
  EXPECT_EQ(whoami(other)["pid"] == first["pid"], !GetParam().has_parent);
}

TEST_P(RoutesTest, TheWorkerIsNamedToWhoAsks) {
  const auto server = start();
  TestClient client(server);
  const auto answer = client.exchange(get("/whoami", {"Quartet-Worker: ?"}));
  const auto worker = answer.header("Quartet-Worker");
  const auto pid = std::to_string(Json::parse(answer.body)["pid"].get<pid_t>());
  ASSERT_TRUE(worker.starts_with(pid + "/")) << worker;
  EXPECT_NE(worker.find_first_of("0123456789", pid.size() + 1), std::string::npos) << worker;
  EXPECT_EQ(client.get("/whoami").header("Quartet-Worker"), "");
}

TEST_P(RoutesTest, WhoamiCountsTheRequestsOfTheWorker) {
  if (GetParam().process_per_request) GTEST_SKIP() << "a process answers only one";
  if (GetParam().threads_share_clients()) GTEST_SKIP() << "another worker may answer";
  const auto server = start();
  TestClient client(server);
  const auto first = whoami(client)["requests"].get<int>();
  client.get("/plaintext");
  EXPECT_EQ(whoami(client)["requests"].get<int>(), first + 2);
}

TEST_P(RoutesTest, TheProcessesAreChildrenOfTheServer) {
  if (!GetParam().has_parent || GetParam().process_per_request) GTEST_SKIP() << "no children that stay";
  const auto server = start();
  TestClient client(server);
  const auto pid = whoami(client)["pid"].get<pid_t>();
  const auto children = server.children();
  EXPECT_TRUE(std::find(children.begin(), children.end(), pid) != children.end());
}

TEST_P(RoutesTest, EveryWorkerOfAPoolTakesAClient) {
  if (!GetParam().pool()) GTEST_SKIP() << "not a pool";
  const auto server = start_with_workers(4);
  std::set<int> threads;
  std::vector<TestClient> clients;
  for (int i = 0; i < 4; ++i) threads.insert(whoami(clients.emplace_back(server))["tid"].get<int>());
  EXPECT_EQ(threads.size(), 4u);
  EXPECT_EQ(server.children().size(), GetParam().has_parent ? 4u : 0u);
}

TEST_P(RoutesTest, EveryLoopTakesClients) {
  if (!GetParam().several_loops) GTEST_SKIP() << "not more than one loop";
  const auto server = start();
  std::set<int> threads;
  std::vector<TestClient> clients;
  EXPECT_TRUE(eventually([&] {
    threads.insert(whoami(clients.emplace_back(server))["tid"].get<int>());
    clients.back().send(get("/block?ms=50"));  // leaves the next client to the other one
    return threads.size() == 2;
  }));
}

TEST_P(RoutesTest, StatsCountRequestsAndConnectionsOfAllWorkers) {
  const auto server = start({"--max-requests-per-connection", "0"});
  TestClient idle(server), busy(server), reader(server);
  idle.get("/plaintext");
  busy.send(get("/sleep?ms=20000"));
  Json totals;
  EXPECT_TRUE(eventually([&] {
    totals = Json::parse(reader.get("/stats").body).at("totals");
    return totals.at("gauges").at("sleeping") == 1 && totals.at("gauges").at("idle") == 1;
  })) << totals;
  EXPECT_GE(totals.at("requests"), 3);
  EXPECT_EQ(totals.at("connections"), 3);
}

TEST_P(RoutesTest, BallastIsTouchedMemory) {
  const auto server = start({"--ballast", "64"});
  EXPECT_GE(resident_memory(server.pid()), std::uint64_t{64} << 20);
  EXPECT_EQ(TestClient(server).get("/healthz").status, 200);
}

}  // namespace
}  // namespace quartet::suite
