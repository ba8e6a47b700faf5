// Damage in memory: who shares it with the faulty request gets wrong bytes, and nobody else does.
#include <gtest/gtest.h>

#include "tests/servers/catalogue_case.h"
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
  const auto server = start({"--enable-faults"});
  TestClient client(server);
  const auto text = cached(client);
  EXPECT_EQ(text.size(), 1024u);
  EXPECT_TRUE(text.starts_with("line 1 of 16, made once for all requests ")) << text;
  EXPECT_EQ(count(text, "\n"), 16u);
  EXPECT_EQ(cached(client), text);
  EXPECT_EQ(cached_by_newcomer(server), text);
}

TEST_P(SharedStateFaultsTest, DamageReachesThoseWhoShareTheMemory) {
  for (const auto* id : kDamage) {
    const CatalogueCase fault(GetParam(), id);
    if (!fault.sanitizer().empty()) continue;
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
    if (!fault.sanitizer().empty()) continue;
    SCOPED_TRACE(id);
    const ServerProcess server(fault.command(GetParam().pool() ? std::vector<std::string>{"--workers", "1"}
                                                               : std::vector<std::string>{}));
    TestClient faulty(server);
    const auto right = cached(faulty);
    EXPECT_EQ(faulty.exchange(fault.post()).status, 200);
    EXPECT_EQ(cached(faulty) != right, !GetParam().process_per_request);
    faulty.close();
    EXPECT_EQ(cached_by_newcomer(server) != right, !GetParam().process_per_client());
  }
}

TEST_P(SharedStateFaultsTest, AddressSanitizerEndsTheProcessThatUsesFreedMemory) {
  if (!has(GetParam().sanitizers, "address")) GTEST_SKIP() << "nobody watches the heap";
  const CatalogueCase fault(GetParam(), "use-after-free");
  ServerProcess server(fault.command());
  TestClient other(server), faulty(server);
  const auto right = cached(other);
  faulty.send(fault.post());
  EXPECT_EQ(faulty.read_to_end().bytes, "");
  EXPECT_TRUE(eventually([&] { return has(server.err(), "heap-use-after-free"); })) << server.err();
  if (GetParam().has_parent) {
    EXPECT_EQ(cached(other), right);
  } else {
    EXPECT_EQ(server.wait_exit(), exited(1));
  }
}

/// So long that the bursts of two requests overlap where they can.
constexpr const char* kLong = "increments=20000";

/// Posts the requests of the case at the same moment, each on a connection of its own that goes on working.
std::vector<Answer> post_together(const ServerProcess& server, const CatalogueCase& fault) {
  std::vector<TestClient> clients;
  std::vector<Answer> answers;
  const auto posts = fault.posts(kLong);
  for (std::size_t i = 0; i < posts.size(); ++i)
    EXPECT_EQ(clients.emplace_back(server).get("/healthz").status, 200);
  for (std::size_t i = 0; i < posts.size(); ++i) clients[i].send(posts[i]);
  for (auto& client : clients) {
    answers.push_back(client.read_answer());
    EXPECT_EQ(client.get("/healthz").status, 200);
  }
  return answers;
}

TEST_P(SharedStateFaultsTest, UpdatesWithoutALockAreLostWhereThreadsMeet) {
  const CatalogueCase fault(GetParam(), "race", "sync=none");
  const ServerProcess server(fault.command());
  int losers = 0;
  for (const auto& answer : post_together(server, fault)) {
    if (answer.status == 200) continue;
    ++losers;
    EXPECT_EQ(answer.status, 500);
    EXPECT_TRUE(has(answer.body, "lost ") && has(answer.body, " of 40000 updates\n")) << answer.body;
  }
  EXPECT_LE(losers, 1) << "the last one counts for both";
  EXPECT_TRUE(fault.expects(losers > 0 ? "request none" : "nobody none"));
}

TEST_P(SharedStateFaultsTest, UpdatesUnderALockAreNotLost) {
  const CatalogueCase fault(GetParam(), "race", "sync=mutex");
  const ServerProcess server(fault.command());
  for (const auto& answer : post_together(server, fault)) EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_TRUE(fault.expects("nobody none"));
}

}  // namespace
}  // namespace quartet::suite
