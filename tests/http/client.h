#pragma once

#include <chrono>
#include <cstddef>
#include <iosfwd>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "common/http/connection.h"

namespace quartet::http {

/// "read": for GoogleTest's messages.
void PrintTo(Want want, std::ostream* out);

}  // namespace quartet::http

namespace quartet::test {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110, 5.6.7.
inline constexpr std::time_t kSunday = 784111777;

/// A route for every kind of outcome; the corpus is written for them.
const http::Router& test_router();

/// A router whose only route is "/", quick or not.
http::Router router_with(http::Handler handler, std::vector<http::Method> methods = {http::Method::get},
                         bool quick = false);

/// A complete request with a Host field. Each of `fields` ends in CRLF.
std::string request(std::string_view method, std::string_view target, std::string_view fields = "",
                    std::string_view body = "");
std::string get(std::string_view target = "/plaintext", std::string_view fields = "");
/// With a Content-Length.
std::string post(std::string_view target, std::string_view body, std::string_view fields = "");

/// What a test varies of a server.
struct Setup {
  http::Limits limits{};
  std::size_t batch_requests = 64;
  const http::Router& router = test_router();
};

/// One client's connection and the model that serves it, with a clock that only the test moves. on_tick()
/// follows every event and action with the same moment, because it must not matter.
class Client {
 public:
  explicit Client(const Setup& setup = {});

  /// Bytes arrive, if the connection wants any. @return whether it did
  bool send(std::string_view bytes);
  void half_close();
  /// The server is to drain.
  void shut_down();
  /// The clock moves on, then ticks.
  void pass(milliseconds duration);

  /// So much of what was written has not reached the client's kernel.
  void report_unacknowledged(std::uint64_t bytes);

  void run();
  /// Takes up to `most` bytes off the output into `received`.
  void write(std::size_t most = std::numeric_limits<std::size_t>::max());
  /// Does what want() says until it is read, sleep or close.
  void settle();
  /// The same, sleeping through delays.
  void play();
  /// Sends, plays and returns what came back.
  std::string exchange(std::string_view bytes);
  /// What was received, which is then forgotten.
  std::string take_received();

  http::Want want() const { return connection.want(); }
  /// From now to the deadline.
  milliseconds patience() const;
  /// Nothing more will be answered: closed, or lingering.
  bool ended() const { return want() == http::Want::close || connection.finishing(); }
  /// It asked for the end, and got all: the model closes as soon as nothing is on its way.
  bool dismissed() const { return connection.finishing() && connection.dismissed(); }
  /// The client waits and the connection waits for it.
  bool open() const { return want() == http::Want::read && !connection.finishing(); }
  std::uint64_t gauge(http::Phase phase) { return slot.gauge(phase); }
  /// The slot counts the connection in the phase that fits what it wants.
  bool gauge_fits();
  /// Connections that the slot counts, over all phases: one at most.
  std::uint64_t gauges() const;

  http::Service service;
  http::Slot slot;
  http::Moment now{http::TimePoint{} + std::chrono::hours{1}, kSunday};
  http::Connection connection;
  std::string received;
  /// How much leaves in one write.
  std::size_t write_size = std::numeric_limits<std::size_t>::max();

 private:
  milliseconds elapsed_{0};
  bool closed_ = false;

  bool step();
  bool waits() const;
  /// Calls on_tick() and checks the rules that always hold. @throws std::logic_error naming the broken one
  void tick();
};

}  // namespace quartet::test
