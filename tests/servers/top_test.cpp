// quartet-top against servers that run, are stopped, or have crashed.
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <system_error>

#include "tests/servers/configuration.h"
#include "tests/servers/text.h"

namespace quartet::suite {
namespace {

namespace fs = std::filesystem;

int check(int result, const char* what) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), what);
  return result;
}

class TopTest : public testing::Test {
 protected:
  TopTest() { fs::create_directory(directory_); }
  ~TopTest() override { fs::remove_all(directory_); }

  ServerProcess start(const std::string& executable, std::vector<std::string> options = {}) const {
    options.insert(options.begin(), {"--listen", "127.0.0.1:0", "--scoreboard", file(), "--enable-faults"});
    return ServerProcess(server_command(executable, options));
  }
  std::string file(const std::string& name = "scoreboard") const { return directory_ / name; }

  static Finished top(const std::vector<std::string>& arguments,
                      const std::vector<std::string>& environment = {"COLUMNS=80"}) {
    Command command = server_command("quartet-top", arguments);
    command.environment.insert(command.environment.end(), environment.begin(), environment.end());
    return run(command);
  }
  /// One picture. Whatever it shows fits, and says nothing to a terminal.
  std::string once() const {
    const Finished result = top({"--once", file()});
    EXPECT_EQ(result.ending, exited(0));
    EXPECT_EQ(result.err, "");
    std::size_t column = 0;
    for (const char c : result.out) {
      EXPECT_TRUE(c == '\n' || (c >= ' ' && c <= '~')) << int{c};
      column = c == '\n' ? 0 : column + 1;
      EXPECT_LE(column, 80u) << result.out;
    }
    return result.out;
  }
  static void expect_sentence(const Finished& result, int code, const std::vector<std::string>& words) {
    EXPECT_EQ(result.ending, exited(code)) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(count_lines(result.err), 1u) << result.err;
    EXPECT_TRUE(result.err.starts_with("quartet-top: ")) << result.err;
    for (const auto& word : words) EXPECT_TRUE(has(result.err, word)) << word << " in: " << result.err;
  }

 private:
  const fs::path directory_ = fs::path(testing::TempDir()) / ("top_test." + std::to_string(::getpid()));
};

TEST_F(TopTest, ShowsAServerThatServes) {
  const auto server = start("quartet-epoll");
  TestClient client(server);
  for (int i = 0; i < 3; ++i) client.get("/plaintext");
  const auto text = once();
  const auto pid = std::to_string(server.pid());
  EXPECT_TRUE(
      has(text, "quartet-epoll  127.0.0.1:" + std::to_string(server.port()) + "  pid " + pid + "  up "))
      << text;
  EXPECT_TRUE(has(text, "1 worker  3 requests  ")) << text;
  EXPECT_TRUE(has(text, "1 open: 0 accepted, 0 reading, 0 running, 0 sleeping, 0 writing, 1 idle\n")) << text;
}

TEST_F(TopTest, NamesTheRequestThatHoldsAWorker) {
  const auto server = start("quartet-fork");
  TestClient client(server);
  client.send(get("/block?ms=60000"));
  EXPECT_TRUE(eventually([&] { return has(once(), "GET /block?ms=60000\n"); }));
  EXPECT_TRUE(eventually([&] { return has(once(), "Hung? Worker "); }));
}

TEST_F(TopTest, ReadsAServerThatIsStopped) {
  const auto server = start("quartet-epoll");
  server.signal(SIGSTOP);
  EXPECT_TRUE(eventually([&] { return has(once(), "The server is stopped (SIGSTOP, or a debugger)"); }));
  server.signal(SIGCONT);
  EXPECT_TRUE(eventually([&] { return !has(once(), "stopped"); }));
}

TEST_F(TopTest, TellsWhichRequestKilledAServer) {
  auto server = start("quartet-epoll");
  TestClient client(server);
  client.send(request("POST", "/fault/segv"));
  EXPECT_EQ(server.wait_exit(), killed_by(SIGSEGV));
  EXPECT_TRUE(has(once(), "The server has died; it was running POST /fault/segv\n")) << once();
}

TEST_F(TopTest, TellsWhichRequestKilledAWorker) {
  const auto server = start("quartet-fork", {"--workers", "2"});
  TestClient client(server);
  client.send(request("POST", "/fault/segv"));
  EXPECT_EQ(client.read_to_end().bytes, "");
  EXPECT_TRUE(eventually([&] { return has(once(), "1 death, the last "); }));
  EXPECT_TRUE(has(once(), ", SIGSEGV in POST /fault/segv\n")) << once();
  EXPECT_FALSE(has(once(), "has died")) << once();
}

TEST_F(TopTest, IsJsonOnDemand) {
  const auto server = start("quartet-threads", {"--workers", "3"});
  TestClient(server).get("/plaintext");
  const Finished result = top({"--json", file()});
  EXPECT_EQ(result.ending, exited(0));
  const auto printed = nlohmann::json::parse(result.out);
  EXPECT_EQ(printed["server"]["pid"], server.pid());
  EXPECT_EQ(printed["server"]["life"], "alive");
  EXPECT_EQ(printed["totals"]["requests"], 1);
  EXPECT_GE(printed["workers"].size(), 3u);
  for (const auto& worker : printed["workers"]) EXPECT_EQ(worker["life"], "alive") << worker;
}

TEST_F(TopTest, SaysInOneSentenceWhyItCannotRead) {
  expect_sentence(top({file("nothing")}), 1, {file("nothing"), "No such file or directory"});
  expect_sentence(top({file(".")}), 1, {"is no scoreboard"});
  std::ofstream(file("text")) << std::string(10'000, 'x');
  expect_sentence(top({file("text")}), 1, {file("text"), "is no scoreboard"});
  std::ofstream(file("empty"));
  expect_sentence(top({file("empty"), "--json"}), 1, {file("empty"), "is no scoreboard"});
}

TEST_F(TopTest, SaysThatAFileIsTruncated) {
  const auto server = start("quartet-epoll");
  fs::copy_file(file(), file("copy"));
  EXPECT_EQ(top({file("copy"), "--once"}).ending, exited(0));
  fs::resize_file(file("copy"), fs::file_size(file("copy")) / 2);
  expect_sentence(top({file("copy"), "--once"}), 1, {file("copy"), "is truncated"});
}

TEST_F(TopTest, RejectsWrongUsage) {
  expect_sentence(top({file(), "--sort", "beauty"}), 2, {"--sort", "beauty", "slot, rate"});
  expect_sentence(top({file(), "--interval", "1"}), 2, {"--interval", "\"1\""});
  expect_sentence(top({file(), "--interval", "10ms"}), 2, {"--interval", "10ms", "100ms"});
  expect_sentence(top({file(), "--nice"}), 2, {"--nice"});
  expect_sentence(top({file(), "stray"}), 2, {"stray"});
  expect_sentence(top({file(), "--sort"}), 2, {"--sort"});
}

TEST_F(TopTest, PrintsOnePictureWhereThereIsNoTerminal) {
  const auto server = start("quartet-epoll");
  const Finished result = top({file()});
  EXPECT_EQ(result.ending, exited(0));
  EXPECT_TRUE(result.out.starts_with("quartet-epoll  127.0.0.1:")) << result.out;
}

TEST_F(TopTest, TakesTheWidthFromTheEnvironment) {
  const auto server = start("quartet-epoll");
  EXPECT_FALSE(has(top({"--once", file()}, {"COLUMNS=80"}).out, " t/out "));
  EXPECT_TRUE(has(top({"--once", file()}, {"COLUMNS=150"}).out, " t/out "));
  EXPECT_TRUE(has(top({"--once", file()}, {"COLUMNS=wide"}).out, " avg/s "));
}

/// quartet-top on a terminal of 24 lines and 80 columns.
class Terminal {
 public:
  explicit Terminal(const std::vector<std::string>& arguments, const char* type = "xterm") {
    Command command = server_command("quartet-top", arguments);
    std::vector<char*> argv{command.executable.data()};
    for (auto& argument : command.arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    winsize size{.ws_row = 24, .ws_col = 80, .ws_xpixel = 0, .ws_ypixel = 0};
    pid_ = check(::forkpty(&terminal_, nullptr, nullptr, &size), "forkpty");
    if (pid_ == 0) become(argv, type);
  }
  ~Terminal() {
    if (!ended_) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    ::close(terminal_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void press(const std::string& keys) const {
    check(static_cast<int>(::write(terminal_, keys.data(), keys.size())), "write");
  }
  void signal(int number) const { check(::kill(pid_, number), "kill"); }
  void resize(unsigned short rows, unsigned short columns) const {
    const winsize size{.ws_row = rows, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    check(::ioctl(terminal_, TIOCSWINSZ, &size), "TIOCSWINSZ");
  }

  /// Reads on until it has been sent this.
  bool shows(const std::string& text) {
    return eventually([&] {
      read_more();
      return has(output_, text);
    });
  }
  /// What comes from here on.
  void forget() { output_.clear(); }
  const std::string& output() const { return output_; }

  /// Keys are not echoed and come one by one: curses has the terminal.
  bool raw() const { return (modes() & (ICANON | ECHO)) == 0; }

  Ending wait_exit() {
    int status = 0;
    ended_ = eventually([&] {
      read_more();
      return ::waitpid(pid_, &status, WNOHANG) == pid_;
    });
    if (!ended_) throw std::runtime_error("quartet-top does not end");
    read_more();
    return WIFSIGNALED(status) ? killed_by(WTERMSIG(status)) : exited(WEXITSTATUS(status));
  }

 private:
  [[noreturn]] static void become(const std::vector<char*>& argv, const char* type) {
    ::setenv("TERM", type, 1);
    ::unsetenv("COLUMNS");  // curses would believe them
    ::unsetenv("LINES");
    ::setenv("ASAN_OPTIONS", "detect_leaks=0", 1);  // curses keeps its screen to the end
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }

  tcflag_t modes() const {
    termios settings{};
    check(::tcgetattr(terminal_, &settings), "tcgetattr");
    return settings.c_lflag;
  }

  /// What is there. After the end of the other side that is EIO.
  void read_more() {
    for (int available = 0; ::ioctl(terminal_, FIONREAD, &available) == 0 && available > 0;) {
      char buffer[4096];
      const auto count = ::read(terminal_, buffer, sizeof buffer);
      if (count <= 0) return;
      output_.append(buffer, static_cast<std::size_t>(count));
    }
  }

  int terminal_ = -1;
  pid_t pid_ = -1;
  bool ended_ = false;
  std::string output_;
};

constexpr const char* kLeaveAlternateScreen = "\x1b[?1049l";
constexpr const char* kShowCursor = "\x1b[?25h";

/// The last bytes may arrive after the end of the process.
void expect_restored(Terminal& terminal) {
  EXPECT_TRUE(terminal.shows(kLeaveAlternateScreen)) << terminal.output();
  EXPECT_TRUE(terminal.shows(kShowCursor)) << terminal.output();
  EXPECT_FALSE(terminal.raw());
}

TEST_F(TopTest, FillsATerminalAndObeysItsKeys) {
  const auto server = start("quartet-fork");
  Terminal terminal({file()});
  EXPECT_TRUE(terminal.shows("request in hand")) << terminal.output();
  EXPECT_TRUE(terminal.shows("sort: slot"));
  EXPECT_TRUE(terminal.raw());
  terminal.press("s");
  EXPECT_TRUE(terminal.shows("rate")) << terminal.output();
  terminal.press("q");
  EXPECT_EQ(terminal.wait_exit(), exited(0));
  expect_restored(terminal);
}

TEST_F(TopTest, RefreshesByItself) {
  const auto server = start("quartet-epoll");
  Terminal terminal({file(), "--interval", "100ms"});
  EXPECT_TRUE(terminal.shows("0 requests"));
  TestClient client(server);
  client.send(get("/block?ms=60000"));
  EXPECT_TRUE(terminal.shows("GET /block?ms=60000")) << terminal.output();
}

TEST_F(TopTest, DrawsAnewInTheSizeOfItsTerminal) {
  const auto server = start("quartet-fork");
  Terminal terminal({file(), "--interval", "60s"});
  EXPECT_TRUE(terminal.shows("q quit"));
  EXPECT_FALSE(has(terminal.output(), "t/out"));
  terminal.resize(30, 150);
  EXPECT_TRUE(terminal.shows("t/out")) << "at once, not after the interval";
  terminal.forget();
  terminal.resize(10, 80);
  // The last character stands in the corner, which takes a trick.
  EXPECT_TRUE(terminal.shows("workers not show")) << terminal.output();
}

TEST_F(TopTest, GivesTheTerminalBackToWhoeverEndsIt) {
  const auto server = start("quartet-epoll");
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
    Terminal terminal({file(), "--interval", "60s"});
    EXPECT_TRUE(terminal.shows("q quit"));
    if (signal == SIGINT) {
      terminal.press("\x03");
    } else {
      terminal.signal(signal);
    }
    EXPECT_EQ(terminal.wait_exit(), exited(0));
    expect_restored(terminal);
  }
}

TEST_F(TopTest, GivesTheTerminalBackWhenSomebodyTruncatesTheFile) {
  const auto server = start("quartet-epoll");
  Terminal terminal({file(), "--interval", "100ms"});
  EXPECT_TRUE(terminal.shows("q quit"));
  fs::resize_file(file(), 0);
  EXPECT_EQ(terminal.wait_exit(), exited(1));
  expect_restored(terminal);
  EXPECT_TRUE(terminal.shows("scoreboard " + file() + ": was truncated while it was read\r\n"))
      << terminal.output();
}

TEST_F(TopTest, FollowsItsServerThroughADrainToTheNextOne) {
  auto server = start("quartet-epoll");
  Terminal terminal({file(), "--interval", "100ms"});
  EXPECT_TRUE(terminal.shows("quartet-epoll"));
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait_exit(), exited(0));
  EXPECT_TRUE(terminal.shows("drained and removed its file")) << terminal.output();
  const auto next = start("quartet-threads");
  EXPECT_TRUE(terminal.shows("A new server")) << terminal.output();
}

TEST_F(TopTest, RejectsATerminalThatItCannotUse) {
  const auto server = start("quartet-epoll");
  for (const char* type : {"dumb", "no-such-terminal", ""}) {
    Terminal terminal({file()}, type);
    EXPECT_EQ(terminal.wait_exit(), exited(2));
    EXPECT_TRUE(terminal.shows("as plain text\r\n"));
    EXPECT_TRUE(terminal.output().starts_with("quartet-top: the terminal type \"" + std::string(type) + "\""))
        << terminal.output();
    EXPECT_EQ(count_lines(terminal.output()), 1u) << terminal.output();
  }
}

}  // namespace
}  // namespace quartet::suite
