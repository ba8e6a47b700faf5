// Thousands of malformed or truncated requests, many at a time: every one comes to an end, and the server
// stays healthy.
#include <gtest/gtest.h>

#include <csignal>

#include "tests/http/mutator.h"
#include "tests/servers/configuration.h"
#include "tests/servers/exchanges.h"
#include "tests/servers/process_table.h"

namespace quartet::suite {
namespace {

constexpr std::size_t kAtOnce = 250;
constexpr std::uint64_t kSeed = 20260729;

std::vector<std::string> originals() {
  std::vector<std::string> list;
  for (const auto& exchange : parser_corpus()) list.push_back(exchange.bytes);
  return list;
}

using MalformedTest = ServerTest;
QUARTET_EVERY_CONFIGURATION(MalformedTest);

/// A process for each takes milliseconds, ten with a sanitizer's memory, and leaves nothing behind that could
/// add up.
std::size_t number_of_requests(const Configuration& configuration) {
  if (!configuration.process_per_client()) return 10'000;
  return configuration.sanitizers.empty() ? 2'000 : 1'000;
}

void expect_an_end_of_each(const ServerProcess& server, const std::vector<std::string>& requests) {
  std::vector<TestClient> clients;
  for (const auto& bytes : requests) {
    auto& client = clients.emplace_back(server);
    client.offer(bytes);
    client.half_close();
  }
  for (std::size_t i = 0; i < clients.size(); ++i) {
    ASSERT_NE(clients[i].read_to_end().end, End::none) << testing::PrintToString(requests[i]);
  }
}

TEST_P(MalformedTest, ThousandsOfRequestsLeaveTheServerHealthy) {
  auto server = start();
  test::Mutator mutator(originals(), kSeed);
  const std::size_t requests = number_of_requests(GetParam());
  for (std::size_t done = 0; done < requests && !HasFatalFailure(); done += kAtOnce) {
    std::vector<std::string> batch;
    std::generate_n(std::back_inserter(batch), kAtOnce, [&] { return mutator.next(); });
    expect_an_end_of_each(server, batch);
  }
  EXPECT_EQ(TestClient(server).get("/healthz").status, 200);
  EXPECT_TRUE(eventually([&] { return port_queues(server.port()).connections == 0; }));
  EXPECT_EQ(server.err().find("worker"), std::string::npos) << "a worker has died";
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait_exit(), exited(0));
}

TEST_P(MalformedTest, ClientsThatResetTheConnectionLeaveTheServerHealthy) {
  auto server = start();
  test::Mutator mutator(originals(), kSeed + 1);
  for (int i = 0; i < 1'000; ++i) {
    TestClient client(server);
    client.offer(mutator.next());
    client.reset();
    if (i % 100 < 99) continue;  // the server shall not be left too far behind
    EXPECT_EQ(TestClient(server).get("/healthz").status, 200);
  }
  EXPECT_TRUE(eventually([&] { return port_queues(server.port()).connections == 0; }));
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait_exit(), exited(0));
}

}  // namespace
}  // namespace quartet::suite
