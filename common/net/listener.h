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

  int descriptor() const { return socket_.get(); }
  /// With the real port.
  const Address& address() const { return address_; }

  /// The next client, waiting a tick for it at most unless the listener is non-blocking; empty with errno set
  /// when there was none: is_transient(), is_exhausted(), or EINVAL after stop().
  /// @param flags for accept4(2): SOCK_CLOEXEC is always added; event loops add SOCK_NONBLOCK
  Fd accept(int flags = 0);
  void set_blocking(bool blocking);
  /// Drain: the whole accept queue in one go (closing a listener resets what is left in it), and whom a
  /// signal handler has taken in.
  std::list<Fd> accept_all(int flags = 0);
  /// Nobody can connect any more, nor accept, in any process that shares the socket (then: EINVAL). A passed
  /// socket is left alone: its owner goes on with it.
  void stop();
  /// In a worker: if its parent dies, the signal that tells it (Shutdown::become_worker) does the same on the
  /// spot, however busy the worker is. Who waits in the queue by then is left to accept_all().
  void stop_when_orphaned() const;
  void close();

 private:
  Address address_;
  Fd socket_;
  bool passed_ = false;
};

}  // namespace quartet::net
