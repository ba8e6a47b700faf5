// Damage in memory: who shares it with the faulty request gets wrong bytes, and nobody else does.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/servers/others.h"
#include "tests/servers/text.h"

namespace quartet::suite {
namespace {

class SharedStateFaultsTest : public ServerTest {
 protected:
  static std::string cached(TestClient& client) {
    const auto answer = client.get("/fault/cached");
    EXPECT_EQ(answer.status, 200);
    return answer.body;
  }
  static std::string cached_by_newcomer(const ServerProcess& server) {
    TestClient newcomer(server);
    return cached(newcomer);
  }
};
QUARTET_EVERY_CONFIGURATION(SharedStateFaultsTest);

constexpr const char* kDamage[] = {"corrupt-shared-state", "use-after-free"};

TEST_P(SharedStateFaultsTest, TheCachedAnswerIsTheSameFixedTextForEveryone) {
  const auto server = start_with_faults();
  TestClient client(server);
  const auto text = cached(client);
  EXPECT_EQ(text.size(), 1024u);
  EXPECT_TRUE(text.starts_with("line 1 of 16, made once for all requests ")) << text;
  EXPECT_EQ(count(text, "\n"), 16u);
  EXPECT_EQ(cached(client), text);
  EXPECT_EQ(cached_by_newcomer(server), text);
}

TEST_P(SharedStateFaultsTest, DamageReachesTheClientsOfItsWorkerProcessAndNoOthers) {
  if (!GetParam().loops_in_processes()) GTEST_SKIP() << "all clients share a process, or none do";
  for (const auto* id : kDamage) {
    const CatalogueCase fault(GetParam(), id);
    if (fault.ending()) continue;  // AddressSanitizer prevents the damage
    SCOPED_TRACE(id);
    const ServerProcess server(fault.command());
    auto [faulty, fellow] = two_clients(server, /*same_worker=*/true);
    TestClient stranger = another_client(server, faulty, /*same_worker=*/false);
    const auto right = cached(stranger);
    EXPECT_EQ(faulty.exchange(fault.post()).status, 200);
    EXPECT_NE(cached(fellow), right);
    EXPECT_EQ(cached(stranger), right);
    EXPECT_TRUE(fault.expects("worker wrong"));
    EXPECT_TRUE(fault.expects("server wrong")) << "a newcomer may come to either worker";
  }
}

TEST_P(SharedStateFaultsTest, DamageReachesThoseWhoShareTheMemory) {
  if (GetParam().loops_in_processes()) GTEST_SKIP() << "some share it, and some do not";
  for (const auto* id : kDamage) {
    const CatalogueCase fault(GetParam(), id);
    if (fault.ending()) continue;  // AddressSanitizer prevents the damage
    SCOPED_TRACE(id);
    const ServerProcess server(fault.command());
    TestClient other(server), faulty(server);
    const auto right = cached(other);
    EXPECT_EQ(faulty.exchange(fault.post()).status, 200);
    const bool wrong = cached(other) != right;
    EXPECT_TRUE(fault.expects(wrong ? "server wrong" : "nobody none"));
    EXPECT_EQ(cached_by_newcomer(server) != right, wrong);
  }
}

TEST_P(SharedStateFaultsTest, DamageLastsAsLongAsItsProcess) {
  for (const auto* id : kDamage) {
    const CatalogueCase fault(GetParam(), id);
    if (fault.ending()) continue;
    SCOPED_TRACE(id);
    const ServerProcess server(fault.command(GetParam().pool() || GetParam().worker_processes()
                                                 ? std::vector<std::string>{"--workers", "1"}
                                                 : std::vector<std::string>{}));
    TestClient faulty(server);
    const auto right = cached(faulty);
    EXPECT_EQ(faulty.exchange(fault.post()).status, 200);
    EXPECT_EQ(cached(faulty) != right, !GetParam().process_per_request);
    faulty.close();
    EXPECT_EQ(cached_by_newcomer(server) != right, !GetParam().process_per_client());
  }
}

TEST_P(SharedStateFaultsTest, AddressSanitizerSaysThatFreedMemoryWasUsed) {
  if (!GetParam().asan()) GTEST_SKIP() << "nobody watches the heap";
  const CatalogueCase fault(GetParam(), "use-after-free");
  const ServerProcess server(fault.command());
  TestClient faulty(server);
  faulty.send(fault.post());
  faulty.read_to_end();
  EXPECT_TRUE(eventually([&] { return has(server.err(), "heap-use-after-free"); })) << server.err();
}

/// Posts the requests of the case at the same moment, so long that they overlap where they can, on
/// connections that go on working.
std::vector<Answer> post_together(const CatalogueCase& fault, std::pair<TestClient, TestClient> clients) {
  auto& [first, second] = clients;
  const auto posts = fault.posts("increments=30000");
  first.send(posts.at(0));
  second.send(posts.at(1));
  std::vector<Answer> answers;
  for (auto* client : {&first, &second}) {
    answers.push_back(client->read_answer());
    EXPECT_EQ(client->get("/healthz").status, 200);
  }
  return answers;
}

void expect_no_losses(const std::vector<Answer>& answers) {
  for (const auto& answer : answers) EXPECT_EQ(answer.status, 200) << answer.body;
}

TEST_P(SharedStateFaultsTest, UpdatesWithoutALockAreLostWhereThreadsMeet) {
  if (GetParam().handlers_in_loop() && !GetParam().several_loops)
    GTEST_SKIP() << "one worker serves everyone";
  const CatalogueCase fault(GetParam(), "race", "sync=none");
  const ServerProcess server(fault.command());
  const auto answers = post_together(fault, two_clients(server, /*same_worker=*/GetParam().hands_over));
  if (GetParam().has_parent) {
    EXPECT_TRUE(fault.expects("nobody none"));
    return expect_no_losses(answers);
  }
  EXPECT_TRUE(fault.expects("request none"));
  const auto loser = std::ranges::find(answers, 500, &Answer::status);
  ASSERT_NE(loser, answers.end());
  EXPECT_TRUE(has(loser->body, "lost ") && has(loser->body, " of 60000 updates\n")) << loser->body;
  EXPECT_EQ(std::ranges::count(answers, 200, &Answer::status), 1) << "the last one counts for both";
}

TEST_P(SharedStateFaultsTest, UpdatesWithoutALockAreNotLostOnOneLoop) {
  if (!GetParam().handlers_in_loop() || GetParam().threads_share_clients())
    GTEST_SKIP() << "threads or processes run them";
  const CatalogueCase fault(GetParam(), "race", "sync=none");
  const ServerProcess server(fault.command());
  expect_no_losses(post_together(fault, two_clients(server, /*same_worker=*/true)));
  EXPECT_TRUE(fault.expects("nobody none"));
}

TEST_P(SharedStateFaultsTest, UpdatesUnderALockAreNotLost) {
  const CatalogueCase fault(GetParam(), "race", "sync=mutex");
  const ServerProcess server(fault.command());
  const bool same_worker = GetParam().loop() && !GetParam().several_loops;
  expect_no_losses(post_together(fault, two_clients(server, same_worker)));
  EXPECT_TRUE(fault.expects("nobody none"));
}

}  // namespace
}  // namespace quartet::suite
