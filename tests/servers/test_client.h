#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/servers/patience.h"
#include "tests/servers/server_process.h"

namespace quartet::suite {

/// One response, cut out of the stream by its own framing (RFC 9112, 6.3).
struct Answer {
  std::string head;  ///< status line and field lines, without the empty line
  int status = 0;
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body;  ///< chunks put together

  /// The first field of that name, without case; "" when there is none.
  std::string header(std::string_view name) const;
  bool closes() const { return header("Connection") == "close"; }
};

/// How a server ended a connection.
enum class End { eof, reset, none };

/// All that came until the end.
struct Rest {
  std::string bytes;
  End end = End::none;  ///< none: it did not end in time
};

/// "GET /path HTTP/1.1" with a Host; the other field lines are given without CRLF.
std::string get(std::string_view target, const std::vector<std::string>& fields = {});
/// Any method, with Content-Length for the body.
std::string request(std::string_view method, std::string_view target, std::string_view body = {},
                    std::vector<std::string> fields = {});

/// A client with a raw socket. Every wait has a deadline; what should not happen throws std::runtime_error.
class TestClient {
 public:
  explicit TestClient(const Endpoint& server) : TestClient(server, 0) {}
  explicit TestClient(const ServerProcess& server) : TestClient(server.endpoint()) {}
  /// @param receive_buffer bytes of SO_RCVBUF, to be a slow reader; 0: the kernel's choice
  TestClient(const Endpoint& server, int receive_buffer);
  ~TestClient() { close(); }
  TestClient(TestClient&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)), received_(std::move(other.received_)) {}
  TestClient& operator=(TestClient&& other) noexcept {
    std::swap(socket_, other.socket_);
    received_ = std::move(other.received_);
    return *this;
  }

  int descriptor() const { return socket_; }

  void send(std::string_view bytes);
  /// @return false when the server had closed its end and the kernel knew
  bool offer(std::string_view bytes);
  void half_close();
  void close();
  /// Closes with a RST instead of a FIN.
  void reset();

  /// @param head it answers a HEAD request, so that no body follows
  Answer read_answer(bool head = false);
  Answer exchange(std::string_view bytes, bool head = false);
  Answer get(std::string_view target) { return exchange(suite::get(target)); }

  /// Waits until so many bytes have come that were not read yet. @throws std::runtime_error at an end before
  /// that
  void receive_until(std::size_t size);
  /// Reads until the end.
  Rest read_to_end(std::chrono::milliseconds patience = kPatience);
  /// @return whether nothing came, and no end, for so long. Only what must not happen is worth waiting for.
  bool silent_for(std::chrono::milliseconds duration);
  /// @return whether bytes or the end came in time
  bool readable(std::chrono::milliseconds patience = kPatience);

 private:
  /// Receives what is there into received_. @return none when there was something
  End receive(std::chrono::milliseconds patience);
  std::string take(std::size_t count);
  std::string take_line();
  std::string take_chunks();

  int socket_;
  std::string received_;
};

/// Clients that say nothing.
std::vector<TestClient> silent_clients(const ServerProcess& server, int count);

/// @return whether a connection is refused
bool refuses(const Endpoint& server);

}  // namespace quartet::suite
