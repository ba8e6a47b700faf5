#include "tests/app/captured.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "common/net/fd.h"
#include "common/net/system.h"

namespace quartet::app {
namespace {

// A file rather than a pipe: the child never waits for a reader.
net::Fd memory_file() { return net::Fd(net::check(::memfd_create("captured", MFD_CLOEXEC), "memfd_create")); }

std::string read_all(const net::Fd& file) {
  std::string text;
  std::array<char, 4096> buffer;
  ssize_t count = 0;
  while ((count = ::pread(file.get(), buffer.data(), buffer.size(), static_cast<off_t>(text.size()))) > 0) {
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
  return text;
}

[[noreturn]] void run_child(const std::function<int()>& body, const net::Fd& output, const net::Fd& errors) {
  ::dup2(output.get(), STDOUT_FILENO);
  ::dup2(errors.get(), STDERR_FILENO);
  std::exit(body());  // not _exit: standard output is still to be flushed
}

}  // namespace

int Captured::exit_status() const { return WIFEXITED(status) ? WEXITSTATUS(status) : -1; }
int Captured::signal() const { return WIFSIGNALED(status) ? WTERMSIG(status) : 0; }

Captured run_captured(const std::function<int()>& body) {
  const net::Fd output = memory_file();
  const net::Fd errors = memory_file();
  std::fflush(nullptr);  // or the child would print it again
  const pid_t child = net::check(::fork(), "fork");
  if (child == 0) run_child(body, output, errors);
  int status = 0;
  net::check(::waitpid(child, &status, 0), "waitpid");
  return {status, read_all(output), read_all(errors)};
}

}  // namespace quartet::app
