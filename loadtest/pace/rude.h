#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <queue>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/net/fd.h"
#include "common/net/listener.h"

// Clients that behave badly beside the load. They belong to no class, and nothing of theirs is recorded.
namespace quartet::pace {

struct RudeClient;

/// What brings a client to its next step.
enum class Occasion : std::uint8_t { connected, pause_over, input };

struct RudeStep {
  std::optional<std::chrono::nanoseconds> pause{};  ///< until its next one; nothing: none by itself
  bool leaves = false;                              ///< it resets the connection
};

/// A way to be rude. A further one is an entry in rude.cpp's table, and a function.
struct RudeKind {
  std::string_view name;
  std::string_view target;  ///< that it asks for unless it is told another one; empty: for none
  int receive_buffer;       ///< bytes, which the kernel doubles; 0: the kernel's choice
  /// After a connection has ended, or was refused: the client comes again. Nothing: it stays away.
  std::optional<std::chrono::nanoseconds> returns_after;
  RudeStep (*step)(RudeClient& client, Occasion occasion);
};

std::span<const RudeKind> rude_kinds();

/// Clients of one kind.
struct RudePlan {
  std::chrono::nanoseconds time{0};  ///< when they come; they stay until the end of the run
  const RudeKind* kind = nullptr;
  std::size_t connections = 0;
  std::string target{};
};

/// What became of their connections.
struct RudeCount {
  std::uint64_t opened = 0;
  std::uint64_t refused = 0;
  std::uint64_t closed_by_server = 0;
  std::map<int, std::uint64_t> answers{};  ///< by status: responses of which a status line has come

  std::uint64_t answered() const;
};

struct RudeCrowd {
  const RudePlan& plan;
  std::string request{};  ///< its bytes
  RudeCount count{};
};

struct RudeClient {
  enum class State : std::uint8_t { away, connecting, here };

  RudeCrowd* crowd = nullptr;
  net::Fd socket{};
  State state = State::away;
  std::uint32_t visit = 0;           ///< how often it came: pauses of an earlier one mean nothing
  std::size_t sent = 0;              ///< bytes, of this visit
  std::array<char, 12> beginning{};  ///< of the response: "HTTP/1.1 408"
  std::size_t begun = 0;             ///< bytes of it
  bool ended = false;                ///< the server has closed
};

/// All of them, in the thread of the engine and between its own events: a few steps at a time, so that they
/// never make it late. Times count from the start of the schedule.
class RudeClients {
 public:
  /// @param sources as in Plan
  RudeClients(const net::Address& server, std::span<const RudePlan> plans, std::size_t sources);

  /// Readable when on_events() has something to do.
  int descriptor() const { return epoll_.get(); }
  void on_events(std::chrono::nanoseconds time);
  /// When on_time() has something to do; nothing: not as far as is known.
  std::optional<std::chrono::nanoseconds> next_wake() const;
  void on_time(std::chrono::nanoseconds time);

  /// In the order of the plans.
  std::vector<RudeCount> counts() const;
  /// Connections that this side could not even try to open, and the errno of the first one.
  std::uint64_t local_failures() const { return local_failures_; }
  int local_failure() const { return local_failure_; }

 private:
  struct Pause {
    std::chrono::nanoseconds end{0};
    RudeClient* client = nullptr;
    std::uint32_t visit = 0;

    bool operator>(const Pause& other) const { return end > other.end; }
  };

  void on_event(RudeClient& client, std::uint32_t events, std::chrono::nanoseconds time);
  void come(RudeClient& client, std::chrono::nanoseconds time);
  void step(RudeClient& client, Occasion occasion, std::chrono::nanoseconds time);
  void on_refused(RudeClient& client, int error, std::chrono::nanoseconds time);
  void on_closed(RudeClient& client, std::chrono::nanoseconds time);
  void go(RudeClient& client, std::chrono::nanoseconds time);

  const net::Address& server_;
  std::size_t sources_;
  std::size_t connections_ = 0;
  net::Fd epoll_;
  std::deque<RudeCrowd> crowds_;
  std::deque<RudeClient> clients_;
  std::priority_queue<Pause, std::vector<Pause>, std::greater<>> pauses_;
  std::uint64_t local_failures_ = 0;
  int local_failure_ = 0;
};

}  // namespace quartet::pace
