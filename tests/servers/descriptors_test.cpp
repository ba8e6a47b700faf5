// Out of descriptors: the server waits for one; it neither spins, nor dies, nor accepts only to close.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>

#include "tests/servers/configuration.h"
#include "tests/servers/process_table.h"
#include "tests/servers/text.h"

namespace quartet::suite {
namespace {

class DescriptorsTest : public ServerTest {
 protected:
  static constexpr int kDescriptors = 40;
  static constexpr int kClients = 100;

  ServerProcess start_with_few_descriptors() const {
    auto command = GetParam().command({"--header-timeout", "60s", "--keep-alive-timeout", "60s"});
    command.descriptors = kDescriptors;
    return ServerProcess(command);
  }
};
QUARTET_EVERY_CONFIGURATION(DescriptorsTest);

/// Who spins uses all of the time, always; who forks a process for each client is busy for a while.
bool comes_to_rest(const ServerProcess& server, TestClient& client) {
  return eventually([&] {
    const auto before = server.cpu_time();
    return client.silent_for(500ms) && server.cpu_time() - before < 150ms;
  });
}

TEST_P(DescriptorsTest, MoreClientsThanDescriptorsWaitInPeace) {
  auto server = start_with_few_descriptors();
  auto clients = silent_clients(server, kClients);
  EXPECT_TRUE(comes_to_rest(server, clients.front()));
  EXPECT_TRUE(
      std::all_of(clients.begin(), clients.end(), [](auto& client) { return client.silent_for(0ms); }));
  EXPECT_TRUE(server.running());
}

TEST_P(DescriptorsTest, TheyAreServedWhenTheOthersLeave) {
  const auto server = start_with_few_descriptors();
  auto clients = silent_clients(server, kClients);
  if (GetParam().loop()) {
    EXPECT_TRUE(
        eventually([&] { return port_queues(server.port()).unaccepted < kClients - kDescriptors / 2; }));
  }
  if (GetParam().loop() || GetParam().pool()) {  // a process for each client has descriptors of its own
    EXPECT_GT(port_queues(server.port()).unaccepted, 0u) << "the limit was not reached";
  }
  clients.erase(clients.begin(), clients.begin() + kClients / 2);
  for (auto& client : clients) client.send(get("/plaintext", {"Connection: close"}));
  for (auto& client : clients) EXPECT_EQ(client.read_answer().status, 200);
}

TEST_P(DescriptorsTest, TheClientsThatAreInAreServedAllTheWhile) {
  const auto server = start_with_few_descriptors();
  TestClient early(server);
  early.get("/plaintext");
  const auto crowd = silent_clients(server, kClients);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(early.get("/plaintext").status, 200);
}

TEST_P(DescriptorsTest, ADrainEndsAllTheSame) {
  auto server = start_with_few_descriptors();
  const auto crowd = silent_clients(server, kClients);
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait_exit(), exited(0));
  if (GetParam().process_per_client()) return;  // its parent has no clients
  EXPECT_TRUE(has(server.err(), "accept: Too many open files; clients left in the queue: ")) << server.err();
}

}  // namespace
}  // namespace quartet::suite
