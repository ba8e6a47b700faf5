#pragma once

#include <list>

#include "common/net/address.h"
#include "common/net/fd.h"

namespace quartet::net {

/// A listening TCP socket. The sockets that it accepts inherit TCP_NODELAY and the tick (SO_RCVTIMEO,
/// SO_SNDTIMEO), so that a blocking call returns with EAGAIN after kTick at the latest, without a system call
/// per client.
class Listener {
 public:
  /// Binds and listens. @throws std::system_error "bind 127.0.0.1:8080: Address already in use"
  explicit Listener(const Address& address);
  /// Takes over a listening TCP socket that somebody else has made and keeps (systemd's socket activation).
  /// @throws std::runtime_error for any other descriptor
  explicit Listener(Fd passed);

  /// A further socket on the same address: the kernel deals newcomers out among them, by a hash of their own
  /// addresses (SO_REUSEPORT in socket(7)). Other users cannot join. @throws std::system_error
  Listener another() const;

  int descriptor() const { return socket_.get(); }
  /// With the real port.
  const Address& address() const { return address_; }

  /// The next client, waiting a tick for it at most unless the listener is non-blocking; empty with errno set
  /// when there was none: is_transient(), is_exhausted(), or EINVAL after stop().
  /// @param flags for accept4(2): SOCK_CLOEXEC is always added; event loops add SOCK_NONBLOCK
  Fd accept(int flags = 0);
  void set_blocking(bool blocking);
  /// Drain: all clients of the accept queue (a close of the listener would reset them), and those that a
  /// signal handler has accepted (rescue_queue()). Sets errno: EAGAIN, or why it left some, is_exhausted().
  std::list<Fd> accept_all(int flags = 0);
  /// How many clients wait in the queue.
  std::size_t waiting() const;
  /// How many clients of the queue a close would reset. None of a passed socket, whose owner keeps it.
  std::size_t unaccepted() const;
  /// From now on nobody can connect, and accept() fails with EINVAL in every process that shares the socket.
  /// A passed socket is left alone: its owner goes on using it.
  void stop();
  /// In a worker: when its parent dies, the handler of the signal that reports it (Shutdown::become_worker)
  /// stops the listener at once, even if the worker is busy. accept_all() then returns the clients that were
  /// in the queue.
  void stop_when_orphaned() const;
  void close();

 private:
  Listener(const Address& address, bool shares_port);

  Address address_;
  Fd socket_;
  bool passed_ = false;
};

}  // namespace quartet::net
