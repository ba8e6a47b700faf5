#include "common/server/describe.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/app/sample_models.h"

namespace quartet::app {
namespace {

using nlohmann::json;

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kAddress = true, kThread = false;
#elif defined(__SANITIZE_THREAD__)
constexpr bool kAddress = false, kThread = true;
#else
constexpr bool kAddress = false, kThread = false;
#endif

TEST(Describe, TellsTheFactsOfAModelAndItsModes) {
  json epoll = json::parse(describe(kEpoll));
  const auto sanitizers = epoll["sanitizers"].get<std::string>();
  EXPECT_EQ(sanitizers.find("address") != std::string::npos, kAddress);  // as this test is built
  EXPECT_EQ(sanitizers.find("thread") != std::string::npos, kThread);
  epoll.erase("sanitizers");
  EXPECT_EQ(epoll, json::parse(R"({
    "executable": "quartet-epoll",
    "summary": "One loop.",
    "own_options": {},
    "modes": [{
      "name": "",
      "options": [],
      "worker": "thread",
      "one_client_per_worker": false,
      "process_per_request": false,
      "hands_over": false,
      "work_stealing": false,
      "default_workers": 1,
      "many_workers": false,
      "has_parent": false,
      "refuses": {
        "--mode": "quartet-epoll has only one mode",
        "--workers": "quartet-epoll takes only 1, because one thread serves every client",
        "--max-requests-per-worker": "quartet-epoll has no worker processes that could be replaced one by one"
      }
    }]
  })"));
}

TEST(Describe, TellsTheWordsOfAModelsOwnOptionsTheDefaultFirstAndTheRangeOfANumber) {
  EXPECT_EQ(json::parse(describe(kMultiprocess))["own_options"], json::parse(R"({
    "--listen-mode": ["shared", "reuseport"],
    "--depth": {"unit": "m", "default": 5, "least": 1, "most": 20}
  })"));
}

TEST(Describe, TellsThatWorkersRunWhatMayBlockForALoop) {
  const Model helpers{.name = "quartet-helpers", .summary = "A loop.", .modes = {{.hands_over = true}}};
  EXPECT_EQ(json::parse(describe(helpers))["modes"][0]["hands_over"], true);
}

TEST(Describe, TellsThatAnyWorkerGoesOnWithAClient) {
  const Model fibers{.name = "quartet-fibers", .summary = "Fibers.", .modes = {{.work_stealing = true}}};
  EXPECT_EQ(json::parse(describe(fibers))["modes"][0]["work_stealing"], true);
}

TEST(Describe, BeginsWithTheDefaultMode) {
  const json modes = json::parse(describe(kFork))["modes"];
  ASSERT_EQ(modes.size(), 3u);
  EXPECT_EQ(modes[0]["options"], json::parse(R"(["--mode", "prefork"])"));
  EXPECT_EQ(modes[0]["worker"], "process");
  EXPECT_EQ(modes[2]["name"], "per-request");
}

TEST(Describe, RefusesWhatAPoolOfProcessesCannotHonour) {
  const json pool = json::parse(describe(kFork))["modes"][0];
  EXPECT_EQ(pool["refuses"],
            json::parse(R"({"--supervise": "quartet-fork --mode prefork has a parent of its own"})"));
}

}  // namespace
}  // namespace quartet::app
