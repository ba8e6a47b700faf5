// Faults that take something until none is left: memory, descriptors, threads, processes.
#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/faults/fault.h"
#include "common/net/fd.h"
#include "common/net/system.h"

namespace quartet::app {
namespace {

using http::Outcome;
using http::Response;

rlimit limit_of(__rlimit_resource resource) {
  rlimit limit{};
  net::check(::getrlimit(resource, &limit), "getrlimit");
  return limit;
}

/// "started 97 threads; then: Resource temporarily unavailable"
Response report(std::string_view done, std::uint64_t count, std::string_view things, int error) {
  const auto end =
      error == 0 ? std::string(", as many as it may") : fmt::format("; then: {}", std::strerror(error));
  return http::text_response(200, fmt::format("{} {} {}{}", done, count, things, end));
}

// --- memory

Outcome exhaust_memory(const Values&) {
  if (limit_of(RLIMIT_AS).rlim_cur == RLIM_INFINITY) {
    return http::text_response(
        400,
        "the address space has no limit, and this would take all memory: start the server with ulimit -v");
  }
  // So large that malloc(3) maps each and unmaps it again; nobody touches them. Smaller requests, of others,
  // still find room meanwhile.
  constexpr std::size_t kBlock = 64U << 20;
  std::vector<std::unique_ptr<char[]>> blocks;
  for (;;) blocks.push_back(std::make_unique_for_overwrite<char[]>(kBlock));
}

// --- threads that nobody waits for

/// Starts a thread that ends with its process, and that gets no signals: they are for those who wait for
/// them.
/// @return 0, or the error of pthread_create(3)
int start_thread(void* (*work)(void*)) {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);  // fails only for other arguments
  pthread_t thread;
  const int error = ::pthread_create(&thread, nullptr, work, nullptr);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error == 0) ::pthread_detach(thread);
  return error;
}

void* wait_for_ever(void*) {
  for (;;) ::pause();
}

/// Less than a stack is left where no further one can be had, and that may be nothing. So a part is kept back
/// for the requests of others.
Outcome leak_threads(const Values& values) {
  constexpr std::size_t kKeptBack = 4U << 20;
  void* kept_back = ::mmap(nullptr, kKeptBack, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (kept_back == MAP_FAILED) throw std::bad_alloc();
  std::uint64_t count = 0;
  int error = 0;
  while (count < values[0] && (error = start_thread(wait_for_ever)) == 0) ++count;
  ::munmap(kept_back, kKeptBack);  // whole: cannot fail
  return report("started", count, "threads", error);
}

// --- descriptors

/// @return how many were left; errno says why there are no more
std::uint64_t open_all() {
  std::uint64_t count = 0;
  while (::open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0) ++count;  // NOLINT(*-vararg): its interface
  return count;
}

/// A leak goes on, and takes each descriptor that a leaving client gives back. Whether it does so before
/// accept(2) would be chance, so the limit stands for it: from now on no free number is below it (EMFILE),
/// whatever is closed. Descriptors that are open stay so. Not 0: poll(2) fails with more than the limit.
void keep_all_taken() {
  rlimit limit = limit_of(RLIMIT_NOFILE);
  limit.rlim_cur = STDERR_FILENO + 1;
  net::check(::setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
}

Outcome leak_descriptors(const Values&) {
  constexpr rlim_t kMost = 4'096;
  if (limit_of(RLIMIT_NOFILE).rlim_cur > kMost) {
    return http::text_response(
        400, fmt::format("more than {} descriptors are allowed, and this would take all: start the server "
                         "with ulimit -n",
                         kMost));
  }
  const std::uint64_t count = open_all();
  const int error = errno;
  keep_all_taken();
  return report("opened", count, "descriptors", error);
}

// --- processes

/// Waits for the end of its parent, or of the thread that forked it (PR_SET_PDEATHSIG). It may do only what a
/// signal handler may: other threads of the parent may have held locks at the fork.
[[noreturn]] void wait_for_its_end(pid_t parent) {
  for (const int signal : {SIGTERM, SIGINT, SIGQUIT, SIGHUP}) ::signal(signal, SIG_DFL);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(0);  // it was faster
  ::close_range(0, ~0U, 0);               // copies of the clients' sockets would keep connections open
  for (;;) ::pause();
}

/// Both ends of a pipe. @throws std::system_error
std::pair<net::Fd, net::Fd> make_pipe() {
  std::array<int, 2> ends;
  net::check(::pipe2(ends.data(), O_CLOEXEC), "pipe");
  return {net::Fd(ends[0]), net::Fd(ends[1])};
}

Outcome fork_bomb(const Values& values) {
  auto [reader, writer] = make_pipe();
  const pid_t parent = ::getpid();
  std::uint64_t count = 0;
  pid_t child = 1;
  for (; count < values[0] && (child = ::fork()) > 0; ++count) {
  }
  const int error = child < 0 ? errno : 0;
  if (child == 0) wait_for_its_end(parent);
  // At the end of the pipe all of them have closed what they have inherited.
  writer.reset();
  for (char byte; ::read(reader.get(), &byte, 1) < 0 && errno == EINTR;) {
  }
  return report("forked", count, "processes", error);
}

}  // namespace

std::vector<Fault> exhaustion_faults() {
  return {{"bad-alloc", {}, exhaust_memory},
          {"fd-leak", {}, leak_descriptors},
          {"thread-leak", {Number{"most", 1'000, 10'000}}, leak_threads},
          {"fork-bomb-bounded", {Number{"most", 64, 1'000}}, fork_bomb}};
}

}  // namespace quartet::app
