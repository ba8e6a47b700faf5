// The hot path allocates nothing, in the real server with its own loop around it.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "tests/servers/configuration.h"

namespace quartet::suite {
namespace {

/// A count that the processes of a server share with the test.
class AllocationCount {
 public:
  AllocationCount() : file_(::memfd_create("allocations", 0)) {
    if (::ftruncate(file_, sizeof(unsigned long)) != 0) throw std::runtime_error("no memory to share");
    count_ =
        static_cast<unsigned long*>(::mmap(nullptr, sizeof(unsigned long), PROT_READ, MAP_SHARED, file_, 0));
    if (count_ == MAP_FAILED) throw std::runtime_error("no memory to share");
  }
  ~AllocationCount() {
    ::munmap(count_, sizeof(unsigned long));
    ::close(file_);
  }
  AllocationCount(const AllocationCount&) = delete;
  AllocationCount& operator=(const AllocationCount&) = delete;

  std::string path() const { return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(file_); }
  unsigned long value() const { return *static_cast<const volatile unsigned long*>(count_); }

 private:
  int file_;
  unsigned long* count_;
};

/// Of any worker.
int fewest_requests(TestClient& client) {
  const auto workers = nlohmann::json::parse(client.get("/stats").body).at("workers");
  int fewest = std::numeric_limits<int>::max();
  for (const auto& worker : workers) fewest = std::min(fewest, worker.at("requests").get<int>());
  return fewest;
}

class AllocationsTest : public ServerTest {
 protected:
  void SetUp() override {
    if (!GetParam().sanitizers.empty()) GTEST_SKIP() << "a sanitizer has an allocator of its own";
  }
  ServerProcess start_counted() const {
    auto command = GetParam().command({"--max-requests-per-connection", "0"});
    command.environment.push_back("LD_PRELOAD=" QUARTET_COUNT_ALLOCATIONS);
    command.environment.push_back("COUNT_ALLOCATIONS_IN=" + count_.path());
    return ServerProcess(command);
  }

  /// A worker that answers for the first time fills its pool of buffers. Where all share the clients, each is
  /// to have answered, but for one to whom the kernel gives nothing.
  template <typename Requests>
  static void warm_up(TestClient& client, const Requests& make) {
    constexpr int kMostRounds = 50;
    for (int round = 0; round < kMostRounds; ++round) {
      make();
      if (!GetParam().threads_share_clients() || fewest_requests(client) >= 200) return;
    }
  }

  AllocationCount count_;
};
QUARTET_EVERY_CONFIGURATION(AllocationsTest);

void make_requests(TestClient& client, int count) {
  for (int i = 0; i < count; ++i) ASSERT_EQ(client.get("/plaintext").status, 200);
}

TEST_P(AllocationsTest, AKeepAliveGreetingAllocatesNothing) {
  if (GetParam().process_per_request) GTEST_SKIP() << "it forks for every request";
  const auto server = start_counted();
  TestClient client(server);
  warm_up(client, [&] { make_requests(client, 200); });
  const auto before = count_.value();
  EXPECT_GT(before, 0u) << "the library was not loaded";
  make_requests(client, 2'000);
  EXPECT_EQ(count_.value(), before);
}

TEST_P(AllocationsTest, APipelineOfGreetingsAllocatesNothing) {
  if (GetParam().process_per_request) GTEST_SKIP() << "it forks for every request";
  const auto server = start_counted();
  TestClient client(server);
  std::string pipeline;
  for (int i = 0; i < 32; ++i) pipeline += get("/plaintext");
  const auto make_pipelines = [&](int count) {
    for (int i = 0; i < count; ++i) {
      client.send(pipeline);
      for (int answer = 0; answer < 32; ++answer) ASSERT_EQ(client.read_answer().status, 200);
    }
  };
  warm_up(client, [&] { make_pipelines(20); });
  const auto before = count_.value();
  make_pipelines(100);
  EXPECT_EQ(count_.value(), before);
}

TEST_P(AllocationsTest, SomethingElseIsCounted) {
  const auto server = start_counted();
  TestClient client(server);
  make_requests(client, 10);
  const auto before = count_.value();
  client.get("/stats");
  EXPECT_GT(count_.value(), before);
}

}  // namespace
}  // namespace quartet::suite
