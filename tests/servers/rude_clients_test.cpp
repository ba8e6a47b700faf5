// Clients that misbehave, and whom that harms: the others have a worker, or they come when none is left.
#include <gtest/gtest.h>

#include <csignal>
#include <optional>

#include "tests/servers/others.h"
#include "tests/servers/process_table.h"
#include "tests/servers/text.h"

namespace quartet::suite {
namespace {

using RudeClientsTest = ServerTest;
QUARTET_EVERY_CONFIGURATION(RudeClientsTest);

constexpr int kFreeWorkers = 2;                           ///< of a pool, beside those that others hold
constexpr int kSlow = Others::kConnected + kFreeWorkers;  ///< clients: as many as a pool has workers
constexpr std::size_t kUnread = 16'000'000;  ///< bytes: more than both kernels' buffers take, by far

/// Under a sanitizer 300 processes take more memory and time than a small machine has.
int flood_of(const Configuration& configuration) {
  return configuration.process_per_client() && !configuration.sanitizers.empty() ? 100 : 300;
}

/// While the rude clients are there. Where speed decides, everybody is answered in the end.
void expect_of(const CatalogueCase& fault, Others& others) {
  if (fault.expects("server starved")) return others.expect_newcomers_starve();
  EXPECT_TRUE(fault.expects("nobody none"));
  others.expect_served();
}

TEST_P(RudeClientsTest, AHeadThatNeverEndsHoldsWhatServesIt) {
  const CatalogueCase fault(GetParam(), "slow-headers");
  const ServerProcess server(Others::command(GetParam(), fault, kFreeWorkers));
  Others others(server, fault);
  auto slow = silent_clients(server, kSlow);
  for (auto& each : slow) each.send("GET /plaintext HTTP/1.1\r\nHost: te");
  for (int i = 0; i < 3; ++i) {
    expect_of(fault, others);
    for (auto& each : slow) each.send("s");
  }
  for (auto& each : slow) {
    EXPECT_EQ(each.exchange("t\r\n\r\n").status, 200) << "it was waited for";
    each.close();
  }
  others.expect_served();
}

TEST_P(RudeClientsTest, AnAnswerThatIsNotReadHoldsWhatSendsIt) {
  const CatalogueCase fault(GetParam(), "slow-readers");
  const ServerProcess server(Others::command(GetParam(), fault, kFreeWorkers));
  Others others(server, fault);
  std::vector<TestClient> slow;
  for (int i = 0; i < kSlow; ++i) {
    slow.emplace_back(server.endpoint(), /*receive_buffer=*/65536);
    slow.back().send(get("/bytes?n=" + std::to_string(kUnread)));
  }
  expect_of(fault, others);
  for (auto& each : slow) {
    EXPECT_EQ(each.read_answer().body.size(), kUnread) << "it was waited for";
    each.close();
  }
  others.expect_served();
}

TEST_P(RudeClientsTest, AFloodOfSilentClientsHoldsWhatWouldServeThem) {
  const CatalogueCase fault(GetParam(), "connection-flood");
  const ServerProcess server(Others::command(GetParam(), fault, kFreeWorkers));
  Others others(server, fault);
  auto silent = silent_clients(server, flood_of(GetParam()));
  expect_of(fault, others);
  for (auto& each : silent) EXPECT_TRUE(each.silent_for(0ms)) << "it was sent away";
  silent.clear();
  others.expect_served();
}

TEST_P(RudeClientsTest, AResetInTheMiddleOfAnAnswerHarmsNobody) {
  const CatalogueCase fault(GetParam(), "client-abort");
  ServerProcess server(Others::command(GetParam(), fault, kFreeWorkers));
  Others others(server, fault);
  for (int i = 0; i < 20; ++i) {
    TestClient leaving(server.endpoint(), /*receive_buffer=*/65536);
    leaving.send(get("/bytes?n=" + std::to_string(kUnread)));
    leaving.receive_until(1);
    // After a FIN the reset is EPIPE to the server, with SIGPIPE; else it is ECONNRESET (tcp_reset in Linux).
    if (i % 2 == 0) leaving.half_close();
    leaving.reset();
  }
  others.expect_served();
  EXPECT_TRUE(fault.expects("nobody none"));
  EXPECT_TRUE(eventually([&] { return port_queues(server.port()).connections == Others::kConnected; }));
  EXPECT_FALSE(has(server.err(), "was killed")) << server.err();
  EXPECT_TRUE(server.running());
}

TEST_P(RudeClientsTest, ARequestThatKillsIsRepeatedAndKillsNoOther) {
  const CatalogueCase fault(GetParam(), "poison");
  ServerProcess server(Others::command(GetParam(), fault, 1));
  const bool shared = GetParam().loops_in_processes();
  TestClient first(server);
  std::optional<TestClient> kept;  // of the worker that the faulty clients leave alone
  if (shared) kept = another_client(server, first, /*same_worker=*/false);
  Others others = shared ? Others(server, fault, first) : Others(server, fault);
  first.close();
  for (int attempt = 0; attempt < 5; ++attempt) {
    TestClient faulty = shared ? another_client(server, *kept, /*same_worker=*/false) : TestClient(server);
    faulty.send(fault.post());
    const auto rest = faulty.read_to_end();
    EXPECT_EQ(rest.bytes, "");
    EXPECT_NE(rest.end, End::none);
    if (fault.expects("server lost") && !shared) {  // of workers, chance decides
      EXPECT_EQ(server.wait_exit(), killed_by(SIGSEGV));
      return others.expect_the_end();
    }
    others.expect_served();  // of a pool's workers all but the one that takes its place are held
  }
  EXPECT_TRUE(fault.expects(shared ? "worker lost" : "connection none"));
  EXPECT_TRUE(eventually([&] { return count(server.err(), "was killed by signal 11") == 5; }))
      << server.err();
}

TEST_P(RudeClientsTest, MoreClientsThanDescriptorsHoldThoseWhoComeLater) {
  const CatalogueCase fault(GetParam(), "descriptor-limit");
  const ServerProcess server(Others::command(GetParam(), fault, kFreeWorkers));
  Others others(server, fault);
  auto silent = silent_clients(server, flood_of(GetParam()));
  const auto none_left = [&] { return has(server.err(), "accept: Too many open files"); };
  if (GetParam().loop()) {
    EXPECT_TRUE(eventually(none_left));
  }
  expect_of(fault, others);
  EXPECT_EQ(none_left(), GetParam().loop()) << "elsewhere no process has all the clients";
  silent.clear();
  others.expect_served();
}

}  // namespace
}  // namespace quartet::suite
