#include "loadtest/limits/blocking_client.h"

#include <array>
#include <cerrno>

#include "common/net/system.h"
#include "common/net/transfer.h"
#include "loadtest/limits/limit.h"

namespace quartet::limits {

bool receive_step(const net::Fd& client, Conversation& conversation) {
  std::array<char, net::kReadBuffer> buffer;
  const auto received = net::receive(client.get(), buffer);
  if (received <= 0) return received < 0 && net::is_transient(errno);
  conversation.on_bytes({buffer.data(), static_cast<std::size_t>(received)});
  return true;
}

bool send_all(const net::Fd& client, std::string_view bytes, const net::Shutdown& shutdown) {
  while (!bytes.empty()) {
    if (shutdown.requested()) return false;
    const auto sent = send_once(client.get(), bytes);
    if (sent < 0 && !net::is_transient(errno)) return false;
    if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

void serve_client(const net::Fd& client, const net::Shutdown& shutdown) {
  Conversation conversation;
  while (!shutdown.requested() && receive_step(client, conversation)) {
    for (auto output = conversation.output(); !output.empty(); output = conversation.output()) {
      if (!send_all(client, output, shutdown)) return;
      conversation.on_written(output.size());
    }
  }
}

}  // namespace quartet::limits
