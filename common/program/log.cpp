#include "common/program/log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <functional>
#include <new>

#include "common/net/fd.h"

namespace quartet::app {
namespace {

/// What all processes of a server know of its log.
struct Memory {
  struct Said {
    std::atomic<std::size_t> text;  // its hash
    std::atomic<http::TimePoint::rep> at;
  };
  std::atomic<std::uint64_t> lost;  // lines
  std::array<Said, 16> said;        // found by hash: another text may take the place
};

Memory& memory() {
  static Memory own;  // where nothing can be shared each process has its own
  static Memory* const shared = [] {
    void* page = ::mmap(nullptr, sizeof(Memory), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? &own : new (page) Memory{};
  }();
  return *shared;
}

std::string& log_name() {
  static std::string name = "quartet";
  return name;
}

/// A pipe, a FIFO or a terminal once more, for writes that do not wait for its reader. Others may have the
/// same open file description: O_NONBLOCK is for one of our own.
/// @return empty without /proc, without a free descriptor, or where it is not ours to open
net::Fd reopen_nonblocking(int descriptor) {
  const auto path = fmt::format("/proc/self/fd/{}", descriptor);
  return net::Fd(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

bool may_block(int descriptor) {
  struct stat status {};
  return ::fstat(descriptor, &status) == 0 && (S_ISFIFO(status.st_mode) || ::isatty(descriptor) == 1);
}

std::string describe_signal(int signal) {
  const char* description = ::sigdescr_np(signal);  // null for real-time signals
  if (description == nullptr) return fmt::format("signal {}", signal);
  return fmt::format("signal {} ({})", signal, description);
}

}  // namespace

void set_log_name(std::string_view name) {
  log_name() = name;
  memory();
}

bool write_now(int descriptor, std::string_view line) {
  const auto is_whole = [&](ssize_t written) { return written == static_cast<ssize_t>(line.size()); };
  const auto sent = ::send(descriptor, line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent >= 0 || errno != ENOTSOCK) return is_whole(sent);
  if (!may_block(descriptor)) return is_whole(::write(descriptor, line.data(), line.size()));
  if (const net::Fd own = reopen_nonblocking(descriptor))
    return is_whole(::write(own.get(), line.data(), line.size()));
  // A pipe with any room has room for PIPE_BUF (pipe(7)).
  pollfd room{.fd = descriptor, .events = POLLOUT, .revents = 0};
  if (::poll(&room, 1, 0) != 1 || (room.revents & POLLOUT) == 0) return false;
  return is_whole(::write(descriptor, line.data(), line.size()));
}

void keep_stderr_from_blocking() {
  if (!may_block(STDERR_FILENO)) return;
  const net::Fd own = reopen_nonblocking(STDERR_FILENO);
  if (own) ::dup2(own.get(), STDERR_FILENO);  // fails only for other arguments
}

std::string log_text(std::string_view text) {
  return fmt::format("{}[{}]: {}\n", log_name(), ::getpid(), text);
}

void log_line(std::string_view text) {
  const std::uint64_t lost = memory().lost.exchange(0);
  std::string lines;
  if (lost > 0)
    lines = log_text(fmt::format("{} line{} lost: nobody read the log", lost, lost == 1 ? "" : "s"));
  lines.append(log_text(text));
  lines.resize(std::min<std::size_t>(lines.size(), PIPE_BUF));  // more would not be written at once
  lines.back() = '\n';
  if (!write_now(STDERR_FILENO, lines)) memory().lost += lost + 1;
}

void log_seldom(std::string_view text, http::TimePoint now) {
  constexpr std::chrono::minutes kSilence{1};
  const auto hash = std::hash<std::string_view>()(text);
  auto& [said, at] = memory().said[hash % memory().said.size()];
  auto last = at.load();
  if (said == hash && now < http::TimePoint(http::TimePoint::duration(last)) + kSilence) return;
  if (!at.compare_exchange_strong(last, now.time_since_epoch().count()))
    return;  // another process says it now
  said = hash;
  log_line(text);
}

std::string describe_exit(int status) {
  if (WIFSIGNALED(status)) return "was killed by " + describe_signal(WTERMSIG(status));
  return fmt::format("exited with status {}", WEXITSTATUS(status));
}

}  // namespace quartet::app
