#include "common/net/system.h"

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

http::Moment now() { return {std::chrono::steady_clock::now(), std::time(nullptr)}; }

}  // namespace quartet::net
