#include "common/net/transfer.h"

#include <sys/sendfile.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

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

}  // namespace

ssize_t receive(int socket, std::span<char> buffer) { return recv(socket, buffer.data(), buffer.size(), 0); }

ssize_t send_output(int socket, const http::Output& output) {
  if (output.bytes.empty()) return send_file(socket, *output.file);
  const int flags = MSG_NOSIGNAL | (output.file ? MSG_MORE : 0);
  const auto sent = send(socket, output.bytes.data(), output.bytes.size(), flags);
  if (sent < static_cast<ssize_t>(output.bytes.size()) || !output.file) return sent;
  const auto file_sent = send_file(socket, *output.file);
  return file_sent < 0 ? sent : sent + file_sent;  // what went wrong with the file will do so again
}

void half_close(int socket) {
  shutdown(socket, SHUT_WR);  // fails only where the peer has reset the connection: the next read will tell
}

}  // namespace quartet::net
