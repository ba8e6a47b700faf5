#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <thread>

#include "common/net/fd.h"
#include "common/net/listener.h"

namespace quartet::pace {

/// What a server does with one connection, whose socket blocks. It returns when the client closes, or to
/// close.
using Script = std::function<void(int socket)>;

/// A server that does what a test says, to one connection after the other.
class ScriptedServer {
 public:
  explicit ScriptedServer(Script script);
  ~ScriptedServer();
  ScriptedServer(const ScriptedServer&) = delete;

  const net::Address& address() const { return listener_.address(); }

 private:
  void serve(const Script& script);

  net::Listener listener_;
  std::thread thread_;
};

/// Reads a request without a body. @return false when the client has closed
bool read_request(int socket);
/// The same. @return its bytes; none when the client has closed
std::string request_text(int socket);
void write_all(int socket, std::string_view bytes);
/// The next close() of it is a RST.
void arm_reset(int socket);

/// Answers every request with those bytes.
Script answer(std::string_view bytes);

/// An address on which nobody listens.
net::Address nobody();

}  // namespace quartet::pace
