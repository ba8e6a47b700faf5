// quartet-probe, the health check of a container: what counts as healthy, and what it says otherwise.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>
#include <thread>

#include "tests/servers/configuration.h"

namespace quartet::suite {
namespace {

using ProbeTest = ServerTest;
QUARTET_EVERY_CONFIGURATION(ProbeTest);

Finished probe(const std::vector<std::string>& arguments, const std::vector<std::string>& environment = {}) {
  auto command = server_command("quartet-probe", arguments);
  command.environment.insert(command.environment.end(), environment.begin(), environment.end());
  return run(command);
}

std::string at(int port) { return "127.0.0.1:" + std::to_string(port); }

/// A listening socket of any port, whose backlog answers a connect even when nobody accepts.
class Peer {
 public:
  Peer() {
    sockaddr_in address{AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {}};
    socklen_t length = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (bind(socket_, generic, length) != 0 || listen(socket_, 8) != 0 ||
        getsockname(socket_, generic, &length) != 0) {
      throw std::runtime_error("no port to listen on");
    }
    port_ = ntohs(address.sin_port);
  }
  ~Peer() {
    shutdown(socket_, SHUT_RDWR);  // ends a waiting accept
    if (thread_.joinable()) thread_.join();
    close(socket_);
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  /// Answers the first request with those bytes, piece by piece, and closes.
  void answer(std::vector<std::string> pieces) {
    thread_ = std::thread([this, pieces] {
      const int client = accept(socket_, nullptr, nullptr);
      char request[1024];
      if (recv(client, request, sizeof request, 0) > 0) {
        for (const auto& piece : pieces) send(client, piece.data(), piece.size(), MSG_NOSIGNAL);
      }
      close(client);
    });
  }
  std::string address() const { return at(port_); }

 private:
  int socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int port_ = 0;
  std::thread thread_;
};

void expect_unhealthy(const Finished& result, const std::string& sentence) {
  EXPECT_EQ(result.ending, exited(1));
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err, "quartet-probe: " + sentence + "\n");
}

TEST_P(ProbeTest, AServerThatAnswersIsHealthy) {
  const auto server = start();
  const auto result = probe({at(server.port())});
  EXPECT_EQ(result.ending, exited(0));
  EXPECT_EQ(result.out + result.err, "");
}

TEST_P(ProbeTest, APoolWithoutAFreeWorkerIsUnhealthyInTime) {
  if (!GetParam().pool()) GTEST_SKIP() << "no pool";
  const auto server = start({"--workers", "1"});
  TestClient client(server);
  client.get("/plaintext");
  expect_unhealthy(probe({at(server.port()), "--timeout", "200ms"}),
                   at(server.port()) + ": no answer within 200 ms");
}

TEST(Probe, TakesTheAddressFromTheServersVariable) {
  Peer peer;
  peer.answer({"HTTP/1.1 200 OK\r\n"});
  EXPECT_EQ(probe({}, {"QUARTET_LISTEN=" + peer.address()}).ending, exited(0));
}

TEST(Probe, PrefersTheAddressOfItsCommandLine) {
  Peer peer;
  peer.answer({"HTTP/1.1 200 OK\r\n"});
  EXPECT_EQ(probe({peer.address()}, {"QUARTET_LISTEN=127.0.0.1:1"}).ending, exited(0));
}

TEST(Probe, AStatusLineInPiecesIsHealthy) {
  Peer peer;
  peer.answer({"H", "TTP/1.1 2", "00 OK", "\r", "\n"});
  EXPECT_EQ(probe({peer.address()}).ending, exited(0));
}

TEST(Probe, AnotherStatusIsUnhealthy) {
  Peer peer;
  peer.answer({"HTTP/1.1 503 Service Unavailable\r\n\r\n"});
  expect_unhealthy(probe({peer.address()}), peer.address() + ": answered HTTP/1.1 503 Service Unavailable");
}

TEST(Probe, AnotherProtocolIsUnhealthy) {
  Peer peer;
  peer.answer({"SSH-2.0\r\n"});
  expect_unhealthy(probe({peer.address()}), peer.address() + ": answered \"SSH-2.0\", which is not HTTP/1.1");
}

TEST(Probe, ACloseWithoutAnAnswerIsUnhealthy) {
  Peer peer;
  peer.answer({});
  expect_unhealthy(probe({peer.address()}), peer.address() + ": closed the connection without an answer");
}

TEST(Probe, APeerThatNeverAnswersIsUnhealthyInTime) {
  const Peer silent;
  const auto started = Clock::now();
  expect_unhealthy(probe({silent.address(), "--timeout", "100ms"}),
                   silent.address() + ": no answer within 100 ms");
  EXPECT_GE(Clock::now() - started, 100ms);
}

TEST(Probe, ARefusedConnectionIsUnhealthy) {
  std::string address;
  {
    const Peer gone;
    address = gone.address();
  }
  expect_unhealthy(probe({address}), address + ": connect: Connection refused");
}

TEST(Probe, ABadCommandLineIsAUsageError) {
  const std::vector<std::vector<std::string>> bad{
      {"localhost"}, {"--timeout", "5"}, {"--timeout", "0s"}, {"--timeout", "-1s"}, {"--nonsense"}};
  for (const auto& arguments : bad) {
    const auto result = probe(arguments);
    EXPECT_EQ(result.ending, exited(2)) << arguments[0];
    EXPECT_TRUE(result.err.starts_with("quartet-probe: ")) << result.err;
    EXPECT_EQ(result.err.find('\n'), result.err.size() - 1) << result.err;
  }
}

TEST(Probe, HelpSaysWhatTheStatusesMean) {
  const auto result = probe({"--help"});
  EXPECT_EQ(result.ending, exited(0));
  EXPECT_NE(result.out.find("0 healthy"), std::string::npos);
}

}  // namespace
}  // namespace quartet::suite
