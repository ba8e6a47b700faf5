// Who restarts a worker that died, how long clients wait for it, and what the scoreboard tells about it.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "common/scoreboard/scoreboard.h"
#include "tests/servers/configuration.h"
#include "tests/servers/process_table.h"
#include "tests/servers/text.h"

namespace quartet::suite {
namespace {

using json = nlohmann::json;

std::string default_scoreboard(const ServerProcess& server) {
  return "/dev/shm/quartet-" + std::to_string(server.port());
}

bool exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

/// The server crashes if the model lets it. Reads to the end of the connection.
void crash(const ServerProcess& server, const char* fault = "/fault/segv") {
  TestClient faulty(server);
  faulty.send(request("POST", fault));
  faulty.read_to_end();
}

class SupervisionTest : public ServerTest {
 protected:
  void TearDown() override { unlink(board_.c_str()); }

  /// A scoreboard that no other server removes.
  const std::string board_ = testing::TempDir() + "board." + std::to_string(getpid());

  /// Under a parent that restarts it: the fork server has one anyway.
  std::vector<std::string> supervised(std::vector<std::string> options = {}) const {
    if (!GetParam().has_parent) options.emplace_back("--supervise");
    options.emplace_back("--enable-faults");
    return options;
  }
  bool per_client() const { return GetParam().process_per_client(); }
};
QUARTET_EVERY_CONFIGURATION(SupervisionTest);

TEST_P(SupervisionTest, NobodyIsRefusedThroughFiveCrashes) {
  const auto server = start(supervised());
  for (int i = 0; i < 5; ++i) {
    std::vector<TestClient> waiting;
    for (int k = 0; k < 4; ++k) waiting.emplace_back(server);  // throws when it is refused
    crash(server);
    for (int k = 0; k < 4; ++k) EXPECT_EQ(TestClient(server).get("/plaintext").status, 200);
  }
  EXPECT_TRUE(eventually([&] {
    return count(server.err(), "was killed by signal 11 (Segmentation fault) during POST /fault/segv") == 5;
  }));
}

TEST_P(SupervisionTest, ADrainLosesNothing) {
  auto server = start_with_workers(8, supervised());
  std::vector<TestClient> clients;
  for (int i = 0; i < 8; ++i) clients.emplace_back(server).send(get("/sleep?ms=300"));
  server.await_taken();
  server.signal(SIGTERM);
  for (auto& client : clients) EXPECT_EQ(client.read_answer().status, 200);
  clients.clear();
  EXPECT_EQ(server.wait_exit(), exited(0));
  EXPECT_EQ(count(server.err(), "draining"), 1u);
  EXPECT_EQ(count(server.err(), "drained"), 1u);
}

TEST_P(SupervisionTest, ADrainAfterACrashAnswersThoseWhoWait) {
  if (GetParam().has_parent) GTEST_SKIP() << "a crash leaves workers";
  auto server = start(supervised());
  server.signal(SIGSTOP);  // the parent: nobody restarts the child
  crash(server);
  TestClient waiting(server);
  waiting.send(get("/plaintext"));
  server.signal(SIGTERM);
  server.signal(SIGCONT);
  EXPECT_EQ(waiting.read_answer().status, 200);
  waiting.close();
  EXPECT_EQ(server.wait_exit(), exited(0));
}

TEST_P(SupervisionTest, ASecondSignalEndsAllOfIt) {
  auto server = start(supervised());
  TestClient client(server);
  client.send(get("/sleep?ms=30000"));
  server.await_taken();
  server.signal(SIGTERM);
  ASSERT_TRUE(eventually([&] { return server.err().find("draining") != std::string::npos; }));
  insist(server, SIGTERM);
  EXPECT_EQ(server.wait_exit(), exited(3));
  EXPECT_TRUE(eventually([&] { return server.processes().empty(); }));  // a request's process dies last
}

TEST_P(SupervisionTest, WhatTheDrainTimeoutCutsIsCounted) {
  auto server = start(supervised({"--drain-timeout", "300ms"}));
  TestClient client(server);
  client.send(get("/sleep?ms=30000"));
  server.await_taken();
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait_exit(), exited(3));
  EXPECT_NE(server.err().find("drain timeout: 1 connection cut"), std::string::npos);
}

/// Not any child: at the end LeakSanitizer has one, too, and waits for it for ever.
void kill_workers(const std::string& board) {
  const app::ScoreboardReader reader(board);
  for (const auto& slot : reader.used()) {
    if (const pid_t worker = slot.process; worker > 0) kill(worker, SIGKILL);
  }
}

TEST_P(SupervisionTest, ACrashLoopIsGivenUp) {
  const bool one_of_each = GetParam().process_pool() || GetParam().name == reference_configuration().name;
  if (!one_of_each) GTEST_SKIP() << "takes 12 s, and the parent is the same for all who have one";
  auto server = start_with_workers(1, supervised({"--scoreboard", board_}));
  EXPECT_TRUE(eventually(
      [&] {
        kill_workers(board_);
        return !server.running();
      },
      60s));
  EXPECT_EQ(server.wait_exit(), exited(4));
  EXPECT_NE(server.err().find("crash loop: for 10 s every worker has died young"), std::string::npos);
  EXPECT_TRUE(exists(board_));
}

/// The pids that answered so many requests over one connection after the other.
std::vector<int> answering_processes(const ServerProcess& server, int requests) {
  std::vector<int> processes;
  for (int i = 0; i < requests; ++i)
    processes.push_back(json::parse(TestClient(server).get("/whoami").body)["pid"]);
  return processes;
}

TEST_P(SupervisionTest, AWorkerIsReplacedAfterItsRequests) {
  if (!GetParam().worker_processes()) GTEST_SKIP() << "no workers that are replaced one by one";
  const auto server = start({"--workers", "1", "--max-requests-per-worker", "3"});
  const auto processes = answering_processes(server, 9);
  for (int i = 0; i < 9; i += 3) {
    EXPECT_EQ(processes[i], processes[i + 1]);
    EXPECT_EQ(processes[i], processes[i + 2]);
    EXPECT_TRUE(i == 0 || processes[i] != processes[i - 1]);
  }
  EXPECT_EQ(server.err(), "");
}

TEST_P(SupervisionTest, AReplacedWorkerTellsItsLastClient) {
  if (!GetParam().process_pool()) GTEST_SKIP() << "no worker with one client that is replaced";
  const auto server = start({"--workers", "1", "--max-requests-per-worker", "2"});
  TestClient client(server);
  EXPECT_FALSE(client.get("/plaintext").closes());
  EXPECT_TRUE(client.get("/plaintext").closes());
  EXPECT_EQ(client.read_to_end().end, End::eof);
}

TEST_P(SupervisionTest, AReplacedLoopGivesEachOfItsClientsALastAnswer) {
  if (!GetParam().loops_in_processes()) GTEST_SKIP() << "its worker has one client, or is not replaced";
  const auto server = start({"--workers", "1", "--max-requests-per-worker", "2"});
  TestClient slow(server), idle(server);
  EXPECT_FALSE(idle.get("/plaintext").closes());
  slow.send(get("/sleep?ms=3000"));
  EXPECT_EQ(idle.read_to_end().end, End::eof);
  const auto answer = slow.read_answer();
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.closes());
  slow.close();
  EXPECT_EQ(TestClient(server).get("/plaintext").status, 200);
  EXPECT_EQ(server.err(), "");
}

/// The same configuration on the port of another server.
Command successor(const Configuration& configuration, const ServerProcess& server) {
  auto command = configuration.command();
  command.arguments[1] = "127.0.0.1:" + std::to_string(server.port());
  return command;
}

TEST_P(SupervisionTest, ABusyOrphanLeavesThePortToTheNextServer) {
  auto server = start(supervised({"--workers", "1", "--drain-timeout", "60s"}));
  TestClient busy(server);
  busy.send(get("/block?ms=60000"));
  server.await_taken();
  server.signal(SIGKILL);
  EXPECT_TRUE(eventually([&] { return refuses(server.endpoint()); }));
  const ServerProcess next(successor(GetParam(), server));
  EXPECT_EQ(TestClient(next).get("/plaintext").status, 200);
  EXPECT_NE(server.processes(), std::vector<pid_t>()) << "the orphan was not busy";
}

TEST_P(SupervisionTest, ABusyOrphanAnswersThoseWhoWaitedInItsQueue) {
  if (per_client()) GTEST_SKIP() << "they wait for nobody";
  auto server = start(supervised({"--workers", "1"}));
  TestClient busy(server);
  busy.send(get("/block?ms=1000"));
  server.await_taken();
  std::vector<TestClient> waiting;
  for (int i = 0; i < 5; ++i) waiting.emplace_back(server).send(get("/plaintext"));
  server.signal(SIGKILL);
  EXPECT_EQ(busy.read_answer().status, 200);
  busy.close();
  for (auto& client : waiting) {
    EXPECT_EQ(client.read_answer().status, 200);
    client.close();
  }
  EXPECT_TRUE(eventually([&] { return server.processes().empty(); }));
}

TEST_P(SupervisionTest, OrphansMayServe) {
  if (per_client()) GTEST_SKIP() << "who accepts is dead";
  auto server = start_with_workers(2, supervised({"--orphans", "serve"}));
  TestClient early(server);
  early.get("/plaintext");
  server.signal(SIGKILL);
  server.wait_exit();
  EXPECT_EQ(early.get("/plaintext").status, 200);
  EXPECT_EQ(TestClient(server).get("/plaintext").status, 200);
  early.close();
  for (const pid_t orphan : server.processes()) kill(orphan, SIGTERM);
  EXPECT_TRUE(eventually([&] { return server.processes().empty(); }));
}

// --- scoreboard

TEST_P(SupervisionTest, TheScoreboardGoesWithACleanDrain) {
  auto server = start();
  EXPECT_TRUE(exists(default_scoreboard(server)));
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait_exit(), exited(0));
  EXPECT_FALSE(exists(default_scoreboard(server)));
}

TEST_P(SupervisionTest, OldScoreboardsOfTheDeadAreRemoved) {
  std::vector<std::string> left;
  for (int i = 0; i < 12; ++i) {
    auto server = std::make_unique<ServerProcess>(GetParam().command());
    left.push_back(default_scoreboard(*server));
    server->signal_group(SIGKILL);
    server->wait_exit();
    server->keep_scoreboard();
  }
  const auto server = start();
  EXPECT_TRUE(exists(default_scoreboard(server)));
  EXPECT_LE(std::ranges::count_if(left, exists), 8);
  for (const auto& path : left) unlink(path.c_str());
}

TEST_P(SupervisionTest, TheScoreboardSaysWhichRequestKilledAWorker) {
  auto server = start({"--enable-faults", "--scoreboard", board_});
  TestClient(server).get("/plaintext");
  crash(server);
  if (!GetParam().has_parent) server.wait_exit();
  const auto killer = [&]() -> std::string {
    const app::ScoreboardReader reader(board_);
    for (const auto& slot : reader.used()) {
      const auto entry = GetParam().has_parent ? slot.death.request.read() : slot.running.read();
      if (entry) return entry->request;
    }
    return "";
  };
  EXPECT_TRUE(eventually([&] { return killer() == "POST /fault/segv"; })) << killer();
}

TEST_P(SupervisionTest, StatsRememberTheDead) {
  const auto server = start(supervised());
  crash(server);
  json stats;
  EXPECT_TRUE(eventually([&] {
    stats = json::parse(TestClient(server).get("/stats").body);
    return stats["server"]["deaths"] > 0;
  }));
  const auto& workers = stats["workers"];
  const auto died = std::find_if(workers.begin(), workers.end(), [](const json& worker) {
    return !worker["last_death"].is_null() && worker["last_death"]["request"] == "POST /fault/segv";
  });
  ASSERT_NE(died, workers.end()) << stats.dump(2);
  EXPECT_EQ((*died)["last_death"]["manner"], "was killed by signal 11 (Segmentation fault)");
}

bool says_blocked(const std::string& scoreboard) {
  const app::ScoreboardReader reader(scoreboard);
  return std::ranges::any_of(reader.used(), [](const http::Slot& slot) {
    const auto entry = slot.running.read();
    return entry && entry->request == "GET /block?ms=60000";
  });
}

TEST_P(SupervisionTest, AFrozenServerIsStillReadable) {
  const auto server = start();
  TestClient client(server);
  client.send(get("/block?ms=60000"));
  ASSERT_TRUE(eventually([&] { return says_blocked(default_scoreboard(server)); }));
  server.freeze();
  EXPECT_TRUE(says_blocked(default_scoreboard(server)));
}

TEST_P(SupervisionTest, AnotherFileIsLeftAlone) {
  const std::string path = testing::TempDir() + "letter." + std::to_string(getpid());
  std::ofstream(path) << "Dear Sir or Madam";
  const auto ended = run(GetParam().command({"--scoreboard", path}));
  EXPECT_EQ(ended.ending, exited(1));
  EXPECT_NE(ended.err.find("scoreboard " + path + ": exists and is no scoreboard"), std::string::npos);
  std::string content;
  std::getline(std::ifstream(path), content);
  EXPECT_EQ(content, "Dear Sir or Madam");
  unlink(path.c_str());
}

// --- systemd

/// The receiving end of sd_notify(3).
class Manager {
 public:
  Manager() : path_("@quartet-manager-" + std::to_string(getpid())), socket_(socket(AF_UNIX, SOCK_DGRAM, 0)) {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    std::memcpy(address.sun_path + 1, path_.data() + 1, path_.size() - 1);
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path_.size());
    if (bind(socket_, reinterpret_cast<const sockaddr*>(&address), length) != 0)
      throw std::runtime_error("bind " + path_);
  }
  ~Manager() { close(socket_); }
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;

  std::string variable() const { return "NOTIFY_SOCKET=" + path_; }
  /// What has been said so far, a line each.
  std::string heard() {
    char buffer[100];
    for (ssize_t size; (size = recv(socket_, buffer, sizeof buffer, MSG_DONTWAIT)) > 0;)
      heard_.append(buffer, static_cast<std::size_t>(size)).append("\n");
    return heard_;
  }

 private:
  std::string path_;
  int socket_;
  std::string heard_;
};

TEST_P(SupervisionTest, TheServiceManagerHearsWhenItIsReadyAndWhenItStops) {
  Manager manager;
  auto command = GetParam().command(supervised());
  command.environment.push_back(manager.variable());
  ServerProcess server(command);
  crash(server, "/fault/throw");
  EXPECT_TRUE(eventually([&] { return manager.heard() == "READY=1\n"; })) << manager.heard();
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait_exit(), exited(0));
  EXPECT_EQ(manager.heard(), "READY=1\nSTOPPING=1\n");
}

/// A listening socket that is passed to the servers, as systemd does it (sd_listen_fds(3)).
class PassedSocket {
 public:
  explicit PassedSocket(in_addr_t host) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(host)}, .sin_zero = {}};
    socklen_t length = sizeof address;
    if (bind(socket_, reinterpret_cast<const sockaddr*>(&address), length) != 0 || listen(socket_, 100) != 0)
      throw std::runtime_error("no socket to pass");
    getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
  }
  ~PassedSocket() { close(socket_); }
  PassedSocket(const PassedSocket&) = delete;
  PassedSocket& operator=(const PassedSocket&) = delete;

  int port() const { return port_; }
  /// The command with the socket as its descriptor 3.
  Command pass_to(const Command& command) const {
    return after("exec 3<&" + std::to_string(socket_) + "; export LISTEN_PID=$$ LISTEN_FDS=1", command);
  }

 private:
  int socket_;
  int port_ = 0;
};

TEST_P(SupervisionTest, ThePassedSocketIsServedAndKeptForTheNextServer) {
  const PassedSocket passed(INADDR_LOOPBACK);
  for (int life = 0; life < 2; ++life) {
    TestClient early(Endpoint{"127.0.0.1", passed.port()});  // nobody is there yet
    early.send(get("/plaintext", {"Connection: close"}));
    ServerProcess server(passed.pass_to(GetParam().command(supervised())));
    EXPECT_EQ(server.port(), passed.port());
    EXPECT_EQ(early.read_answer().status, 200);
    EXPECT_EQ(TestClient(server).get("/plaintext").status, 200);
    server.signal(SIGTERM);
    EXPECT_EQ(server.wait_exit(), exited(0));
    const TestClient between(server);  // throws when it is refused
  }
}

TEST_P(SupervisionTest, AnOrphanLeavesThePassedSocketAlone) {
  const PassedSocket passed(INADDR_LOOPBACK);
  ServerProcess server(passed.pass_to(GetParam().command(supervised({"--workers", "1"}))));
  TestClient busy(server);
  busy.send(get("/block?ms=300"));
  server.await_taken();
  server.signal(SIGKILL);
  EXPECT_EQ(busy.read_answer().status, 200);
  busy.close();
  EXPECT_TRUE(eventually([&] { return server.processes().empty(); }));
  const TestClient later(server);  // throws when it is refused
}

TEST_P(SupervisionTest, FaultsNeedAPassedSocketOnALoopbackAddress) {
  const PassedSocket passed(INADDR_ANY);
  const auto ended = run(passed.pass_to(GetParam().command({"--enable-faults"})));
  EXPECT_EQ(ended.ending, exited(1));
  EXPECT_NE(ended.err.find("anybody could crash a server on 0.0.0.0:"), std::string::npos) << ended.err;
}

}  // namespace
}  // namespace quartet::suite
