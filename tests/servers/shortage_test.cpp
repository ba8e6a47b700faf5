// What runs short: threads, memory, descriptors, room for files. A server that cannot start says so and ends;
// one that runs goes on, without the client, or the counters, that it has no room for.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "tests/servers/configuration.h"
#include "tests/servers/small_disk.h"
#include "tests/servers/text.h"

namespace quartet::suite {
namespace {

namespace fs = std::filesystem;

/// One sentence, and status 1.
void expect_start_up_error(const Finished& result, const std::vector<std::string>& words) {
  EXPECT_EQ(result.ending, exited(1));
  EXPECT_EQ(result.out, "");
  for (const auto& word : words) EXPECT_TRUE(has(result.err, word)) << word << " in: " << result.err;
  EXPECT_EQ(count(result.err, "\n"), 1u) << result.err;
}

/// No process of the server may have more address space than it has now, and a bit.
void freeze_memory(const ServerProcess& server) {
  for (const pid_t process : server.processes()) {
    std::size_t pages = 0;
    std::ifstream("/proc/" + std::to_string(process) + "/statm") >> pages;
    const rlim_t bytes = pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) + (4U << 20);
    const rlimit limit{.rlim_cur = bytes, .rlim_max = bytes};
    EXPECT_EQ(::prlimit(process, RLIMIT_AS, &limit, nullptr), 0);
  }
}

using ShortageTest = ServerTest;
QUARTET_EVERY_CONFIGURATION(ShortageTest);

constexpr const char* kFewThreads = "ulimit -v 300000";  // KiB; a thread asks for 8 MiB of them

TEST_P(ShortageTest, AThreadThatCannotBeHadIsAStartUpError) {
  if (!GetParam().starts_threads()) GTEST_SKIP() << "no threads";
  if (!GetParam().sanitizers.empty()) GTEST_SKIP() << "a sanitizer needs more address space";
  expect_start_up_error(run(after(kFewThreads, GetParam().command({"--workers", "500"}))),
                        {"thread ", " of 500: Resource temporarily unavailable", "--workers"});
}

TEST_P(ShortageTest, UnderASupervisorItIsOneAsWell) {
  if (!GetParam().starts_threads()) GTEST_SKIP() << "no threads";
  if (!GetParam().sanitizers.empty()) GTEST_SKIP() << "a sanitizer needs more address space";
  ChildProcess server(after(kFewThreads, GetParam().command({"--workers", "500", "--supervise"})));
  EXPECT_EQ(server.wait_exit(60s), exited(1));
  EXPECT_EQ(count(server.err(), " of 500: Resource temporarily unavailable"), 1u) << server.err();
  EXPECT_EQ(server.out(), "");
}

TEST_P(ShortageTest, ADrainWithoutThreadsServesWhoWaitsInTurn) {
  if (!GetParam().thread_pool()) GTEST_SKIP() << "starts no threads in a drain";
  if (!GetParam().sanitizers.empty()) GTEST_SKIP() << "a sanitizer needs more address space";
  auto server = start({"--workers", "1"});
  std::vector<TestClient> clients;
  for (int i = 0; i < 4; ++i) clients.emplace_back(server).send(get("/sleep?ms=300"));
  freeze_memory(server);
  server.signal(SIGTERM);
  for (auto& client : clients) {
    EXPECT_EQ(client.read_answer().status, 200);
    client.close();
  }
  EXPECT_EQ(server.wait_exit(), exited(0));
  EXPECT_EQ(
      count(server.err(), "Resource temporarily unavailable; the other threads serve the clients that wait"),
      1u)
      << server.err();
}

TEST_P(ShortageTest, ABodyThatFindsNoMemoryCostsOneClient) {
  if (!GetParam().sanitizers.empty()) GTEST_SKIP() << "a sanitizer needs more address space";
  auto server = start({"--max-body", "0"});
  TestClient other(server);
  EXPECT_EQ(other.get("/plaintext").status, 200);
  freeze_memory(server);
  TestClient greedy(server);
  const std::string part(1 << 20, 'b');
  greedy.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 268435456\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return !greedy.offer(part) || greedy.readable(0ms); }));
  EXPECT_FALSE(has(greedy.read_to_end().bytes, " 200 "));
  EXPECT_EQ(other.get("/plaintext").status, 200);
  EXPECT_EQ(TestClient(server).get("/plaintext").status, 200);
  EXPECT_TRUE(server.running());
}

TEST_P(ShortageTest, EveryNumberOfDescriptorsIsEnoughOrNamed) {
  auto command = GetParam().command();
  bool started = false;
  for (rlim_t descriptors = 4; !started; ++descriptors) {
    ASSERT_LT(descriptors, 40u);
    SCOPED_TRACE(descriptors);
    command.descriptors = descriptors;
    ChildProcess server(command);
    ASSERT_TRUE(eventually([&] { return server.out().ends_with('\n') || !server.running(); }));
    started = server.running();
    if (started) break;
    const auto ending = server.wait_exit();
    if (ending == exited(127)) continue;  // a test runner's own take the place of what the loader needs
    expect_start_up_error({ending, server.out(), server.err()},
                          {"Too many open files; raise ulimit -n, which is " + std::to_string(descriptors)});
  }
  EXPECT_EQ(TestClient(ServerProcess(command)).get("/plaintext").status, 200);
}

TEST_P(ShortageTest, ManyWorkersWithFewDescriptorsAreAStartUpError) {
  if (!GetParam().handlers_in_loop() || !GetParam().starts_threads() || GetParam().work_stealing)
    GTEST_SKIP() << "a worker has no descriptors of its own";
  auto command = GetParam().command({"--workers", "500"});
  command.descriptors = 300;
  expect_start_up_error(run(command), {"Too many open files; raise ulimit -n, which is 300"});
}

TEST_P(ShortageTest, AFileSizeLimitIsReported) {
  const auto file = testing::TempDir() + "limited." + std::to_string(::getpid());
  expect_start_up_error(run(after("ulimit -f 8", GetParam().command({"--scoreboard", file}))),
                        {"scoreboard " + file + ": File too large"});
  EXPECT_FALSE(fs::exists(file));
  const ServerProcess server(after("ulimit -f 8", GetParam().command()));
  EXPECT_EQ(TestClient(server).get("/plaintext").status, 200);
  EXPECT_TRUE(has(server.err(), ": File too large; only /stats will show the counters\n")) << server.err();
}

// --- the scoreboard

constexpr int kMany = 100;  // more than the slots that a file begins with

TEST_P(ShortageTest, AFullDiskHidesWorkersAndHarmsNone) {
  const SmallDisk disk(48 << 10);
  if (!disk.trouble().empty()) GTEST_SKIP() << disk.trouble();
  const auto file = disk.file("board");
  auto server = start_with_workers(kMany, {"--scoreboard", file});
  std::ofstream(disk.file("filler")) << std::string(64 << 10, 'x');  // as much as fits
  std::vector<TestClient> clients;
  for (int i = 0; i < kMany; ++i) EXPECT_EQ(clients.emplace_back(server).get("/plaintext").status, 200);
  const bool many_slots = !GetParam().loop();
  EXPECT_EQ(count(server.err(),
                  "scoreboard " + file + ": No space left on device; further workers are not shown\n"),
            many_slots ? 1u : 0u)
      << server.err();
  const auto picture = run(server_command("quartet-top", {"--once", file}));
  EXPECT_EQ(picture.ending, exited(0)) << picture.err;
  EXPECT_EQ(has(picture.out, "Not all workers are shown"), many_slots) << picture.out;
  clients.clear();
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait_exit(), exited(0));
}

TEST_P(ShortageTest, ADiskThatIsFullAtTheStartIsAStartUpError) {
  const SmallDisk disk(16 << 10);
  if (!disk.trouble().empty()) GTEST_SKIP() << disk.trouble();
  const auto file = disk.file("board");
  expect_start_up_error(run(GetParam().command({"--scoreboard", file})),
                        {"scoreboard " + file + ": No space left on device"});
  EXPECT_FALSE(fs::exists(file));
}

TEST_P(ShortageTest, TheScoreboardOfALivingServerIsNotTaken) {
  const auto file = testing::TempDir() + "taken." + std::to_string(::getpid());
  auto server = start({"--scoreboard", file});
  expect_start_up_error(run(GetParam().command({"--scoreboard", file})),
                        {"scoreboard " + file + ": is in use by process " + std::to_string(server.pid())});
  EXPECT_TRUE(fs::exists(file));
  server.signal(SIGKILL);
  server.wait_exit();
  EXPECT_EQ(TestClient(start({"--scoreboard", file})).get("/plaintext").status, 200)
      << "that of a dead one is";
  fs::remove(file);
}

TEST_P(ShortageTest, OnePortOnTwoAddressesIsTwoScoreboards) {
  const auto first = start();
  const auto port = std::to_string(first.port());
  for (const std::string address : {"127.0.0.2", "[::1]"}) {
    auto command = GetParam().command();
    command.arguments[1] = address + ":" + port;
    ServerProcess second(command);
    const auto host = second.endpoint().host;
    EXPECT_TRUE(fs::exists("/dev/shm/quartet-" + port));
    EXPECT_TRUE(fs::exists("/dev/shm/quartet-" + port + "-" + host));
    second.signal(SIGTERM);
    EXPECT_EQ(second.wait_exit(), exited(0));
    EXPECT_FALSE(fs::exists("/dev/shm/quartet-" + port + "-" + host));
  }
  const auto picture = run(server_command("quartet-top", {"--once", "/dev/shm/quartet-" + port}));
  EXPECT_TRUE(has(picture.out, "127.0.0.1:" + port)) << picture.out << picture.err;
}

}  // namespace
}  // namespace quartet::suite
