// One thread, one epoll, every client. Nothing may block: a slow handler delays everyone, a crash takes down
// everyone.

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <list>
#include <set>
#include <utility>

#include "common/net/system.h"
#include "common/net/transfer.h"
#include "common/server/server.h"
#include "common/server/shortage.h"

namespace quartet {
namespace {

constexpr int kEventsInTurn = 256;

struct Client {
  Client(net::Fd accepted, const http::Service& service, http::Slot& slot)
      : socket(std::move(accepted)), connection(service, slot, net::now()) {}

  net::Fd socket;
  http::Connection connection;
  std::list<Client>::iterator self;
  std::uint32_t interest = EPOLLIN;  // as epoll knows it
  bool readable = false;             // as far as we know: a short read emptied the socket
};

/// Reactor: level-triggered, interest changed only where it must be.
class Loop {
 public:
  explicit Loop(app::Server& server)
      : server_(server),
        slot_(server.scoreboard.take()),
        epoll_(net::check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {
    server_.listener.set_blocking(false);
    control(EPOLL_CTL_ADD, server_.shutdown.descriptor(), EPOLLIN, &server_.shutdown);
    control(EPOLL_CTL_ADD, server_.listener.descriptor(), EPOLLIN, &server_.listener);
  }

  int run() {
    while (!draining_ || !clients_.empty()) {
      wait_for_events();
      const auto now = net::now();
      wake_sleepers(now);
      if (now.steady >= next_sweep_) sweep(now);
      if (draining_ && server_.shutdown.overdue(now.steady)) return app::drained(server_, clients_.size());
    }
    return app::drained(server_);
  }

 private:
  using Sleeper = std::pair<http::TimePoint, Client*>;

  void control(int operation, int descriptor, std::uint32_t events, void* data) {
    epoll_event event{.events = events, .data = {.ptr = data}};
    net::check(epoll_ctl(epoll_.get(), operation, descriptor, &event), "epoll_ctl");
  }

  /// Blocks in epoll_wait(2) until an event, the first sleeper or the next sweep.
  void wait_for_events() {
    std::array<epoll_event, kEventsInTurn> events;
    const int count = epoll_wait(epoll_.get(), events.data(), kEventsInTurn, patience());
    if (!draining_ && server_.shutdown.requested())
      begin_drain();  // first: the answers to these events are the last ones
    for (int i = 0; i < count; ++i) on_event(events[static_cast<std::size_t>(i)]);
  }

  /// How long epoll may wait, in milliseconds, rounded up: nobody wakes too early.
  int patience() const {
    if (clients_.empty() && !accept_paused_) return -1;
    auto until = next_sweep_;
    if (!sleepers_.empty()) until = std::min(until, sleepers_.begin()->first);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    return static_cast<int>(std::max<std::int64_t>(0, left.count()));
  }

  void on_event(const epoll_event& event) {
    if (event.data.ptr == &server_.listener) return accept_clients();
    if (event.data.ptr == &server_.shutdown) return;  // its only work is to wake the loop
    Client& client = *static_cast<Client*>(event.data.ptr);
    if ((event.events & ~EPOLLOUT) != 0) client.readable = true;
    if (client.connection.want() != http::Want::sleep) return step(client);
    if ((event.events & (EPOLLHUP | EPOLLERR)) != 0) return drop(client);  // the peer has reset it
    park(client, 0);  // it sleeps: bytes that are not read now would wake the loop again and again
  }

  /// Goes on until the client has to wait for its socket, for time, or for its turn; or finds no memory.
  void step(Client& client, const http::Moment* tick = nullptr) {
    if (!app::spare_the_others([&] { go_on(client, tick); })) drop(client);
  }

  void go_on(Client& client, const http::Moment* tick) {
    http::Connection& connection = client.connection;
    if (tick != nullptr) connection.on_tick(*tick);
    for (int runs = 0;;) {
      switch (connection.want()) {
        case http::Want::read:
          if (connection.finishing() && net::may_close(client.socket.get(), connection)) return drop(client);
          if (!client.readable) return park(client, EPOLLIN);
          read(client);
          break;
        case http::Want::run:
          // The next turn comes as soon as the client has room for an answer.
          if (runs++ == net::kRunsInTurn) return park(client, EPOLLOUT);
          connection.run(net::now());
          break;
        case http::Want::write: {
          const auto sent = net::send_output(client.socket.get(), connection.output());
          if (sent < 0) return net::is_transient(errno) ? park(client, EPOLLOUT) : drop(client);
          connection.on_written(static_cast<std::size_t>(sent), net::now());
          break;
        }
        case http::Want::sleep: sleepers_.emplace(connection.deadline(), &client); return;
        case http::Want::close: return drop(client);
      }
    }
  }

  void read(Client& client) {
    const auto received = net::receive(client.socket.get(), buffer_);
    client.readable = received == static_cast<ssize_t>(buffer_.size());
    if (received > 0)
      return client.connection.on_bytes({buffer_.data(), static_cast<std::size_t>(received)}, net::now());
    if (received < 0 && net::is_transient(errno)) return;
    client.connection.on_eof(net::now());  // or a reset, which ends the input as well
  }

  void park(Client& client, std::uint32_t interest) {
    if (std::exchange(client.interest, interest) == interest) return;
    control(EPOLL_CTL_MOD, client.socket.get(), interest, &client);
  }

  void drop(Client& client) {
    if (client.connection.want() == http::Want::sleep)
      sleepers_.erase({client.connection.deadline(), &client});
    pause_accepting(false);
    clients_.erase(client.self);  // closing the socket takes it out of epoll
  }

  void wake_sleepers(http::Moment now) {
    while (!sleepers_.empty() && sleepers_.begin()->first <= now.steady) {
      Client& client = *sleepers_.begin()->second;
      sleepers_.erase(sleepers_.begin());
      step(client, &now);
    }
  }

  /// The timeouts of everyone, looked at ten times a second: requests set no timers.
  void sweep(http::Moment now) {
    next_sweep_ = now.steady + net::kTick;
    pause_accepting(false);
    for (auto next = clients_.begin(); next != clients_.end();) {
      Client& client = *next++;
      net::report_progress(client.socket.get(), client.connection, now);
      const http::Want want = client.connection.want();
      if (want == http::Want::sleep || (want != http::Want::run && now.steady < client.connection.deadline()))
        continue;
      step(client, &now);
    }
  }

  void accept_clients() {
    for (int accepted = 0; accepted < kEventsInTurn && !draining_; ++accepted) {
      if (clients_.size() >= server_.service.limits.max_connections) return pause_accepting(true);
      net::Fd socket = server_.listener.accept(SOCK_NONBLOCK);
      if (!socket) return pause_accepting(app::is_exhausted(errno));
      welcome(std::move(socket));
    }
  }

  void welcome(net::Fd socket) {
    app::spare_the_others([&] {
      std::list<Client> fresh;  // until epoll has taken it
      Client& client = fresh.emplace_front(std::move(socket), server_.service, slot_);
      client.self = fresh.begin();
      control(EPOLL_CTL_ADD, client.socket.get(), EPOLLIN, &client);
      clients_.splice(clients_.begin(), fresh);
    });
  }

  // A listener with clients in its queue stays readable. It must not wake the loop while no client can be
  // accepted.
  void pause_accepting(bool pause) {
    if (std::exchange(accept_paused_, pause) == pause) return;
    control(EPOLL_CTL_MOD, server_.listener.descriptor(), pause ? 0U : EPOLLIN, &server_.listener);
  }

  void begin_drain() {
    draining_ = true;
    control(EPOLL_CTL_DEL, server_.shutdown.descriptor(), 0, nullptr);  // it stays readable
    for (net::Fd& socket : server_.begin_drain(SOCK_NONBLOCK)) welcome(std::move(socket));
    server_.listener.close();
    accept_paused_ = false;
    next_sweep_ = {};
    for (Client& client : clients_) client.connection.on_shutdown(net::now());
  }

  app::Server& server_;
  http::Slot& slot_;
  net::Fd epoll_;
  std::list<Client> clients_;
  std::set<Sleeper> sleepers_;
  http::TimePoint next_sweep_{};
  bool accept_paused_ = false;
  bool draining_ = false;
  std::array<char, net::kReadBuffer> buffer_;  // shared: a client uses it only while it reads
};

int serve_with_epoll(app::Server& server) {
  Loop loop(server);
  server.announce();
  return loop.run();
}

const app::Model kEpoll{.name = "quartet-epoll",
                        .summary = "One thread, one epoll, every client.",
                        .modes = {{.worker = app::Worker::thread,
                                   .only_one_because = "one thread serves every client",
                                   .serve = serve_with_epoll}}};

}  // namespace
}  // namespace quartet

int main(int argc, char** argv) { return quartet::app::run_server(argc, argv, quartet::kEpoll); }
