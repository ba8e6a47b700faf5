// The command line, the environment, and how a server says that it cannot start.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <stdexcept>

#include "tests/servers/configuration.h"
#include "tests/servers/text.h"

namespace quartet::suite {
namespace {

class CommandLineTest : public ServerTest {
 protected:
  Finished run_with(std::vector<std::string> arguments, std::vector<std::string> environment = {}) const {
    auto command = server_command(GetParam().executable, std::move(arguments));
    command.environment.insert(command.environment.end(), environment.begin(), environment.end());
    return run(command);
  }
  /// A server that is given its configuration by variables alone.
  ServerProcess start_by_environment(std::vector<std::string> environment,
                                     std::vector<std::string> arguments) const {
    auto command = server_command(GetParam().executable, std::move(arguments));
    command.environment.insert(command.environment.end(), environment.begin(), environment.end());
    return ServerProcess(command);
  }
};
QUARTET_EVERY_CONFIGURATION(CommandLineTest);

void expect_usage_error(const Finished& result, const std::vector<std::string>& words) {
  EXPECT_EQ(result.ending, exited(2));
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(count_lines(result.err), 1u) << result.err;
  for (const auto& word : words)
    EXPECT_NE(result.err.find(word), std::string::npos) << word << " in: " << result.err;
}

TEST_P(CommandLineTest, HelpNamesEveryOption) {
  const auto result = run_with({"--help"});
  EXPECT_EQ(result.ending, exited(0));
  EXPECT_EQ(result.err, "");
  for (const auto* option :
       {"--listen", "--workers", "--max-request-line", "--max-header-bytes", "--max-headers", "--max-body",
        "--max-connections", "--max-requests-per-connection", "--header-timeout", "--body-timeout",
        "--min-body-rate", "--keep-alive-timeout", "--write-timeout", "--drain-timeout", "--root",
        "--ballast", "--enable-faults", "--version"}) {
    EXPECT_NE(result.out.find(option), std::string::npos) << option;
  }
}

TEST_P(CommandLineTest, VersionNamesLibrariesAndCompiler) {
  const auto result = run_with({"--version"});
  EXPECT_EQ(result.ending, exited(0));
  for (const auto* word : {"quartet", "llhttp", "Asio"})
    EXPECT_NE(result.out.find(word), std::string::npos) << word;
  EXPECT_TRUE(result.out.find("g++") != std::string::npos || result.out.find("clang") != std::string::npos);
}

TEST_P(CommandLineTest, ABadValueIsAUsageErrorThatSaysWhich) {
  const std::vector<std::vector<std::string>> bad{
      {"--listen", "nonsense"},   {"--listen", "127.0.0.1:70000"},
      {"--listen", "127.0.0.1:"}, {"--listen", ":8080"},
      {"--workers", "0"},         {"--workers", "many"},
      {"--workers", "-1"},        {"--max-body", "-1"},
      {"--max-body", "1k"},       {"--header-timeout", "5"},
      {"--header-timeout", "5d"}, {"--header-timeout", "-5s"},
      {"--drain-timeout", "s"},   {"--ballast", "lots"},
      {"--max-connections", ""},
  };
  for (const auto& arguments : bad) {
    SCOPED_TRACE(arguments[0] + " " + arguments[1]);
    expect_usage_error(run_with(arguments), {arguments[0]});
  }
}

TEST_P(CommandLineTest, AnUnknownOptionIsAUsageError) {
  expect_usage_error(run_with({"--listne", "127.0.0.1:0"}), {"--listne"});
  expect_usage_error(run_with({"--listen"}), {"--listen"});
  expect_usage_error(run_with({"stray"}), {"stray"});
}

TEST_P(CommandLineTest, WhatTheModelCannotHonourIsRefusedAsItsDescriptionSays) {
  for (const auto& [option, why] : GetParam().refuses) {
    auto arguments = GetParam().options;
    arguments.push_back(option == "--supervise" ? option : option + "=2");
    expect_usage_error(run_with(arguments), {GetParam().executable + ": " + option + ": " + why + "\n"});
  }
}

TEST_P(CommandLineTest, WhatItsDescriptionDoesNotRefuseIsHonoured) {
  for (const std::string option : {"--workers=2", "--supervise", "--max-requests-per-worker=2"}) {
    if (GetParam().refuses.contains(option.substr(0, option.find('=')))) continue;
    const auto server = start({option});
    EXPECT_EQ(TestClient(server).get("/plaintext").status, 200);
  }
}

TEST_P(CommandLineTest, AModeThatIsNoneNamesThoseThatAre) {
  if (GetParam().refuses.contains("--mode")) GTEST_SKIP() << "one mode";
  expect_usage_error(run_with({"--mode", "sideways"}),
                     {"--mode", "prefork", "per-connection", "per-request"});
}

TEST_P(CommandLineTest, OneWorkerIsTakenByEveryModel) {
  const auto server = start({"--workers", "1"});
  EXPECT_EQ(TestClient(server).get("/plaintext").status, 200);
}

TEST_P(CommandLineTest, FaultsAreForLoopbackAddressesOnly) {
  expect_usage_error(run_with({"--enable-faults", "--listen", "0.0.0.0:0"}), {"--enable-faults", "loopback"});
  expect_usage_error(run_with({"--listen", "[::]:0", "--enable-faults"}), {"--enable-faults", "loopback"});
}

TEST_P(CommandLineTest, EveryOptionIsAVariable) {
  const auto server = start_by_environment(
      {"QUARTET_LISTEN=127.0.0.1:0", "QUARTET_WORKERS=1", "QUARTET_MAX_BODY=10", "QUARTET_ENABLE_FAULTS=1",
       "QUARTET_MAX_REQUESTS_PER_CONNECTION=2", "QUARTET_DRAIN_TIMEOUT=5s"},
      {});
  TestClient client(server);
  EXPECT_EQ(client.exchange(request("POST", "/fault/throw")).status, 500);
  EXPECT_TRUE(client.get("/plaintext").closes());
  client.close();  // the only worker lingers
  EXPECT_EQ(TestClient(server).exchange(request("POST", "/echo", "eleven byte")).status, 413);
}

TEST_P(CommandLineTest, TheModeIsAVariable) {
  if (GetParam().refuses.contains("--mode")) GTEST_SKIP() << "one mode";
  const auto server = start_by_environment({"QUARTET_LISTEN=127.0.0.1:0", "QUARTET_MODE=per-connection"}, {});
  EXPECT_EQ(server.children(), std::vector<pid_t>());
}

TEST_P(CommandLineTest, TheCommandLineWinsOverTheEnvironment) {
  const auto server = start_by_environment({"QUARTET_LISTEN=nonsense", "QUARTET_MAX_BODY=10"},
                                           {"--listen", "127.0.0.1:0", "--max-body", "20"});
  EXPECT_EQ(TestClient(server).exchange(request("POST", "/echo", "eleven byte")).status, 200);
}

TEST_P(CommandLineTest, ABadVariableIsAUsageErrorThatNamesIt) {
  expect_usage_error(run_with({"--listen", "127.0.0.1:0"}, {"QUARTET_MAX_BODY=huge"}), {"QUARTET_MAX_BODY"});
}

TEST_P(CommandLineTest, AVariableOfNoOptionIsAWarning) {
  const auto server =
      start_by_environment({"QUARTET_MAX_BODYS=10"}, {"--listen", "localhost:0", "--drain-timeout", "1m"});
  EXPECT_EQ(server.out(), "listening on 127.0.0.1:" + std::to_string(server.port()) + "\n");
  EXPECT_EQ(
      server.err().find(GetParam().executable +
                        ": warning: no option is called QUARTET_MAX_BODYS; did you mean QUARTET_MAX_BODY?\n"),
      0u)
      << server.err();
  EXPECT_EQ(TestClient(server).exchange(request("POST", "/echo", "eleven byte")).status, 200);
}

TEST_P(CommandLineTest, LoopbackIsLoopbackHoweverItIsWritten) {
  const auto server = start_by_environment({}, {"--listen", "[0:0:0:0:0:0:0:1]:0", "--enable-faults"});
  EXPECT_EQ(server.out(), "listening on [::1]:" + std::to_string(server.port()) + "\n");
}

/// A listening socket of somebody else.
class Occupant {
 public:
  Occupant() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address_;
    auto* generic = reinterpret_cast<sockaddr*>(&address_);
    if (::bind(socket_, generic, size) < 0 || ::listen(socket_, 1) < 0 ||
        ::getsockname(socket_, generic, &size) < 0) {
      throw std::runtime_error("no socket for the test");
    }
  }
  ~Occupant() { ::close(socket_); }
  std::string address() const { return "127.0.0.1:" + std::to_string(ntohs(address_.sin_port)); }

 private:
  int socket_;
  sockaddr_in address_{};
};

TEST_P(CommandLineTest, AnAddressInUseIsAStartUpError) {
  const Occupant occupant;
  auto command = GetParam().command();
  command.arguments[1] = occupant.address();
  const auto result = run(command);
  EXPECT_EQ(result.ending, exited(1));
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(count_lines(result.err), 1u) << result.err;
  EXPECT_NE(result.err.find("bind " + occupant.address() + ": Address already in use"), std::string::npos)
      << result.err;
}

TEST_P(CommandLineTest, ARootThatIsNoDirectoryIsAnError) {
  const auto result = run_with({"--listen", "127.0.0.1:0", "--root", "/nonexistent"});
  EXPECT_TRUE(result.ending == exited(1) || result.ending == exited(2))
      << testing::PrintToString(result.ending);
  EXPECT_NE(result.err.find("/nonexistent"), std::string::npos);
}

TEST_P(CommandLineTest, StdoutIsOneLineAndTheLogIsStderr) {
  auto server = start();
  TestClient(server).get("/plaintext");
  EXPECT_EQ(count_lines(server.out()), 1u);
  EXPECT_EQ(server.out(), "listening on 127.0.0.1:" + std::to_string(server.port()) + "\n");
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait_exit(), exited(0));
  EXPECT_EQ(count_lines(server.out()), 1u) << "a forked child has flushed its parent's buffer";
  EXPECT_NE(server.err().find(GetParam().executable + "["), std::string::npos) << "log lines are named";
}

}  // namespace
}  // namespace quartet::suite
