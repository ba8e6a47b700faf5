// What faults.json expects of each fault in each model is what happens: to the faulty client, to others, and
// to the server. Time is no verdict here: who is answered late is answered.
#include "common/faults/catalogue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>

#include "tests/servers/others.h"

namespace quartet::suite {
namespace {

using app::CatalogueEntry;
using app::FaultCase;
using app::FaultKind;

struct Trial {
  const Configuration* configuration;
  const CatalogueEntry* fault;
  const FaultCase* fault_case;
};
void PrintTo(const Trial& trial, std::ostream* stream) {
  *stream << trial.fault->id << '?' << trial.fault_case->query << " in " << trial.configuration->name;
}

std::string name_of(const Trial& trial) {
  std::string name = trial.fault->id + '_' + trial.fault_case->query + "_in_" + trial.configuration->name;
  std::ranges::replace_if(
      name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

std::vector<Trial> asked_trials() {
  std::vector<Trial> trials;
  for (const CatalogueEntry& fault : app::catalogue()) {
    if (fault.kind != FaultKind::handler) continue;
    for (const FaultCase& fault_case : fault.cases) {
      for (const Configuration& each : every_configuration()) {
        const Trial trial{&each, &fault, &fault_case};
        if (is_asked(name_of(trial))) trials.push_back(trial);
      }
    }
  }
  return trials;
}

/// What requests need that must overlap: by default they do so on an idle machine only.
std::string time_to_meet(const std::string& fault) {
  if (fault == "deadlock") return "ms=1000";
  if (fault == "race") return "increments=30000";
  return "";
}
/// Silence counts beyond it only: a request that has met nobody is answered by then.
constexpr auto kMeeting = 1s;

/// What a parent says of it.
std::string word_of(const Ending& ending) {
  if (ending.signal == 0) return " exited with status " + std::to_string(ending.code);
  return " was killed by signal " + std::to_string(ending.signal);
}

class CatalogueTest : public testing::TestWithParam<Trial> {
 protected:
  void SetUp() override {
    const auto& [parameter, fault, fault_case] = GetParam();
    const Configuration& configuration = *parameter;
    const auto* expectation = fault_case->expectation(configuration.model(), configuration.asan());
    if (expectation == nullptr) GTEST_SKIP() << why_not(configuration, fault->id, fault_case->query);
    const CatalogueCase found(configuration, fault->id, fault_case->query);
    if (const auto reason = found.sanitizer(); !reason.empty()) GTEST_SKIP() << reason;
    if (expectation->verdicts.size() > 1) GTEST_SKIP() << "chance decides: " << expectation->because;
    verdict_ = expectation->verdicts.front();
    posts_ = found.posts(time_to_meet(fault->id));
    load_ = found.load();
    ending_ = found.ending();
    command_ = Others::command(configuration, found, kMostClients - Others::kConnected);
  }

  /// Of several loops each has some of the others: they come before and after the faulty clients.
  void gather(const ServerProcess& server) {
    for (int i = 0; i < 2; ++i) others_.emplace_back(server);
    for (std::size_t i = 0; i < posts_.size(); ++i) faulty_.emplace_back(server);
    for (int i = 0; i < 2; ++i) others_.emplace_back(server);
    if (GetParam().configuration->loops_in_processes()) choose_by_worker(server);
    for (TestClient& each : faulty_) each.get("/plaintext");
    for (auto* clients : {&fellows_, &others_}) {
      for (TestClient& each : *clients) {
        const Answer answer = each.exchange(load_);
        ASSERT_EQ(answer.status, 200);
        load_body_ = answer.body;
      }
    }
  }

  /// Where the kernel chooses who serves whom: each worker has some of the others.
  void choose_by_worker(const ServerProcess& server) {
    others_.clear();
    TestClient& faulty = faulty_.front();
    for (int i = 0; i < 2; ++i) {
      fellows_.push_back(another_client(server, faulty, /*same_worker=*/true));
      others_.push_back(another_client(server, faulty, /*same_worker=*/false));
    }
  }

  void commit(const ServerProcess& server, const char* bystander_sleeps_ms) {
    if (fellows_.empty()) {
      sleeper_.emplace(server);
    } else {
      sleeper_ = another_client(server, faulty_.front(), /*same_worker=*/true);
    }
    sleeper_->send(get(std::string("/sleep?ms=") + bystander_sleeps_ms));
    server.await_taken();
    for (std::size_t i = 0; i < faulty_.size(); ++i) faulty_[i].send(posts_[i]);
  }

  /// To the faulty clients, when nobody else is harmed.
  void expect_of_the_faulty(const std::string& radius, const ServerProcess& server) {
    if (radius == "connection") return expect_a_cut_or_silence(server);
    int errors = 0;
    for (TestClient& each : faulty_) {
      errors += each.read_answer().status >= 400 ? 1 : 0;
      EXPECT_EQ(each.get("/plaintext").status, 200);
    }
    EXPECT_EQ(errors > 0, radius == "request") << errors << " errors";
  }

  void expect_a_cut_or_silence(const ServerProcess& server) {
    if (!ending_) {
      for (TestClient& each : faulty_) EXPECT_TRUE(each.silent_for(kMeeting + kWatch));
      return;
    }
    for (TestClient& each : faulty_) EXPECT_EQ(each.read_to_end().bytes, "");
    const auto said = [&] { return server.err().find(word_of(*ending_)) != std::string::npos; };
    EXPECT_TRUE(eventually(said)) << server.err();
  }

  void expect_all_others_answered(ServerProcess& server) {
    EXPECT_EQ(sleeper_->read_answer().status, 200);
    expect_answered(server, fellows_);
    expect_others_answered(server);
  }

  void expect_others_answered(ServerProcess& server) {
    others_.emplace_back(server);  // a newcomer
    expect_answered(server, others_);
  }

  void expect_answered(ServerProcess& server, std::vector<TestClient>& clients) {
    for (TestClient& each : clients) {
      const Answer answer = each.exchange(load_);
      EXPECT_EQ(answer.status, 200);
      EXPECT_EQ(answer.body, load_body_);
    }
    EXPECT_TRUE(server.running());
  }

  /// To those who share a worker with the faulty client, and to nobody else.
  void expect_of_its_worker(const std::string& harm, ServerProcess& server) {
    ASSERT_FALSE(fellows_.empty()) << "a worker serves one client, or all";
    expect_a_cut_or_silence(server);
    if (harm == "lost") fellows_.push_back(std::move(*sleeper_));
    for (TestClient& each : fellows_) {
      if (harm == "lost") {
        EXPECT_EQ(each.read_to_end().bytes, "");
      } else {
        each.send(load_);
        EXPECT_TRUE(each.silent_for(kWatch));
      }
    }
    expect_others_answered(server);
  }

  void expect_the_end_of_all(ServerProcess& server) {
    const Ending ending = server.wait_exit();
    ASSERT_TRUE(ending_) << "the catalogue does not say how its process ends";
    EXPECT_EQ(ending, *ending_);
    EXPECT_EQ(sleeper_->read_to_end().bytes, "");
    for (TestClient& each : faulty_)
      EXPECT_EQ(each.read_to_end().bytes, "");  // its own fault, not one that it left behind
    for (TestClient& each : others_) EXPECT_EQ(each.read_to_end().bytes, "");
    EXPECT_TRUE(refuses(server.endpoint()));
  }

  void expect_somebody_starves(ServerProcess& server) {
    for (TestClient& each : faulty_) each.readable(kWatch);    // its fault is committed, or goes on
    for (int i = 0; i < 2; ++i) others_.emplace_back(server);  // newcomers: each loop has one
    for (TestClient& each : others_) each.send(load_);
    const auto starved =
        std::ranges::count_if(others_, [](TestClient& each) { return each.silent_for(kWatch); });
    EXPECT_GT(starved, 0);
    EXPECT_TRUE(server.running());
  }

  void expect_somebody_gets_wrong_bytes(ServerProcess& server) {
    for (TestClient& each : faulty_) each.read_answer();
    others_.emplace_back(server);
    const auto wrong = std::ranges::count_if(
        others_, [&](TestClient& each) { return each.exchange(load_).body != load_body_; });
    EXPECT_GT(wrong, 0);
    EXPECT_TRUE(server.running());
  }

  static constexpr int kMostClients = 12;  ///< at one time: a pool has a worker for each

  std::string verdict_;
  std::vector<std::string> posts_;
  std::string load_;
  std::optional<Ending> ending_;  ///< of the process that commits the fault
  Command command_;
  std::vector<TestClient> fellows_;  ///< of the faulty client's worker, where others are of another one
  std::vector<TestClient> others_;
  std::vector<TestClient> faulty_;
  std::optional<TestClient> sleeper_;
  std::string load_body_;
};
INSTANTIATE_TEST_SUITE_P(Every, CatalogueTest, testing::ValuesIn(asked_trials()),
                         [](const auto& each) { return name_of(each.param); });

TEST_P(CatalogueTest, WhatAFaultHarmsIsWhatTheCatalogueSays) {
  const auto space = verdict_.find(' ');
  const std::string radius = verdict_.substr(0, space), harm = verdict_.substr(space + 1);
  ServerProcess server(command_);
  gather(server);
  // who goes down with the server is cut off at once; the others sleep to the end
  commit(server, harm == "lost" || radius == "worker" ? "60000" : "300");
  if (radius == "worker") return expect_of_its_worker(harm, server);
  if (harm == "lost") return expect_the_end_of_all(server);
  if (harm == "starved") return expect_somebody_starves(server);
  if (harm == "wrong") return expect_somebody_gets_wrong_bytes(server);
  expect_of_the_faulty(radius, server);
  expect_all_others_answered(server);
}

class FaultListTest : public ServerTest {};
QUARTET_EVERY_CONFIGURATION(FaultListTest);

TEST_P(FaultListTest, NamesTheHandlerFaultsOfTheCatalogueAndNoOthers) {
  const auto server = start_with_faults();
  const auto list = nlohmann::json::parse(TestClient(server).get("/fault").body);
  std::vector<std::string> listed, expected;
  for (const auto& each : list.at("faults")) listed.push_back(each.at("id"));
  for (const auto& each : app::catalogue()) {
    if (each.kind == FaultKind::handler) expected.push_back(each.id);
  }
  EXPECT_EQ(listed, expected);
}

TEST_P(FaultListTest, IsThereWithTheOptionOnly) {
  const auto server = start();
  EXPECT_EQ(TestClient(server).get("/fault").status, 404);
}

TEST_P(FaultListTest, EveryTargetOfItIsARouteForPost) {
  const auto server = start_with_faults();
  TestClient client(server);
  const auto list = nlohmann::json::parse(client.get("/fault").body);
  ASSERT_FALSE(list.at("faults").empty());
  for (const auto& each : list.at("faults")) {
    const auto answer = client.get(each.at("target").get<std::string>());
    EXPECT_EQ(answer.status, 405) << each.at("id");
    EXPECT_EQ(answer.header("Allow"), "POST, OPTIONS") << each.at("id");
  }
}

}  // namespace
}  // namespace quartet::suite
