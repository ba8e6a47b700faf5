#include "common/net/transfer.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "common/net/system.h"

namespace quartet::net {
namespace {

/// A turn of one client: a fast reader of a large file must not keep an event loop busy.
constexpr std::uint64_t kFileTurn = 1 << 20;

ssize_t send_file(int socket, const http::FileRange& file) {
  auto offset = static_cast<off_t>(file.offset());
  const auto sent = sendfile(socket, file.descriptor(), &offset, std::min(file.length(), kFileTurn));
  if (sent == 0) {  // somebody truncated the file: the promised length cannot be kept
    errno = EPIPE;
    return -1;
  }
  return sent;
}

/// @param direction SIOCINQ: not read; SIOCOUTQ: not acknowledged. @return 0 where the socket does not tell
std::uint64_t queued(int socket, unsigned long direction) {
  int bytes = 0;
  return ioctl(socket, direction, &bytes) == 0 ? static_cast<std::uint64_t>(bytes) : 0;
}

}  // namespace

ssize_t receive(int socket, std::span<char> buffer) { return recv(socket, buffer.data(), buffer.size(), 0); }

ssize_t send_output(int socket, const http::Output& output) {
  if (output.bytes.empty()) return send_file(socket, *output.file);
  const int flags = MSG_NOSIGNAL | (output.file ? MSG_MORE : 0);
  const auto sent = send(socket, output.bytes.data(), output.bytes.size(), flags);
  if (sent < static_cast<ssize_t>(output.bytes.size()) || !output.file) return sent;
  const auto file_sent = send_file(socket, *output.file);
  return file_sent < 0 ? sent : sent + file_sent;  // an error of the file comes again with the next call
}

void half_close(int socket) {
  shutdown(socket, SHUT_WR);  // fails only where the peer has reset the connection: the next read will tell
}

void report_progress(int socket, http::Connection& connection, http::Moment now) {
  if (connection.awaits_acknowledgement()) connection.on_unacknowledged(queued(socket, SIOCOUTQ), now);
}

bool may_close(int socket, http::Connection& connection) {
  const auto unacknowledged = queued(socket, SIOCOUTQ);
  if (connection.dismissed() && unacknowledged == 0 && queued(socket, SIOCINQ) == 0) return true;
  connection.on_unacknowledged(unacknowledged, now());
  half_close(socket);
  return false;
}

bool is_reset(int socket) {
  pollfd entry{.fd = socket, .events = 0, .revents = 0};
  return poll(&entry, 1, 0) > 0;  // POLLERR, or POLLHUP: both directions are shut
}

}  // namespace quartet::net
