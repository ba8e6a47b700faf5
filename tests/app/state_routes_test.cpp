#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "common/routes/routes.h"

namespace quartet::app {
namespace {

using http::Method;
using http::Request;
using http::Response;
using nlohmann::json;

class StateRoutes : public testing::Test {
 protected:
  StateRoutes() {
    add_state_routes(router_, sessions_);
    slot_.worker = 7;
  }

  Response call(Method method, std::string_view path, std::string_view query = "",
                std::string_view body = "") {
    Request request;
    request.method = method;
    request.path = path;
    request.query = query;
    request.body = body;
    return std::get<Response>(router_.find(path)->handler(request, slot_));
  }
  Response get(std::string_view path, std::string_view query = "") { return call(Method::get, path, query); }
  Response put(std::string_view path, std::string_view query, std::string_view body) {
    return call(Method::put, path, query, body);
  }
  /// The value of a counter after one more request.
  std::uint64_t count(const std::string& sync) {
    return json::parse(get("/counter", "units=0&sync=" + sync).body)["value"];
  }

  SharedSessions sessions_;
  http::Router router_;
  http::Slot slot_;
};

TEST_F(StateRoutes, AreNotQuick) {
  for (const http::Route& route : router_.routes()) EXPECT_FALSE(route.quick) << route.path;
}

TEST_F(StateRoutes, CounterSaysWhoCounted) {
  const json answer = json::parse(get("/counter").body);
  EXPECT_EQ(answer["sync"], "none");
  EXPECT_EQ(answer["pid"], ::getpid());
  EXPECT_EQ(answer["tid"], ::gettid());
  EXPECT_EQ(answer["worker"], 7);
}

TEST_F(StateRoutes, EachKindOfCounterCountsForItself) {
  for (const auto* sync : {"none", "atomic", "mutex"}) {
    const auto before = count(sync);
    EXPECT_EQ(count(sync), before + 1) << sync;
    EXPECT_EQ(json::parse(call(Method::post, "/counter", std::string("sync=") + sync).body)["value"],
              before + 2);
  }
}

TEST_F(StateRoutes, AtomicAndMutexLoseNothingBetweenThreads) {
  for (const auto* sync : {"atomic", "mutex"}) {
    const auto before = count(sync);
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int request = 0; request < 250; ++request) count(sync);
      });
    }
    threads.clear();
    EXPECT_EQ(count(sync), before + 1001) << sync;
  }
}

TEST_F(StateRoutes, CounterNamesABadParameter) {
  EXPECT_EQ(get("/counter", "sync=spin").status, 400);
  EXPECT_EQ(get("/counter", "sync=spin").body, "sync: \"spin\" is not one of none, atomic, mutex\n");
  EXPECT_EQ(get("/counter", "sync=").body, "sync: \"\" is not one of none, atomic, mutex\n");
  EXPECT_EQ(get("/counter", "units=10001").body, "units: \"10001\" is not a whole number from 0 to 10000\n");
  EXPECT_EQ(get("/counter", "units=-1").status, 400);
}

TEST_F(StateRoutes, CounterDoesNotCountABadRequest) {
  const auto before = count("none");
  get("/counter", "sync=none&units=x");
  EXPECT_EQ(count("none"), before + 1);
}

TEST_F(StateRoutes, TheIndexSaysWhichWordsThereAre) {
  EXPECT_NE(router_.find("/counter")->summary.find("sync=none (or atomic, mutex)"), std::string::npos);
  EXPECT_NE(router_.find("/session/a")->summary.find("store=local (or shared)"), std::string::npos);
}

class Sessions : public StateRoutes, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Stores, Sessions, testing::Values("", "store=local", "store=shared"),
                         [](const auto& each) -> std::string {
                           const std::string_view query = each.param;
                           return query.empty() ? "default" : std::string(query.substr(6));
                         });

TEST_P(Sessions, LiveFromPutToDelete) {
  EXPECT_EQ(get("/session/a", GetParam()).status, 404);
  EXPECT_EQ(call(Method::delete_, "/session/a", GetParam()).status, 404);
  EXPECT_EQ(put("/session/a", GetParam(), "one").status, 201);
  EXPECT_EQ(put("/session/a", GetParam(), "two").status, 204);
  EXPECT_EQ(get("/session/a", GetParam()).body, "two");
  EXPECT_EQ(get("/session/a", GetParam()).content_type, "application/octet-stream");
  EXPECT_EQ(call(Method::delete_, "/session/a", GetParam()).status, 204);
  EXPECT_EQ(get("/session/a", GetParam()).status, 404);
}

TEST_P(Sessions, TakeAKibibyteAndNotAByteMore) {
  const std::string largest(1024, '\0');
  EXPECT_EQ(put("/session/a", GetParam(), largest).status, 201);
  EXPECT_EQ(get("/session/a", GetParam()).body, largest);
  const Response refusal = put("/session/a", GetParam(), largest + "x");
  EXPECT_EQ(refusal.status, 413);
  EXPECT_EQ(refusal.body, "1025 bytes are more than the 1024 of a session\n");
  EXPECT_EQ(get("/session/a", GetParam()).body, largest);
}

TEST_P(Sessions, AFullTableIsA507) {
  for (std::size_t i = 0; i < kMostSessions; ++i)
    ASSERT_EQ(put("/session/" + std::to_string(i), GetParam(), "").status, 201);
  const Response refusal = put("/session/more", GetParam(), "");
  EXPECT_EQ(refusal.status, 507);
  EXPECT_EQ(refusal.body, "all 1024 sessions are taken; delete one\n");
  EXPECT_EQ(put("/session/5", GetParam(), "").status, 204);
  call(Method::delete_, "/session/5", GetParam());
  EXPECT_EQ(put("/session/more", GetParam(), "").status, 201);
}

TEST_P(Sessions, ABadIdIsNamedWithTheReason) {
  for (const std::string id : {"a b", "a/b", "..%", "\xc3\xa4", "a\n", "<x>"}) {
    const Response response = put("/session/" + id, GetParam(), "");
    EXPECT_EQ(response.status, 400) << id;
    EXPECT_NE(response.body.find(" is not 1 to 64 characters of A-Z a-z 0-9 . _ -\n"), std::string::npos);
  }
  EXPECT_EQ(get("/session/" + std::string(65, 'x'), GetParam()).status, 400);
  EXPECT_EQ(get("/session/" + std::string(64, 'x'), GetParam()).status, 404);
  EXPECT_EQ(put("/session/Az.09_-", GetParam(), "").status, 201);
}

TEST_F(StateRoutes, TheTwoStoresKeepTheirSessionsApart) {
  put("/session/a", "store=local", "local");
  EXPECT_EQ(get("/session/a", "store=shared").status, 404);
  put("/session/a", "store=shared", "shared");
  EXPECT_EQ(get("/session/a").body, "local");
  EXPECT_EQ(sessions_.get("a"), "shared");
}

TEST_F(StateRoutes, AnUnknownStoreIsNamed) {
  for (const Method method : {Method::get, Method::put, Method::delete_}) {
    const Response response = call(method, "/session/a", "store=disk");
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ(response.body, "store: \"disk\" is not one of local, shared\n");
  }
}

}  // namespace
}  // namespace quartet::app
