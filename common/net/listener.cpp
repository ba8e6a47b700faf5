#include "common/net/listener.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <stdexcept>

#include "common/net/orphan.h"
#include "common/net/system.h"

namespace quartet::net {
namespace {

/// As long as the kernel allows (net.core.somaxconn): a client in the queue waits for less time than one that
/// repeats a lost SYN after a second.
constexpr int kBacklog = 4096;

/// @throws std::runtime_error for a socket of another family
Address local_address(int socket) {
  SocketAddress address;
  check(getsockname(socket, address.get(), &address.length), "getsockname");
  return address.address();
}

template <typename T>
void set_option(int socket, int level, int name, const T& value) {
  check(setsockopt(socket, level, name, &value, sizeof value), "setsockopt");
}

/// These three are inherited by every accepted socket (Linux).
void set_client_options(int socket) {
  const int on = 1;
  const timeval tick{.tv_sec = 0, .tv_usec = std::chrono::microseconds(kTick).count()};
  set_option(socket, IPPROTO_TCP, TCP_NODELAY, on);
  set_option(socket, SOL_SOCKET, SO_RCVTIMEO, tick);
  set_option(socket, SOL_SOCKET, SO_SNDTIMEO, tick);
}

void make_blocking(int socket, bool blocking) {
  const int flags = check(fcntl(socket, F_GETFL), "fcntl");
  check(fcntl(socket, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK), "fcntl");
}

bool is_listening(int socket) {
  int listening = 0;
  socklen_t length = sizeof listening;
  return getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) == 0 && listening != 0;
}

}  // namespace

Listener::Listener(const Address& address) : Listener(address, false) {}

Listener::Listener(const Address& address, bool shares_port) : address_(address) {
  SocketAddress socket_address(address);
  const std::string where = " " + address.to_string();
  socket_ = Fd(
      check(socket(socket_address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket for" + where));
  const int on = 1;
  set_option(descriptor(), SOL_SOCKET, SO_REUSEADDR, on);
  if (shares_port) set_option(descriptor(), SOL_SOCKET, SO_REUSEPORT, on);
  set_client_options(descriptor());
  check(bind(descriptor(), socket_address.get(), socket_address.length), "bind" + where);
  check(listen(descriptor(), kBacklog), "listen" + where);
  address_.port = local_address(descriptor()).port;
}

Listener::Listener(Fd passed) : socket_(std::move(passed)), passed_(true) {
  try {
    if (!is_listening(descriptor())) throw std::runtime_error("it is no listening socket");
    address_ = local_address(descriptor());
    set_client_options(descriptor());
    set_blocking(true);
  } catch (const std::exception& error) {
    throw std::runtime_error("the socket passed as descriptor " + std::to_string(descriptor()) + ": " +
                             error.what());
  }
}

Listener Listener::another() const {
  const int on = 1;
  set_option(descriptor(), SOL_SOCKET, SO_REUSEPORT, on);  // after bind(2): only sockets of ours can join
  return {address_, true};
}

Fd Listener::accept(int flags) { return Fd(accept4(descriptor(), nullptr, nullptr, flags | SOCK_CLOEXEC)); }

void Listener::set_blocking(bool blocking) { make_blocking(descriptor(), blocking); }

std::list<Fd> Listener::accept_all(int flags) {
  forget_listener(descriptor());  // from here on no signal handler accepts clients
  std::list<Fd> clients = take_rescued();
  for (const Fd& client : clients) make_blocking(client.get(), (flags & SOCK_NONBLOCK) == 0);
  set_blocking(false);
  for (;;) {
    Fd client = accept(flags);
    if (client) {
      clients.push_back(std::move(client));
    } else if (errno != EINTR && errno != ECONNABORTED) {
      return clients;
    }
  }
}

std::size_t Listener::unaccepted() const { return passed_ ? 0 : waiting(); }

std::size_t Listener::waiting() const {
  tcp_info info{};
  socklen_t length = sizeof info;
  check(getsockopt(descriptor(), IPPROTO_TCP, TCP_INFO, &info, &length), "getsockopt");
  return info.tcpi_unacked;  // of a listening socket this is its queue
}

void Listener::stop() {
  if (passed_) return;
  shutdown(descriptor(), SHUT_RDWR);  // fails only where it is stopped already
}

void Listener::stop_when_orphaned() const {
  if (!passed_) watch_listener(descriptor());
}

void Listener::close() {
  forget_listener(descriptor());
  socket_.reset();
}

}  // namespace quartet::net
