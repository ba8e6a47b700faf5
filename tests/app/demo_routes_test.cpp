#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "common/routes/routes.h"

namespace quartet::app {
namespace {

using http::Delay;
using http::Method;
using http::Outcome;
using http::Request;
using http::Response;
using http::Stream;
using nlohmann::json;
using std::chrono::milliseconds;

class DemoRoutes : public testing::Test {
 protected:
  DemoRoutes() { add_demo_routes(router_, slots_); }

  Outcome call(std::string_view path, std::string_view query = "", Request request = {}) {
    request.path = path;
    request.query = query;
    const http::Route* route = router_.find(path);
    if (route == nullptr) throw std::out_of_range(std::string(path));
    return route->handler(request, slot_);
  }

  Response respond(std::string_view path, std::string_view query = "") {
    return std::get<Response>(call(path, query));
  }

  /// The body of a 400.
  std::string complaint(std::string_view path, std::string_view query) {
    const Response response = respond(path, query);
    EXPECT_EQ(response.status, 400);
    EXPECT_TRUE(response.content_type.starts_with("text/plain"));
    return response.body;
  }

  Scoreboard slots_{4};
  http::Router router_;
  http::Slot& slot_ = slots_.take();
};

TEST_F(DemoRoutes, PlaintextIsThirteenBytes) {
  const Response response = respond("/plaintext");
  EXPECT_EQ(response.body, "Hello, World!");
  EXPECT_TRUE(response.content_type.starts_with("text/plain"));
  EXPECT_TRUE(response.fields.empty());
}

TEST_F(DemoRoutes, JsonIsJson) {
  const Response response = respond("/json");
  EXPECT_EQ(response.body, R"({"message":"Hello, World!"})");
  EXPECT_EQ(response.content_type, "application/json");
}

TEST_F(DemoRoutes, HealthzIsOk) { EXPECT_EQ(respond("/healthz").body, "ok\n"); }

TEST_F(DemoRoutes, OnlyCheapRoutesAreQuick) {
  std::set<std::string> quick;
  for (const http::Route& route : router_.routes()) {
    if (route.quick) quick.insert(route.path);
  }
  EXPECT_EQ(quick, (std::set<std::string>{"/", "/plaintext", "/json", "/whoami", "/healthz"}));
}

TEST_F(DemoRoutes, BytesAreAsManyAsAskedFor) {
  EXPECT_EQ(respond("/bytes").body.size(), 1024u);
  EXPECT_EQ(respond("/bytes", "n=0").body, "");
  EXPECT_EQ(respond("/bytes", "n=70").body,
            "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-\n012345");
  EXPECT_EQ(respond("/bytes", "n=16777216").body.size(), 16777216u);
  EXPECT_EQ(respond("/bytes").content_type, "application/octet-stream");
}

TEST_F(DemoRoutes, EchoReturnsTheBody) {
  const std::string body("a\0b\xff", 4);
  Request request;
  request.method = Method::post;
  request.body = body;
  const auto outcome = call("/echo", "", request);
  EXPECT_EQ(std::get<Response>(outcome).body, body);
  EXPECT_EQ(std::get<Response>(outcome).content_type, "application/octet-stream");
  EXPECT_EQ(router_.find("/echo")->allow(), "POST, PUT, OPTIONS");
}

TEST_F(DemoRoutes, SleepAsksForADelay) {
  EXPECT_EQ(std::get<Delay>(call("/sleep", "")).duration, milliseconds(100));
  const auto delay = std::get<Delay>(call("/sleep", "ms=60000"));
  EXPECT_EQ(delay.duration, milliseconds(60'000));
  EXPECT_EQ(delay.response.body, "slept 60000 ms\n");
}

TEST_F(DemoRoutes, BlockHoldsTheThreadWhateverSignalsCome) {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  ::sigaction(SIGALRM, &action, nullptr);
  const itimerval every{.it_interval = {0, 3000}, .it_value = {0, 3000}};
  ::setitimer(ITIMER_REAL, &every, nullptr);
  const auto start = std::chrono::steady_clock::now();
  const Response response = respond("/block", "ms=50");
  const auto elapsed = std::chrono::steady_clock::now() - start;
  const itimerval never{};
  ::setitimer(ITIMER_REAL, &never, nullptr);
  EXPECT_GE(elapsed, milliseconds(50));
  EXPECT_EQ(response.body, "blocked 50 ms\n");
}

TEST_F(DemoRoutes, CpuDoesTheSameWorkEveryTime) {
  EXPECT_EQ(respond("/cpu", "units=1000").body, "1000 units: 5ef7408ae7b528ca\n");
  EXPECT_EQ(respond("/cpu", "units=0").body, "0 units: 0000000000000000\n");
  EXPECT_EQ(respond("/cpu").body, respond("/cpu", "units=100").body);
}

std::string collect(Stream& stream) {
  std::string text;
  while (stream.next(text)) {
  }
  return text;
}

TEST_F(DemoRoutes, StreamSendsItsChunks) {
  auto stream = std::get<Stream>(call("/stream", "chunks=3&interval_ms=20"));
  EXPECT_EQ(stream.interval, milliseconds(20));
  EXPECT_EQ(collect(stream), "chunk 1 of 3\nchunk 2 of 3\nchunk 3 of 3\n");
  auto defaults = std::get<Stream>(call("/stream"));
  EXPECT_EQ(defaults.interval, milliseconds(100));
  EXPECT_TRUE(collect(defaults).ends_with("chunk 5 of 5\n"));
}

TEST_F(DemoRoutes, StreamMayBeEmpty) {
  auto stream = std::get<Stream>(call("/stream", "chunks=0"));
  EXPECT_EQ(collect(stream), "");
}

TEST_F(DemoRoutes, StreamsOfTwoRequestsAreIndependent) {
  auto first = std::get<Stream>(call("/stream", "chunks=2"));
  auto second = std::get<Stream>(call("/stream", "chunks=2"));
  EXPECT_EQ(collect(first), collect(second));
}

struct BadParameter {
  const char* path;
  const char* name;
  std::uint64_t most;
};

class BadParameters : public DemoRoutes, public testing::WithParamInterface<BadParameter> {};

TEST_P(BadParameters, AreNamedWithTheReason) {
  const auto& [path, name, most] = GetParam();
  for (const auto& text : std::vector<std::string>{"abc", "", "-1", "1.5", "1x", "99999999999999999999",
                                                   std::to_string(most + 1)}) {
    EXPECT_EQ(complaint(path, fmt::format("{}={}", name, text)),
              fmt::format("{}: \"{}\" is not a whole number from 0 to {}\n", name, text, most));
  }
}

INSTANTIATE_TEST_SUITE_P(All, BadParameters,
                         testing::Values(BadParameter{"/bytes", "n", 16777216},
                                         BadParameter{"/sleep", "ms", 60'000},
                                         BadParameter{"/block", "ms", 60'000},
                                         BadParameter{"/cpu", "units", 100'000},
                                         BadParameter{"/stream", "chunks", 10'000},
                                         BadParameter{"/stream", "interval_ms", 60'000}));

TEST_F(DemoRoutes, ErrorsQuoteTheClientBrieflyAndPrintably) {
  EXPECT_EQ(complaint("/sleep", "ms=%00%0d%0a%ff"), "ms: \"????\" is not a whole number from 0 to 60000\n");
  EXPECT_LT(complaint("/sleep", "ms=" + std::string(5000, 'x')).size(), 120u);
}

TEST_F(DemoRoutes, UnknownParametersAreIgnored) {
  EXPECT_EQ(respond("/bytes", "x=1&n=5&n=7&y").body, "01234");
  EXPECT_EQ(respond("/plaintext", "n=abc").status, 200);
}

TEST_F(DemoRoutes, IndexListsEveryRouteAlsoLaterOnes) {
  router_.add({{Method::post}, "/later/", "a < b & \"c\"", false, {}});
  const Response response = respond("/");
  EXPECT_EQ(response.content_type, "text/html; charset=utf-8");
  EXPECT_TRUE(response.body.starts_with("<!doctype html>\n"));
  for (const http::Route& route : router_.routes()) {
    EXPECT_NE(response.body.find(route.path), std::string::npos) << route.path;
  }
  EXPECT_NE(response.body.find("<tr><td>POST, OPTIONS<td>/later/<td>a &lt; b &amp; &quot;c&quot;\n"),
            std::string::npos);
  EXPECT_NE(response.body.find("<a href=\"/json\">/json</a>"), std::string::npos);
}

TEST_F(DemoRoutes, WhoamiNamesProcessThreadAndWorker) {
  slot_.requests = 41;
  const json answer = json::parse(respond("/whoami").body);
  EXPECT_EQ(answer["pid"], ::getpid());
  EXPECT_EQ(answer["tid"], ::gettid());
  EXPECT_EQ(answer["worker"], 0);
  EXPECT_EQ(answer["generation"], 1);
  EXPECT_EQ(answer["requests"], 41);
}

TEST_F(DemoRoutes, StatsCountEveryWorkerAndTheirSum) {
  http::Slot& other = slots_.take();
  slot_.requests = 3;
  slot_.gauge(http::Phase::running) = 1;
  other.requests = 4;
  other.bytes_sent = 1000;
  other.gauge(http::Phase::running) = 1;
  other.gauge(http::Phase::idle) = 2;
  const json answer = json::parse(respond("/stats").body);
  ASSERT_EQ(answer["workers"].size(), 2u);
  EXPECT_EQ(answer["workers"][0]["pid"], ::getpid());
  EXPECT_EQ(answer["workers"][1]["worker"], 1);
  EXPECT_EQ(answer["workers"][1]["generation"], 1);
  EXPECT_EQ(answer["workers"][1]["requests"], 4);
  EXPECT_EQ(answer["workers"][1]["gauges"]["idle"], 2);
  EXPECT_EQ(answer["totals"]["requests"], 7);
  EXPECT_EQ(answer["totals"]["bytes_sent"], 1000);
  EXPECT_EQ(answer["totals"]["gauges"]["running"], 2);
}

TEST_F(DemoRoutes, StatsRememberWorkersThatLeft) {
  http::Slot& other = slots_.take();
  other.requests = 4;
  Scoreboard::release(other);
  const json answer = json::parse(respond("/stats").body);
  EXPECT_EQ(answer["workers"][1]["pid"], 0);
  EXPECT_EQ(answer["totals"]["requests"], 4);
}

}  // namespace
}  // namespace quartet::app
