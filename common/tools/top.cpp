// quartet-top: shows the scoreboard of a server that runs, hangs or has died. It only reads: no signal is
// sent, nothing is asked of the server, so that it works when nothing else does.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "common/net/system.h"
#include "common/program/command_line.h"
#include "common/program/duration.h"
#include "common/program/number.h"
#include "common/scoreboard/scoreboard_files.h"
#include "common/tools/top_view.h"
#include "common/tools/watch.h"

#define NCURSES_NOMACROS  // functions instead of macros named erase, clear, move
#include <curses.h>
#include <term.h>
// term.h has no such switch.
#undef columns
#undef lines

namespace quartet::app {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr int kCannotRead = 1;
constexpr int kWrongUsage = 2;
constexpr milliseconds kLeastInterval{100};

// --- the command line

struct Options {
  std::string file;
  Display display;
  bool once = false;
  bool json = false;
};

milliseconds parse_interval(const std::string& text) {
  const milliseconds interval = parse_duration(text);
  if (interval >= kLeastInterval) return interval;
  throw std::invalid_argument(fmt::format("\"{}\" is less than {}", text, format_duration(kLeastInterval)));
}

Sort parse_sort(const std::string& text) {
  const auto found = std::ranges::find(kSorts, text);
  if (found == kSorts.end())
    throw std::invalid_argument(fmt::format("\"{}\" is not one of {}", text, fmt::join(kSorts, ", ")));
  return static_cast<Sort>(found - kSorts.begin());
}

const Program kProgram{
    .name = "quartet-top",
    .summary = "Shows a running, hanging or dead Quartet server from its scoreboard file.",
    .version = "quartet-top " QUARTET_VERSION,
    .footer =
        "Keys: q quit, s next sort order, + and - interval.\n"
        "Where stdout is no terminal it prints one picture, as --once does; COLUMNS says how wide.\n"
        "Exits 0; 1 when it cannot read FILE, or somebody truncates it; 2 for a usage error, or a terminal "
        "that it cannot use."};

/// Exits after --help and --version. @throws UsageError
Options parse_options(int argc, char** argv) {
  Options options;
  Display& display = options.display;
  CommandLine command_line(kProgram);
  command_line.add({.name = "FILE",
                    .help = "The server's --scoreboard (default: /dev/shm/quartet-PORT of the only one)",
                    .read = into(options.file)});
  command_line.add({.name = "--interval",
                    .metavariable = "TIME",
                    .help = "Between two pictures (default 1s)",
                    .read = [&](const std::string& text) { display.interval = parse_interval(text); }});
  command_line.add({.name = "--sort",
                    .metavariable = "ORDER",
                    .help = fmt::format("One of {} (default slot)", fmt::join(kSorts, ", ")),
                    .read = [&](const std::string& text) { display.sort = parse_sort(text); }});
  command_line.add_switch({.name = "--once",
                           .help = "Print one picture as plain text; rates are averages since the start",
                           .read = into(options.once)});
  command_line.add_switch(
      {.name = "--json", .help = "Print one picture as JSON", .read = into(options.json)});
  command_line.parse(argc, argv);
  return options;
}

/// The only one of a living server; where none lives, the latest of the dead.
std::string choose_scoreboard() {
  const auto files = default_scoreboards();
  const auto living = std::ranges::count(files, false, &ScoreboardFile::dead);
  if (files.empty()) {
    throw std::runtime_error(
        "there is no /dev/shm/quartet-PORT; start a server, for example quartet-epoll --listen "
        "127.0.0.1:8080, or name its --scoreboard FILE");
  }
  if (living == 0) return files.front().path;
  if (living == 1) return std::ranges::find(files, false, &ScoreboardFile::dead)->path;
  constexpr std::size_t kMostNames = 5;
  std::vector<std::string> names;
  for (const auto& file : files)
    if (!file.dead && names.size() < kMostNames) names.push_back(file.path);
  throw UsageError(fmt::format("{} servers run; name the FILE of one: {}{}", living, fmt::join(names, ", "),
                               static_cast<std::size_t>(living) > kMostNames ? ", ..." : ""));
}

// --- once

std::size_t width_of_output() {
  constexpr std::uint64_t kLeast = 20, kMost = 10'000;
  const char* columns = std::getenv("COLUMNS");
  if (const auto width = columns ? parse_digits(columns) : std::nullopt; width && *width > 0)
    return std::clamp(*width, kLeast, kMost);
  winsize size{};
  const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;  // or no terminal
  return known ? size.ws_col : Display{}.width;
}

void print(const std::string& text) {
  if (std::fputs(text.c_str(), stdout) == EOF || std::fflush(stdout) == EOF) net::throw_errno("stdout");
}

void print_picture(const Look& look, Display display) {
  display.width = width_of_output();
  std::string text;
  for (const Line& line : render(look, nullptr, display)) {
    text += line.text;
    text.erase(text.find_last_not_of(' ') + 1);  // behind the heading
    text += '\n';
  }
  print(text);
}

// --- on a terminal

volatile std::sig_atomic_t ended = 0;
constexpr std::array kEnds{SIGINT, SIGTERM, SIGHUP, SIGQUIT};

/// The signals that matter come only while the screen waits, so that none is overlooked just before it does.
class SignalGate {
 public:
  SignalGate() {
    struct sigaction action {};
    action.sa_handler = [](int) { ended = 1; };
    sigset_t signals;
    sigemptyset(&signals);  // of a valid set, these cannot fail
    for (const int signal : kEnds) {
      net::check(sigaction(signal, &action, nullptr), "sigaction");
      sigaddset(&signals, signal);
    }
    sigaddset(&signals, SIGWINCH);  // ncurses handles it
    net::check(sigprocmask(SIG_BLOCK, &signals, &open_), "sigprocmask");
    for (const int signal : kEnds) sigdelset(&open_, signal);  // whoever blocked them
  }

  /// Waits for a key, a signal or the time. @return false when the terminal has gone
  bool wait_until(steady_clock::time_point due) const {
    const auto left = std::max(due - steady_clock::now(), steady_clock::duration(0));
    const timespec timeout{.tv_sec = left / seconds(1), .tv_nsec = (left % seconds(1)).count()};
    pollfd keyboard{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    const int ready = ::ppoll(&keyboard, 1, &timeout, &open_);
    if (ready == -1 && errno != EINTR) net::throw_errno("ppoll");
    return ready <= 0 || (keyboard.revents & (POLLHUP | POLLERR | POLLNVAL)) == 0;
  }

 private:
  sigset_t open_;
};

[[noreturn]] void reject_terminal(std::string_view why) {
  const char* name = std::getenv("TERM");
  throw UsageError(fmt::format("the terminal type \"{}\" {}; --once prints one picture as plain text",
                               name == nullptr ? "" : name, why));
}

void check_terminal() {
  if (::isatty(STDIN_FILENO) == 0) throw UsageError("stdin is no terminal, for the keys; use --once");
  int found = 0;
  if (::setupterm(nullptr, STDOUT_FILENO, &found) != OK) reject_terminal("is not known here");
  if (::tigetstr("cup") == nullptr) reject_terminal("cannot move its cursor");
}

/// The terminal in curses' hands; it is given back whatever happens.
class Screen {
 public:
  Screen() : screen_(::newterm(nullptr, stdout, stdin)) {
    if (screen_ == nullptr) reject_terminal("is not one that curses can use");
    // A terminal that cannot do all of this is used without it.
    ::cbreak();
    ::noecho();
    ::curs_set(0);
    ::keypad(stdscr, TRUE);
    ::nodelay(stdscr, TRUE);
    if (::has_colors() && ::start_color() == OK && ::use_default_colors() == OK)
      ::init_pair(kRed, COLOR_RED, -1);
  }
  ~Screen() {
    ::endwin();
    ::delscreen(screen_);
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  void fit(Display& display) const {
    display.width = static_cast<std::size_t>(std::max(::getmaxx(stdscr), 1));
    display.rows = static_cast<std::size_t>(std::max(::getmaxy(stdscr), 1));
  }

  /// Only what has changed is sent: nothing flickers.
  void draw(const std::vector<Line>& lines) const {
    ::erase();
    int row = 0;
    for (const Line& line : lines) {
      ::attrset(static_cast<NCURSES_ATTR_T>(attributes(line.style)));
      ::mvaddstr(row++, 0, line.text.c_str());  // in the last corner it says ERR, and has drawn
    }
    ::refresh();
  }

  /// After something else has written on the terminal.
  void draw_all() const { ::clearok(stdscr, TRUE); }

 private:
  static constexpr short kRed = 1;

  static chtype attributes(Style style) {
    switch (style) {
      case Style::plain: return A_NORMAL;
      case Style::title: return A_BOLD;
      case Style::alert: return A_BOLD | static_cast<chtype>(COLOR_PAIR(kRed));
      case Style::heading: return A_REVERSE;
      case Style::faint: return A_DIM;
    }
    return A_NORMAL;
  }

  SCREEN* screen_;
};

constexpr std::array kIntervals{kLeastInterval,       milliseconds(200),   milliseconds(500),
                                milliseconds(1'000),  milliseconds(2'000), milliseconds(5'000),
                                milliseconds(10'000), milliseconds(60'000)};

milliseconds longer(milliseconds interval) {
  const auto next = std::ranges::upper_bound(kIntervals, interval);
  return next == kIntervals.end() ? interval : *next;
}

milliseconds shorter(milliseconds interval) {
  const auto next = std::ranges::lower_bound(kIntervals, interval);
  return next == kIntervals.begin() ? interval : *std::prev(next);
}

Sort next(Sort sort) { return static_cast<Sort>((static_cast<std::size_t>(sort) + 1) % kSorts.size()); }

/// @return false to quit
bool on_key(int key, Display& display, const Screen& screen) {
  constexpr int kControlL = 'L' - '@';
  switch (key) {
    case 'q':
    case 'Q': return false;
    case 's': display.sort = next(display.sort); break;
    case '+': display.interval = longer(display.interval); break;
    case '-': display.interval = shorter(display.interval); break;
    case kControlL: screen.draw_all(); break;
    default: break;  // KEY_RESIZE, too: the next picture is drawn in the new size
  }
  return true;
}

bool on_keys(Display& display, const Screen& screen) {
  for (int key = ::getch(); key != ERR; key = ::getch())
    if (!on_key(key, display, screen)) return false;
  return true;
}

void show(Watch& watch, Display display) {
  check_terminal();
  const SignalGate signals;
  const Screen screen;
  std::optional<Look> before;
  Look look = watch.look();
  auto looked = steady_clock::now();
  while (ended == 0) {
    screen.fit(display);
    screen.draw(render(look, before ? &*before : nullptr, display));
    if (!signals.wait_until(looked + display.interval) || !on_keys(display, screen)) return;
    if (steady_clock::now() < looked + display.interval) continue;
    before = std::exchange(look, watch.look());
    looked = steady_clock::now();
  }
}

void run(const Options& options) {
  Watch watch(options.file.empty() ? choose_scoreboard() : options.file);
  if (options.json) return print(to_json(watch.look()).dump(2) + "\n");
  if (options.once || ::isatty(STDOUT_FILENO) == 0) return print_picture(watch.look(), options.display);
  show(watch, options.display);
}

int fail(int status, const std::exception& error) {
  net::print_error(fmt::format("quartet-top: {}\n", error.what()));
  return status;
}

}  // namespace
}  // namespace quartet::app

int main(int argc, char** argv) try {
  quartet::net::reserve_standard_descriptors();
  std::signal(SIGXFSZ, SIG_IGN);  // stdout beyond ulimit -f is an error like others
  quartet::app::run(quartet::app::parse_options(argc, argv));
  return 0;
} catch (const quartet::app::UsageError& error) {
  return quartet::app::fail(quartet::app::kWrongUsage, error);
} catch (const std::exception& error) {
  return quartet::app::fail(quartet::app::kCannotRead, error);
}
