// One thread, one epoll, every client, as quartet-epoll.

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <list>
#include <memory>
#include <utility>

#include "common/net/system.h"
#include "common/net/transfer.h"
#include "loadtest/limits/conversation.h"
#include "loadtest/limits/limit.h"

namespace quartet::limits {
namespace {

constexpr int kEventsInTurn = 256;

struct Client {
  explicit Client(net::Fd accepted) : socket(std::move(accepted)) {}

  net::Fd socket;
  Conversation conversation;
  std::list<Client>::iterator self;
  std::uint32_t interest = EPOLLIN;  // as epoll knows it
};

/// Reactor: level-triggered, interest changed only where it must be.
class Loop {
 public:
  explicit Loop(Server& server)
      : server_(server), epoll_(net::check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {
    server_.listener.set_blocking(false);
    control(EPOLL_CTL_ADD, server_.shutdown.descriptor(), EPOLLIN, &server_.shutdown);
    control(EPOLL_CTL_ADD, server_.listener.descriptor(), EPOLLIN, &server_.listener);
  }

  void run() {
    std::array<epoll_event, kEventsInTurn> events;
    while (!server_.shutdown.requested()) {
      const int count = ::epoll_wait(epoll_.get(), events.data(), kEventsInTurn, patience());
      if (count <= 0) pause_accepting(false);  // its tick is over, or a signal has come
      for (int i = 0; i < count; ++i) on_event(events[static_cast<std::size_t>(i)]);
    }
  }

 private:
  void control(int operation, int descriptor, std::uint32_t events, void* data) {
    epoll_event event{.events = events, .data = {.ptr = data}};
    net::check(::epoll_ctl(epoll_.get(), operation, descriptor, &event), "epoll_ctl");
  }

  /// How long epoll may wait, in milliseconds.
  int patience() const { return accept_paused_ ? static_cast<int>(net::kTick.count()) : -1; }

  void on_event(const epoll_event& event) {
    if (event.data.ptr == &server_.listener) return accept_clients();
    if (event.data.ptr == &server_.shutdown) return;  // has done its work by waking us
    step(*static_cast<Client*>(event.data.ptr));
  }

  /// Receives and sends, once each: what is left makes another event.
  void step(Client& client) {
    Conversation& conversation = client.conversation;
    if (conversation.output().empty() && !receive(client)) return drop(client);
    if (!conversation.output().empty() && !send(client)) return drop(client);
    park(client, conversation.output().empty() ? EPOLLIN : EPOLLOUT);
  }

  /// @return false at the client's end
  bool receive(Client& client) {
    const auto received = net::receive(client.socket.get(), buffer_);
    if (received <= 0) return received < 0 && net::is_transient(errno);
    client.conversation.on_bytes({buffer_.data(), static_cast<std::size_t>(received)});
    return true;
  }

  /// @return false when the client is gone
  bool send(Client& client) {
    const auto sent = send_once(client.socket.get(), client.conversation.output());
    if (sent < 0) return net::is_transient(errno);
    client.conversation.on_written(static_cast<std::size_t>(sent));
    return true;
  }

  void park(Client& client, std::uint32_t interest) {
    if (std::exchange(client.interest, interest) == interest) return;
    control(EPOLL_CTL_MOD, client.socket.get(), interest, &client);
  }

  void drop(Client& client) {
    clients_.erase(client.self);  // closing the socket takes it out of epoll
    pause_accepting(false);
  }

  void accept_clients() {
    for (int accepted = 0; accepted < kEventsInTurn; ++accepted) {
      net::Fd socket = server_.listener.accept(SOCK_NONBLOCK);
      if (!socket) return pause_accepting(net::is_exhausted(errno));
      Client& client = clients_.emplace_front(std::move(socket));
      client.self = clients_.begin();
      control(EPOLL_CTL_ADD, client.socket.get(), EPOLLIN, &client);
    }
  }

  // A listener that nobody accepts from stays readable, so it leaves the set until somebody does.
  void pause_accepting(bool pause) {
    if (std::exchange(accept_paused_, pause) == pause) return;
    control(EPOLL_CTL_MOD, server_.listener.descriptor(), pause ? 0U : EPOLLIN, &server_.listener);
  }

  Server& server_;
  net::Fd epoll_;
  std::list<Client> clients_;
  bool accept_paused_ = false;
  std::array<char, net::kReadBuffer> buffer_;  // of whoever reads: idle clients have none
};

void serve_with_epoll(Server& server) {
  const auto loop = std::make_unique<Loop>(server);
  server.announce();
  loop->run();
}

const Limit kEpoll{"limit-epoll", "One thread, one epoll, a canned answer for each request."};

}  // namespace
}  // namespace quartet::limits

int main(int argc, char** argv) {
  return quartet::limits::run_limit(argc, argv, quartet::limits::kEpoll, quartet::limits::serve_with_epoll);
}
