#include "common/net/system.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

namespace quartet::net {

bool is_transient(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

bool is_exhausted(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

void throw_errno(const std::string& what) { throw std::system_error(errno, std::generic_category(), what); }

int check(int result, const std::string& what) {
  if (result == -1) throw_errno(what);
  return result;
}

void reserve_standard_descriptors() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(descriptor, F_GETFD) != -1) continue;
    // Opened for the wrong direction, so that every read or write fails (as in gnulib's stdopen). It gets the
    // lowest free number, which is this one. Without /dev a directory serves as well.
    const int flags = descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY;
    if (open("/dev/null", flags) == -1) check(open("/", O_RDONLY | O_DIRECTORY), "open /");
  }
}

void print_error(std::string_view line) {
  [[maybe_unused]] const auto written = write(STDERR_FILENO, line.data(), line.size());
}

http::Moment now() { return {std::chrono::steady_clock::now(), std::time(nullptr)}; }

}  // namespace quartet::net
