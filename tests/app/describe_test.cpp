#include "common/server/describe.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/app/sample_models.h"

namespace quartet::app {
namespace {

using nlohmann::json;

TEST(Describe, TellsTheFactsOfAModelAndItsModes) {
  json epoll = json::parse(describe(kEpoll));
  EXPECT_TRUE(epoll["sanitizers"].is_string());
  epoll.erase("sanitizers");  // as this test is built
  EXPECT_EQ(epoll, json::parse(R"({
    "executable": "quartet-epoll",
    "summary": "One loop.",
    "modes": [{
      "name": "",
      "options": [],
      "worker": "thread",
      "one_client_per_worker": false,
      "process_per_request": false,
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
