#include "tests/pace/scripted_server.h"

#include <sys/socket.h>

#include <cerrno>
#include <string>

#include "common/net/system.h"

namespace quartet::pace {
namespace {

const net::Address kAnyPort{"127.0.0.1", 0};

}  // namespace

ScriptedServer::ScriptedServer(Script script)
    : listener_(kAnyPort), thread_([this, script = std::move(script)] { serve(script); }) {}

ScriptedServer::~ScriptedServer() {
  listener_.stop();
  thread_.join();
}

void ScriptedServer::serve(const Script& script) {
  for (;;) {
    const net::Fd client = listener_.accept();
    if (client) {
      script(client.get());
    } else if (!net::is_transient(errno)) {
      return;
    }
  }
}

bool read_request(int socket) { return !request_text(socket).empty(); }

std::string request_text(int socket) {
  std::string received;
  while (!received.ends_with("\r\n\r\n")) {
    char buffer[4096];
    const auto count = ::recv(socket, buffer, sizeof buffer, 0);
    if (count < 0 && net::is_transient(errno)) continue;
    if (count <= 0) return {};
    received.append(buffer, static_cast<std::size_t>(count));
  }
  return received;
}

void write_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto count = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0 && net::is_transient(errno)) continue;
    if (count < 0) return;  // the client has gone, which is its right
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

void arm_reset(int socket) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  net::check(::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), "setsockopt");
}

Script answer(std::string_view bytes) {
  return [bytes](int socket) {
    while (read_request(socket)) write_all(socket, bytes);
  };
}

net::Address nobody() { return net::Listener(kAnyPort).address(); }

}  // namespace quartet::pace
