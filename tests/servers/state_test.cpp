// Whom a request shares memory with: what one leaves behind, the next one finds, or not.
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/servers/configuration.h"

namespace quartet::suite {
namespace {

class StateTest : public ServerTest {
 protected:
  static bool one_process_per_request() { return GetParam().process_per_request; }
  static bool one_process_for_all() { return !GetParam().has_parent; }
};
QUARTET_EVERY_CONFIGURATION(StateTest);

using Json = nlohmann::json;

Json count_once(TestClient& client, const std::string& sync) {
  return Json::parse(client.get("/counter?units=1&sync=" + sync).body);
}

int put(TestClient& client, const std::string& target, const std::string& value) {
  return client.exchange(request("PUT", target, value)).status;
}

TEST_P(StateTest, ACounterIsSharedByThoseWhoShareAProcess) {
  const auto server = start();
  for (const std::string sync : {"none", "atomic", "mutex"}) {
    SCOPED_TRACE(sync);
    std::map<int, int> last;  // by process
    TestClient first(server), second(server), third(server);
    for (auto* client : {&first, &second, &third, &first, &second, &third}) {
      const auto answer = count_once(*client, sync);
      const int before = std::exchange(last[answer["pid"]], answer["value"]);
      EXPECT_EQ(answer["value"], before + 1);
    }
    if (GetParam().loops_in_processes()) continue;  // as many as the clients have met
    EXPECT_EQ(last.size(), one_process_for_all() ? 1u : one_process_per_request() ? 6u : 3u);
  }
}

TEST_P(StateTest, TheCounterTakesPost) {
  const auto server = start();
  const auto answer = TestClient(server).exchange(request("POST", "/counter?sync=mutex"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(Json::parse(answer.body)["value"], 1);
}

constexpr int kCrowd = 8;
constexpr int kRounds = 40;

/// All of the crowd count at the same time. @return the counter's value afterwards
int count_in_a_crowd(const ServerProcess& server, const std::string& sync, int units) {
  const std::string target = "/counter?sync=" + sync + "&units=";
  auto crowd = silent_clients(server, kCrowd);
  for (int round = 0; round < kRounds; ++round) {
    for (auto& client : crowd) client.send(get(target + std::to_string(units)));
    for (auto& client : crowd) EXPECT_EQ(client.read_answer().status, 200);
  }
  return Json::parse(crowd.front().get(target + "0").body).at("value");
}

TEST_P(StateTest, AtomicAndMutexLoseNothing) {
  if (!one_process_for_all()) GTEST_SKIP() << "nothing is shared that could be lost";
  const auto server = start();
  for (const auto* sync : {"atomic", "mutex"})
    EXPECT_EQ(count_in_a_crowd(server, sync, 5), kCrowd * kRounds + 1) << sync;
}

TEST_P(StateTest, OneThreadNeedsNoSynchronization) {
  if (!GetParam().handlers_in_loop() || GetParam().several_loops) GTEST_SKIP() << "not a single thread";
  const auto server = start();
  EXPECT_EQ(count_in_a_crowd(server, "none", 5), kCrowd * kRounds + 1);
}

TEST_P(StateTest, ThreadsWithoutSynchronizationLoseCounts) {
  if (!GetParam().handlers_in_threads()) GTEST_SKIP() << "no threads that run handlers at the same time";
  const auto server = start();
  int counted = 0;
  EXPECT_TRUE(eventually([&] {
    counted += kCrowd * kRounds + 1;
    return count_in_a_crowd(server, "none", 300) < counted;
  }));
}

Json process_of(TestClient& client) { return Json::parse(client.get("/whoami").body)["pid"]; }

TEST_P(StateTest, ALocalSessionIsFoundByThoseWhoShareItsProcess) {
  const auto server = start();
  TestClient author(server), other(server);
  EXPECT_EQ(put(author, "/session/a", "mine"), 201);
  EXPECT_EQ(author.get("/session/a").status, one_process_per_request() ? 404 : 200);
  EXPECT_EQ(other.get("/session/a").status, process_of(other) == process_of(author) ? 200 : 404);
  EXPECT_EQ(put(author, "/session/a", "new"), one_process_per_request() ? 201 : 204);
}

TEST_P(StateTest, ASharedSessionIsFoundByEveryone) {
  const auto server = start();
  TestClient author(server), other(server);
  EXPECT_EQ(put(author, "/session/a?store=shared", "ours"), 201);
  EXPECT_EQ(author.get("/session/a?store=shared").body, "ours");
  const auto answer = other.get("/session/a?store=shared");
  EXPECT_EQ(answer.body, "ours");
  EXPECT_EQ(answer.header("Content-Type"), "application/octet-stream");
  EXPECT_EQ(put(other, "/session/a?store=shared", "theirs"), 204);
  EXPECT_EQ(author.get("/session/a?store=shared").body, "theirs");
  EXPECT_EQ(author.exchange(request("DELETE", "/session/a?store=shared")).status, 204);
  EXPECT_EQ(other.get("/session/a?store=shared").status, 404);
}

TEST_P(StateTest, ASharedSessionOutlivesTheCrashOfItsAuthor) {
  if (!GetParam().has_parent) GTEST_SKIP() << "nothing outlives it";
  const auto server = start_with_faults();
  TestClient author(server);
  EXPECT_EQ(put(author, "/session/a?store=shared", "ours"), 201);
  author.send(request("POST", "/fault/segv"));
  EXPECT_EQ(author.read_to_end().bytes, "");
  TestClient other(server);
  EXPECT_EQ(other.get("/session/a?store=shared").body, "ours");
  EXPECT_EQ(put(other, "/session/a?store=shared", "new"), 204);
}

TEST_P(StateTest, WhatIsWrongWithACounterOrSessionIsNamed) {
  const auto server = start();
  TestClient client(server);
  const std::string large(1025, 'x');
  for (const auto& [bytes, status, reason] :
       {std::tuple{get("/counter?sync=spin"), 400, "sync: \"spin\" is not one of none, atomic, mutex"},
        {get("/counter?units=x"), 400, "units: \"x\" is not a whole number"},
        {request("DELETE", "/counter"), 405, "Allow"},
        {get("/session/a%20b"), 400, "session \"a b\" is not 1 to 64 characters"},
        {get("/session/a?store=disk"), 400, "store: \"disk\" is not one of local, shared"},
        {request("PUT", "/session/a?store=shared", large), 413, "1025 bytes are more than the 1024"},
        {request("PUT", "/session/a", large), 413, "1025 bytes are more than the 1024"},
        {request("POST", "/session/a"), 405, "Allow"},
        {get("/session/"), 404, "no such route"},
        {get("/layout?format=png"), 400, "format: \"png\" is not one of text, html"},
        {request("POST", "/layout"), 405, "Allow"}}) {
    SCOPED_TRACE(bytes.substr(0, bytes.find('\r')));
    const auto answer = client.exchange(bytes);
    EXPECT_EQ(answer.status, status);
    EXPECT_NE(answer.body.find(reason), std::string::npos) << answer.body;
    EXPECT_FALSE(answer.closes());
  }
}

/// "7f1f89436000-7f1f89c36000 rw-p ..."
struct Range {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::string permissions;
};

/// What /layout says of one landmark.
struct Row {
  std::uint64_t address = 0;
  Range range;
};

/// @return the rows by their names, which are 15 characters wide; a row without an address is not one
std::map<std::string, Row> rows_of(const std::string& text) {
  std::map<std::string, Row> rows;
  std::istringstream lines(text.substr(text.find("\n\n") + 2));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream rest(line.substr(16));
    Row row;
    char dash = 0;
    if (rest >> std::hex >> row.address >> row.range.begin >> dash >> row.range.end >> row.range.permissions)
      rows[line.substr(0, line.find("  "))] = row;
  }
  return rows;
}

TEST_P(StateTest, TheLayoutShowsWhereEverythingLies) {
  const auto server = start();
  auto rows = rows_of(TestClient(server).get("/layout").body);
  const std::map<std::string, std::string> permissions{
      {"stack", "rw-p"}, {"thread-local", "rw-p"},   {"heap", "rw-p"}, {"bss", "rw-p"},
      {"data", "rw-p"},  {"read-only data", "r--p"}, {"code", "r-xp"}};
  for (const auto& [name, expected] : permissions) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(rows.contains(name));
    EXPECT_LE(rows[name].range.begin, rows[name].address);
    EXPECT_LT(rows[name].address, rows[name].range.end);
    EXPECT_EQ(rows[name].range.permissions, expected);
  }
}

TEST_P(StateTest, AThreadsStackHasAGuardPageAndTheMainThreadsTheKernelsGap) {
  const auto server = start();
  const auto text = TestClient(server).get("/layout").body;
  const bool main_thread = !GetParam().starts_threads();
  EXPECT_EQ(text.find("(the main thread)") != std::string::npos, main_thread) << text;
  auto rows = rows_of(text);
  EXPECT_EQ(rows.contains("guard page"), !main_thread);
  if (main_thread) {
    EXPECT_NE(text.find("stack_guard_gap"), std::string::npos) << text;
  } else {
    EXPECT_EQ(rows["guard page"].range.permissions, "---p");
    EXPECT_EQ(rows["guard page"].range.end, rows["stack"].range.begin);
  }
}

TEST_P(StateTest, TheLayoutsOfTwoWorkersDifferInWhatTheModelGivesEach) {
  if (!GetParam().pool()) GTEST_SKIP() << "no two workers for certain";
  const auto server = start();
  TestClient first(server), second(server);
  auto one = rows_of(first.get("/layout").body), two = rows_of(second.get("/layout").body);
  EXPECT_EQ(one["data"].address, two["data"].address);  // processes: the same address of another memory
  EXPECT_EQ(one["code"].address, two["code"].address);
  EXPECT_EQ(one["stack"].range.begin == two["stack"].range.begin, GetParam().has_parent);
  EXPECT_EQ(one["thread-local"].address == two["thread-local"].address, GetParam().has_parent);
}

TEST_P(StateTest, TheLayoutIsAPictureToo) {
  const auto server = start();
  const auto answer = TestClient(server).get("/layout?format=html");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("Content-Type"), "text/html; charset=utf-8");
  for (const auto* name : {">stack<", ">thread-local<", ">heap<", ">bss<", ">data<", ">read-only data<",
                           ">code<", ">guard page<"}) {
    EXPECT_NE(answer.body.find(name), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace quartet::suite
