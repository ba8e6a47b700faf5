#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "common/net/fd.h"
#include "common/net/listener.h"
#include "loadtest/pace/client_connection.h"

// Clients that leave state in a server before the load, and ask at its end whether it is still there. They
// belong to no class, and nothing of theirs is recorded.
namespace quartet::pace {

/// What became of something that a client has left there.
enum class Fate : std::uint8_t {
  kept,
  lost,            ///< the server answers, and does not know it any more
  never_answered,  ///< refused, cut off, or no answer until the end
  never_had,       ///< it was not there just afterwards: a request's memory may end with it
};
inline constexpr std::size_t kFates = 4;
/// "kept", "lost", "never answered", "never had"
std::string_view to_string(Fate fate);

/// Clients by fate.
using FateCounts = std::array<std::size_t, kFates>;

/// Of all that they have left.
struct StateCounts {
  FateCounts sessions{};
  FateCounts counters{};
};

/// Each has a session of its own (/session/ID), and counts in /counter. All in the thread of the engine, a
/// few events at a time.
class SessionClients {
 public:
  SessionClients(const net::Address& server, std::size_t clients);

  /// Readable when on_events() has something to do.
  int descriptor() const { return epoll_.get(); }
  void on_events();

  /// Starts: each stores its session, counts, and asks whether the session is there.
  void store();
  /// Starts, once: each asks for its session and counts again, on a new connection where its own was cut.
  void ask();
  bool asked() const { return asked_; }
  /// Somebody waits for an answer.
  bool waiting() const;

  StateCounts counts() const;

 private:
  enum class Request : std::uint8_t { store, count, recall };
  /// Something that was left there.
  struct Trace {
    bool had = false;
    std::optional<bool> kept{};  ///< nothing: nobody has said so yet

    Fate fate() const;
  };
  struct Client {
    std::string value{};            ///< of its session, and the name of it
    std::string store{}, recall{};  ///< requests
    ClientConnection connection{};
    bool connecting = false;
    bool may_retry = false;     ///< once, on a new connection
    std::deque<Request> due{};  ///< the first one is in hand
    std::uint64_t counter = 0;  ///< the last value that it saw
    std::uint64_t process = 0;  ///< whose counter that is; 0: the answer does not say
    Trace session{}, counted{};
  };

  void on_event(Client& client, std::uint32_t events);
  void on_input(Client& client, bool to_the_end);
  void note(Client& client, Outcome outcome);
  void begin(Client& client);
  void send(Client& client);
  Exchange exchange(const Client& client) const;
  void on_cut(Client& client);

  const net::Address& server_;
  std::string count_;  // a request
  net::Fd epoll_;
  std::deque<Client> clients_;
  bool asked_ = false;
  std::array<char, 4096> buffer_;
};

}  // namespace quartet::pace
