// A request that takes all of something: who needs more of it goes without, and only they.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "tests/servers/others.h"
#include "tests/servers/process_table.h"
#include "tests/servers/text.h"

namespace quartet::suite {
namespace {

using ExhaustionFaultsTest = ServerTest;
QUARTET_EVERY_CONFIGURATION(ExhaustionFaultsTest);

/// Of a directory of proc(5); nothing when the process has ended.
std::optional<std::ptrdiff_t> entries(pid_t pid, const std::string& directory) {
  std::error_code error;
  const std::filesystem::directory_iterator all("/proc/" + std::to_string(pid) + "/" + directory, error);
  if (error) return std::nullopt;
  return std::distance(begin(all), end(all));
}

pid_t process_of(TestClient& client) {
  return nlohmann::json::parse(client.get("/whoami").body).at("pid").get<pid_t>();
}

/// A figure of proc(5), status, in bytes.
std::size_t address_space(pid_t pid, const std::string& name) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  std::string word;
  while (status >> word && word != name) {
  }
  std::size_t kibibytes = 0;
  status >> kibibytes;
  return kibibytes << 10;
}

/// More than a request that needs little takes, and less than is worth taking.
constexpr std::size_t kNearlyNone = 128U << 20;

/// Everyone but the faulty client: one who is connected already, and newcomers.
void expect_others_served(const ServerProcess& server, TestClient& other) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(other.get("/plaintext").status, 200);
    EXPECT_EQ(TestClient(server).get("/plaintext").status, 200);
  }
}

TEST_P(ExhaustionFaultsTest, NoMemoryIsA500AndGivenBack) {
  const CatalogueCase fault(GetParam(), "bad-alloc");
  if (!fault.sanitizer().empty()) GTEST_SKIP() << fault.sanitizer();
  auto command = fault.command();
  command.environment.emplace_back("MALLOC_ARENA_MAX=1");  // or each thread reserves 64 MiB for its own
  const ServerProcess server(command);
  TestClient other(server), faulty(server);
  EXPECT_EQ(other.get("/plaintext").status, 200);
  const auto before = address_space(process_of(faulty), "VmSize:");
  for (int i = 0; i < 3; ++i) {
    const auto answer = faulty.exchange(fault.post());
    EXPECT_EQ(answer.status, 500);
    EXPECT_TRUE(has(answer.body, "std::bad_alloc")) << answer.body;
    expect_others_served(server, other);
  }
  EXPECT_TRUE(fault.expects("request none"));
  if (GetParam().process_per_request) return;  // the process is gone
  const pid_t process = process_of(faulty);
  EXPECT_GT(address_space(process, "VmPeak:"), *command.address_space - kNearlyNone);
  EXPECT_LT(address_space(process, "VmSize:"), before + kNearlyNone) << "it was given back";
}

TEST_P(ExhaustionFaultsTest, WithoutALimitItIsRefused) {
  auto command = GetParam().command({"--enable-faults"});
  command.descriptors = 5'000;
  const ServerProcess server(command);
  TestClient client(server);
  const auto memory = client.exchange(request("POST", "/fault/bad-alloc"));
  EXPECT_EQ(memory.status, 400);
  EXPECT_TRUE(has(memory.body, "start the server with ulimit -v")) << memory.body;
  const auto descriptors = client.exchange(request("POST", "/fault/fd-leak"));
  EXPECT_EQ(descriptors.status, 400);
  EXPECT_TRUE(has(descriptors.body, "start the server with ulimit -n")) << descriptors.body;
  EXPECT_EQ(TestClient(server).get("/plaintext").status, 200);
}

TEST_P(ExhaustionFaultsTest, WithoutDescriptorsTheProcessAcceptsNobody) {
  const CatalogueCase fault(GetParam(), "fd-leak");
  const ServerProcess server(fault.command());
  TestClient other(server), faulty(server);
  EXPECT_EQ(other.get("/plaintext").status, 200);
  const auto answer = faulty.exchange(fault.post());
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(has(answer.body, " descriptors; then: Too many open files\n")) << answer.body;
  // accept(2) takes a descriptor before it waits, so that one newcomer may get in.
  TestClient lucky(server), newcomer(server);
  lucky.send(get("/plaintext"));
  newcomer.send(get("/plaintext"));
  if (fault.expects("server starved")) {
    EXPECT_TRUE(newcomer.silent_for(kWatch));
    EXPECT_EQ(other.get("/plaintext").status, 200) << "it is connected already";
  } else {
    EXPECT_TRUE(fault.expects("nobody none"));
    EXPECT_EQ(newcomer.read_answer().status, 200);
    expect_others_served(server, other);
  }
}

TEST_P(ExhaustionFaultsTest, ADescriptorThatIsGivenBackIsLeakedAsWell) {
  if (GetParam().has_parent) GTEST_SKIP() << "others accept";
  const CatalogueCase fault(GetParam(), "fd-leak");
  const ServerProcess server(fault.command());
  TestClient first(server), second(server), faulty(server);
  for (auto* leaving : {&first, &second}) EXPECT_EQ(leaving->get("/plaintext").status, 200);
  EXPECT_EQ(faulty.exchange(fault.post()).status, 200);
  for (auto* leaving : {&first, &second}) leaving->close();
  EXPECT_TRUE(eventually([&] { return port_queues(server.port()).connections == 1; }));
  TestClient lucky(server),
      newcomer(server);  // as many as have left; for one accept(2) may have a descriptor
  lucky.send(get("/plaintext"));
  newcomer.send(get("/plaintext"));
  EXPECT_TRUE(newcomer.silent_for(kWatch));
}

TEST_P(ExhaustionFaultsTest, AServerWithoutDescriptorsSaysSoToWhoNeedsOneAndDrains) {
  const CatalogueCase fault(GetParam(), "fd-leak");
  auto command = fault.command({"--root", testing::TempDir()});
  command.environment.emplace_back("LSAN_OPTIONS=detect_leaks=0");  // at its end it opens files of /proc
  ServerProcess server(command);
  TestClient other(server), faulty(server);
  EXPECT_EQ(other.get("/plaintext").status, 200);
  EXPECT_EQ(faulty.exchange(fault.post()).status, 200);
  const bool is_harmed = !GetParam().process_per_request;  // the process is gone
  EXPECT_EQ(has(faulty.exchange(fault.post()).body, "opened 0 descriptors; "), is_harmed);
  EXPECT_EQ(faulty.get("/file/anything").status, is_harmed ? 503 : 404);
  EXPECT_EQ(other.get("/plaintext").status, 200);
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait_exit(), exited(0));
}

TEST_P(ExhaustionFaultsTest, LeakedThreadsTakeAllAddressSpaceAndHarmNobody) {
  const CatalogueCase fault(GetParam(), "thread-leak");
  if (!fault.sanitizer().empty()) GTEST_SKIP() << fault.sanitizer();
  const ServerProcess server(fault.command());
  TestClient other(server), faulty(server);
  EXPECT_EQ(other.get("/plaintext").status, 200);
  const auto answer = faulty.exchange(fault.post());
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(has(answer.body, " threads; then: Resource temporarily unavailable\n")) << answer.body;
  EXPECT_FALSE(has(answer.body, "started 0 ")) << answer.body;
  expect_others_served(server, other);
  EXPECT_TRUE(fault.expects("nobody none"));
}

TEST_P(ExhaustionFaultsTest, LeakedThreadsLiveAsLongAsTheirProcess) {
  if (GetParam().process_per_request) GTEST_SKIP() << "nobody can look at a process that has ended";
  const auto server = start_with_faults();
  TestClient faulty(server);
  const auto before = entries(process_of(faulty), "task");
  EXPECT_EQ(faulty.exchange(request("POST", "/fault/thread-leak?most=20")).body,
            "started 20 threads, as many as it may\n");
  EXPECT_EQ(entries(process_of(faulty), "task"), before.value() + 20);
}

/// The processes that have nothing open, which no process of a server is without.
std::size_t bombs(const ServerProcess& server) {
  const auto all = server.processes();
  return static_cast<std::size_t>(
      std::ranges::count_if(all, [](pid_t pid) { return entries(pid, "fd") == 0; }));
}

TEST_P(ExhaustionFaultsTest, ForkedProcessesHarmNobodyBelowTheLimit) {
  const CatalogueCase fault(GetParam(), "fork-bomb-bounded");
  const ServerProcess server(fault.command());
  TestClient other(server), faulty(server);
  EXPECT_EQ(other.get("/plaintext").status, 200);
  EXPECT_EQ(faulty.exchange(fault.post()).body, "forked 64 processes, as many as it may\n");
  expect_others_served(server, other);
  EXPECT_TRUE(fault.expects("nobody none"));
  other.send(get("/plaintext", {"Connection: close"}));
  EXPECT_EQ(other.read_to_end().end, End::eof) << "they keep no connection open";
}

TEST_P(ExhaustionFaultsTest, ForkedProcessesEndWithTheOneThatForkedThem) {
  const auto server = start_with_faults();
  TestClient faulty(server);
  EXPECT_EQ(faulty.exchange(request("POST", "/fault/fork-bomb-bounded?most=8")).status, 200);
  if (GetParam().process_per_request) {
    EXPECT_TRUE(eventually([&] { return bombs(server) == 0; }));
  } else {
    EXPECT_EQ(bombs(server), 8u);
  }
  faulty.close();
  if (!GetParam().process_per_client()) return;
  EXPECT_TRUE(eventually([&] { return bombs(server) == 0; }));
}

TEST_P(ExhaustionFaultsTest, ForkedProcessesEndWithTheServer) {
  for (const int signal : {SIGTERM, SIGKILL}) {
    SCOPED_TRACE(signal);
    auto server = start_with_faults();
    TestClient faulty(server);
    EXPECT_EQ(faulty.exchange(request("POST", "/fault/fork-bomb-bounded?most=8")).status, 200);
    faulty.close();
    server.signal(signal);
    EXPECT_EQ(server.wait_exit(), signal == SIGTERM ? exited(0) : killed_by(SIGKILL));
    EXPECT_TRUE(eventually([&] { return server.processes().empty(); }));
  }
}

}  // namespace
}  // namespace quartet::suite
