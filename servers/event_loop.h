#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <set>
#include <utility>

#include "common/http/connection.h"
#include "common/net/fd.h"
#include "common/net/system.h"
#include "common/net/transfer.h"
#include "common/server/server.h"

namespace quartet {

/// A client of an event loop.
struct Client {
  Client(net::Fd accepted, const http::Service& service, http::Slot& slot)
      : socket(std::move(accepted)), connection(service, slot, net::now()) {}

  /// What a helper found when it gave the client back.
  enum class Fate : std::uint8_t { goes_on, waits_for_room, is_gone };

  net::Fd socket;
  http::Connection connection;
  std::list<Client>::iterator self;
  std::uint32_t interest = EPOLLIN;  // as epoll knows it
  bool watched = true;               // by epoll
  bool readable = false;             // as far as we know: a short read emptied the socket
  bool lent = false;                 // to a helper: nobody else may touch the connection
  Fate fate = Fate::goes_on;
};

/// Who does what may block a thread, in the loop's place.
class Helpers {
 public:
  /// Returns at once. From here on the client is theirs, until they give it back.
  virtual void lend(Client& client) = 0;
  /// Readable when clients come back.
  virtual int descriptor() const = 0;
  /// Those that came back, each with its fate.
  virtual std::list<Client*> take_back() = 0;

 protected:
  ~Helpers() = default;
};

/// Reactor: level-triggered, interest changed only where it must be. It serves all its clients in one thread,
/// without blocking for any of them: see epoll_server.cpp.
class EventLoop {
 public:
  static constexpr int kEventsInTurn = 256;

  struct Settings {
    /// EPOLLEXCLUSIVE where loops of other processes wait for the same listener: few of them wake for a
    /// client.
    std::uint32_t listener_events = EPOLLIN;
    /// 1 leaves the next client to the others.
    int accepts_in_turn = kEventsInTurn;
    /// Replaces this worker after --max-requests-per-worker, as long as it lives; 0: none.
    pid_t parent = 0;
    /// Null: handlers run in the loop's own thread.
    Helpers* helpers = nullptr;
  };

  /// @param slot the loop's own. @throws std::system_error
  EventLoop(app::Server& server, http::Slot& slot, const Settings& settings);

  /// Serves until the drain is over. @return kDrained or kCut
  int run();

 private:
  using Sleeper = std::pair<http::TimePoint, Client*>;

  void control(int operation, int descriptor, std::uint32_t events, void* data);
  void wait_for_events();
  int patience() const;
  void on_event(const epoll_event& event);
  void accept_clients();
  void look_again();
  bool is_full() const;
  void welcome(net::Fd socket);
  void pause_accepting(bool pause);

  void step(Client& client, const http::Moment* tick = nullptr);
  void go_on(Client& client, const http::Moment* tick);
  void read(Client& client);
  void park(Client& client, std::uint32_t interest);
  void drop(Client& client);

  void lend(Client& client);
  void leave_alone(Client& client, std::uint32_t events);
  void take_back();

  void wake_sleepers(http::Moment now);
  void sweep(http::Moment now);

  bool is_spent() const;
  void begin_drain();
  void retire();

  app::Server& server_;
  http::Slot& slot_;
  const Settings settings_;
  const std::uint64_t served_before_;  // by the slot's earlier workers
  net::Fd epoll_;
  std::list<Client> clients_;
  std::set<Sleeper> sleepers_;
  http::TimePoint next_sweep_{};
  bool accept_paused_ = false;
  bool given_back_ = false;  // clients by helpers, which take_back() has not seen yet
  bool draining_ = false;
  std::array<char, net::kReadBuffer> buffer_;  // shared: a client uses it only while it reads
};

}  // namespace quartet
