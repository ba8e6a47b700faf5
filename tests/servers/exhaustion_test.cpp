// No process to be had: a server says so once, goes on with what it has, and still ends when it is told to.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <stdexcept>

#include "tests/servers/configuration.h"
#include "tests/servers/process_table.h"
#include "tests/servers/text.h"

namespace quartet::suite {
namespace {

/// How many more processes a server may fork: shared with it, and changed under its feet.
class ForksLeft {
 public:
  explicit ForksLeft(int count) : file_(::memfd_create("forks", 0)) {
    if (::ftruncate(file_, sizeof(int)) != 0) throw std::runtime_error("no memory to share");
    void* memory = ::mmap(nullptr, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0);
    if (memory == MAP_FAILED) throw std::runtime_error("no memory to share");
    count_ = static_cast<std::atomic<int>*>(memory);
    *count_ = count;
  }
  ~ForksLeft() {
    ::munmap(count_, sizeof(int));
    ::close(file_);
  }
  ForksLeft(const ForksLeft&) = delete;
  ForksLeft& operator=(const ForksLeft&) = delete;

  void set(int count) { *count_ = count; }
  Command bound(Command command) const {
    command.environment.push_back("LD_PRELOAD=" QUARTET_FAILING_FORK);
    command.environment.push_back("FORKS_LEFT_IN=/proc/" + std::to_string(::getpid()) + "/fd/" +
                                  std::to_string(file_));
    return command;
  }

 private:
  int file_;
  std::atomic<int>* count_;
};

class ExhaustionTest : public ServerTest {
 protected:
  void SetUp() override {
    if (!GetParam().sanitizers.empty())
      GTEST_SKIP() << "a sanitizer's library must be the first that is loaded";
  }
  /// Under a parent, as only parents fork.
  Command command(std::vector<std::string> options = {}) const {
    if (!GetParam().has_parent) options.emplace_back("--supervise");
    return GetParam().command(options);
  }
  bool per_client() const { return GetParam().process_per_client(); }
};
QUARTET_EVERY_CONFIGURATION(ExhaustionTest);

bool complains(const ServerProcess& server) {
  return eventually([&] { return count(server.err(), "fork: Resource temporarily unavailable") > 0; });
}

/// The only one, for good: until it is reaped it could still accept somebody.
void lose_the_worker(const ServerProcess& server) {
  kill(server.children().at(0), SIGKILL);
  EXPECT_TRUE(complains(server));
}

TEST_P(ExhaustionTest, AServerThatGetsNoWorkerAtAllDoesNotStart) {
  if (per_client()) GTEST_SKIP() << "it needs none to start";
  const ForksLeft forks(0);
  const auto ended = run(forks.bound(command()));
  EXPECT_EQ(ended.ending, exited(1));
  EXPECT_EQ(ended.out, "");
  EXPECT_EQ(ended.err, GetParam().executable + ": fork: Resource temporarily unavailable\n");
}

TEST_P(ExhaustionTest, APoolServesWithTheWorkersThatItGets) {
  if (!GetParam().worker_processes()) GTEST_SKIP() << "no pool of processes";
  ForksLeft forks(3);
  auto server = ServerProcess(forks.bound(command({"--workers", "8"})));
  EXPECT_EQ(TestClient(server).get("/plaintext").status, 200);
  EXPECT_TRUE(complains(server));
  EXPECT_EQ(server.children().size(), 3u);
  forks.set(100);
  EXPECT_TRUE(eventually([&] { return server.children().size() == 8; }));
  EXPECT_EQ(count(server.err(), "fork:"), 1u) << server.err();
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait_exit(), exited(0));
}

TEST_P(ExhaustionTest, ADeadWorkerIsReplacedAsSoonAsAProcessIsToBeHad) {
  if (per_client()) GTEST_SKIP() << "nobody is replaced";
  ForksLeft forks(1);
  const auto server = ServerProcess(forks.bound(command({"--workers", "1"})));
  kill(server.children().at(0), SIGKILL);
  EXPECT_TRUE(complains(server));
  forks.set(100);
  EXPECT_EQ(TestClient(server).get("/plaintext").status, 200);
  EXPECT_EQ(count(server.err(), "fork:"), 1u) << server.err();
}

TEST_P(ExhaustionTest, AClientWithoutAProcessWaitsForOne) {
  if (!per_client()) GTEST_SKIP() << "clients have no process of their own";
  ForksLeft forks(0);
  const auto server = ServerProcess(forks.bound(command()));
  TestClient client(server);
  client.send(get("/plaintext"));
  EXPECT_TRUE(complains(server));
  forks.set(100);
  EXPECT_EQ(client.read_answer().status, 200);
  EXPECT_EQ(count(server.err(), "fork:"), 1u) << server.err();
}

TEST_P(ExhaustionTest, ARequestWithoutAProcessIsAnswered503) {
  if (!GetParam().process_per_request) GTEST_SKIP() << "requests have no process of their own";
  ForksLeft forks(0);
  const auto server = ServerProcess(forks.bound(command()));
  for (int i = 0; i < 3; ++i) {
    forks.set(1);  // the connection's
    const auto answer = TestClient(server).get("/plaintext");
    EXPECT_EQ(answer.status, 503);
    EXPECT_TRUE(answer.closes());
  }
  forks.set(100);
  EXPECT_EQ(TestClient(server).get("/plaintext").status, 200);
  EXPECT_EQ(count(server.err(), "fork:"), 1u) << server.err();
  EXPECT_EQ(count(server.err(), "worker"), 0u) << server.err();
}

TEST_P(ExhaustionTest, ADrainEndsAtItsTimeoutThoughNobodyCanBeForked) {
  ForksLeft forks(per_client() ? 0 : 1);
  auto server = ServerProcess(forks.bound(command({"--workers", "1", "--drain-timeout", "300ms"})));
  if (!per_client()) lose_the_worker(server);
  TestClient client(server);
  client.send(get("/plaintext"));
  EXPECT_TRUE(complains(server));
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait_exit(), exited(3));
  EXPECT_NE(server.err().find("drain timeout: 1 connection cut\n"), std::string::npos);
  EXPECT_EQ(count(server.err(), "fork:"), 1u) << server.err();
}

TEST_P(ExhaustionTest, ADrainWithoutALimitEndsAtASecondSignalThoughNobodyCanBeForked) {
  ForksLeft forks(per_client() ? 0 : 1);
  auto server = ServerProcess(forks.bound(command({"--workers", "1", "--drain-timeout", "0"})));
  if (!per_client()) lose_the_worker(server);
  TestClient client(server);
  client.send(get("/plaintext"));
  EXPECT_TRUE(complains(server));
  insist(server, SIGTERM);
  EXPECT_EQ(server.wait_exit(), exited(3));
}

}  // namespace
}  // namespace quartet::suite
