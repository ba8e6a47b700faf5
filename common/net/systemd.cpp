#include "common/net/systemd.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "common/net/system.h"

namespace quartet::net {
namespace {

constexpr int kFirstPassed = 3;  // SD_LISTEN_FDS_START

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

std::optional<Fd> passed_socket() {
  const bool for_us = variable("LISTEN_PID") == std::to_string(::getpid());
  const std::string count = variable("LISTEN_FDS");
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
  if (!for_us || count.empty() || count == "0") return std::nullopt;
  if (count != "1")
    throw std::runtime_error("LISTEN_FDS=" + count + ": one listening socket can be served, not several");
  check(::fcntl(kFirstPassed, F_SETFD, FD_CLOEXEC), "LISTEN_FDS=1, but descriptor 3");
  return Fd(kFirstPassed);
}

void notify_service_manager(const std::string& state) {
  const std::string path = variable("NOTIFY_SOCKET");
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  if (path.empty() || path.size() >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, path.data(), path.size());
  if (path.front() == '@') address.sun_path[0] = '\0';  // the abstract namespace (unix(7))
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  [[maybe_unused]] const auto sent = ::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL,
                                              reinterpret_cast<const sockaddr*>(&address), length);
}

}  // namespace quartet::net
