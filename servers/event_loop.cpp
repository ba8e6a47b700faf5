#include "servers/event_loop.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>

#include "common/server/shortage.h"

namespace quartet {

EventLoop::EventLoop(app::Server& server, http::Slot& slot, const Settings& settings)
    : server_(server),
      slot_(slot),
      settings_(settings),
      served_before_(slot.requests),
      epoll_(net::check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {
  server_.listener.set_blocking(false);
  control(EPOLL_CTL_ADD, server_.shutdown.descriptor(), EPOLLIN, &server_.shutdown);
  control(EPOLL_CTL_ADD, server_.listener.descriptor(), settings_.listener_events, &server_.listener);
  if (settings_.helpers != nullptr)
    control(EPOLL_CTL_ADD, settings_.helpers->descriptor(), EPOLLIN, settings_.helpers);
}

int EventLoop::run() {
  while (!draining_ || !clients_.empty()) {
    wait_for_events();
    const auto now = net::now();
    wake_sleepers(now);
    if (now.steady >= next_sweep_) sweep(now);
    if (draining_ && server_.shutdown.overdue(now.steady)) return app::drained(server_, clients_.size());
    if (!draining_ && is_spent()) retire();
  }
  return app::drained(server_);
}

// --- events

void EventLoop::control(int operation, int descriptor, std::uint32_t events, void* data) {
  epoll_event event{.events = events, .data = {.ptr = data}};
  net::check(epoll_ctl(epoll_.get(), operation, descriptor, &event), "epoll_ctl");
}

/// Blocks in epoll_wait(2) until an event, the first sleeper or the next sweep.
void EventLoop::wait_for_events() {
  std::array<epoll_event, kEventsInTurn> events;
  const int count = epoll_wait(epoll_.get(), events.data(), kEventsInTurn, patience());
  if (!draining_ && server_.shutdown.requested())
    begin_drain();  // first: the answers to these events are the last ones
  if (count < 0 && !draining_) look_again();
  const std::span happened(events.data(), static_cast<std::size_t>(std::max(0, count)));
  // First: a handler may hang, and whoever was to be accepted here would not be offered to another loop.
  if (std::ranges::any_of(happened, [&](const auto& event) { return event.data.ptr == &server_.listener; }))
    accept_clients();
  for (const epoll_event& event : happened) on_event(event);
  if (given_back_) take_back();  // last: it may drop clients that these events name
}

/// How long epoll may wait, in milliseconds, rounded up: nobody wakes too early.
int EventLoop::patience() const {
  if (clients_.empty() && !accept_paused_) return -1;
  auto until = next_sweep_;
  if (!sleepers_.empty()) until = std::min(until, sleepers_.begin()->first);
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
  return static_cast<int>(std::max<std::int64_t>(0, left.count()));
}

void EventLoop::on_event(const epoll_event& event) {
  if (event.data.ptr == &server_.listener) return;  // done already
  if (event.data.ptr == &server_.shutdown)  // its only work is to wake the loop, once: it stays readable
    return control(EPOLL_CTL_DEL, server_.shutdown.descriptor(), 0, nullptr);
  if (event.data.ptr == settings_.helpers) return void(given_back_ = true);
  Client& client = *static_cast<Client*>(event.data.ptr);
  if ((event.events & ~EPOLLOUT) != 0) client.readable = true;
  if (client.lent) return leave_alone(client, event.events);
  if (client.connection.want() != http::Want::sleep) return step(client);
  if ((event.events & (EPOLLHUP | EPOLLERR)) != 0) return drop(client);  // the peer has reset it
  park(client, 0);  // it sleeps: bytes that are not read now would wake the loop again and again
}

void EventLoop::accept_clients() {
  for (int accepted = 0; accepted < settings_.accepts_in_turn && !draining_; ++accepted) {
    net::Fd socket = server_.listener.accept(SOCK_NONBLOCK);
    if (!socket) return pause_accepting(app::is_exhausted(errno));
    welcome(std::move(socket));
    // Now, not when the next client comes: EPOLLEXCLUSIVE would wake this loop for it, and no other.
    if (is_full()) return pause_accepting(true);
  }
}

/// A signal has come: perhaps the parent's, because somebody waits whom the kernel has offered to another
/// loop only. To add the listener anew is to ask whether it is readable.
void EventLoop::look_again() {
  if (accept_paused_) return;
  pause_accepting(true);
  pause_accepting(false);
}

bool EventLoop::is_full() const { return clients_.size() >= server_.service.limits.max_connections; }

void EventLoop::welcome(net::Fd socket) {
  app::spare_the_others([&] {
    std::list<Client> fresh;  // until epoll has taken it
    Client& client = fresh.emplace_front(std::move(socket), server_.service, slot_);
    client.self = fresh.begin();
    control(EPOLL_CTL_ADD, client.socket.get(), EPOLLIN, &client);
    clients_.splice(clients_.begin(), fresh);
  });
}

// A listener with clients in its queue stays readable. It must not wake the loop while no client can be
// accepted. It is taken out, because what was added with EPOLLEXCLUSIVE cannot be modified (epoll_ctl(2)).
void EventLoop::pause_accepting(bool pause) {
  if (std::exchange(accept_paused_, pause) == pause) return;
  control(pause ? EPOLL_CTL_DEL : EPOLL_CTL_ADD, server_.listener.descriptor(), settings_.listener_events,
          &server_.listener);
}

// --- a client

/// Goes on until the client has to wait for its socket, for time, for a helper, or for its turn; or finds no
/// memory.
void EventLoop::step(Client& client, const http::Moment* tick) {
  if (!app::spare_the_others([&] { go_on(client, tick); })) drop(client);
}

void EventLoop::go_on(Client& client, const http::Moment* tick) {
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
        if (settings_.helpers != nullptr && connection.may_block()) return lend(client);
        connection.run(net::now());
        break;
      case http::Want::write: {
        if (settings_.helpers != nullptr && connection.output().file != nullptr) return lend(client);
        const auto sent = net::send_output(client.socket.get(), connection.output());
        if (sent < 0) return net::is_transient(errno) ? park(client, EPOLLOUT) : drop(client);
        connection.on_written(static_cast<std::size_t>(sent), net::now());
        break;
      }
      case http::Want::sleep:
        sleepers_.emplace(connection.deadline(), &client);
        return park(client, client.interest);  // the peer may have reset it while a helper had it
      case http::Want::close: return drop(client);
    }
  }
}

void EventLoop::read(Client& client) {
  const auto received = net::receive(client.socket.get(), buffer_);
  client.readable = received == static_cast<ssize_t>(buffer_.size());
  if (received > 0)
    return client.connection.on_bytes({buffer_.data(), static_cast<std::size_t>(received)}, net::now());
  if (received < 0 && net::is_transient(errno)) return;
  client.connection.on_eof(net::now());  // or a reset, which ends the input as well
}

void EventLoop::park(Client& client, std::uint32_t interest) {
  const bool watched = std::exchange(client.watched, true);
  if (std::exchange(client.interest, interest) == interest && watched) return;
  control(watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, client.socket.get(), interest, &client);
}

void EventLoop::drop(Client& client) {
  if (client.connection.want() == http::Want::sleep) sleepers_.erase({client.connection.deadline(), &client});
  clients_.erase(client.self);  // closing the socket takes it out of epoll
  if (!is_full()) pause_accepting(false);
}

// --- helpers

/// For a handler that is not known to be quick, or a file, which may have to be read from a disk.
void EventLoop::lend(Client& client) {
  client.lent = true;
  settings_.helpers->lend(client);
}

/// Something happens on the socket of a client that is lent: it must not wake the loop again and again.
void EventLoop::leave_alone(Client& client, std::uint32_t events) {
  if ((events & (EPOLLHUP | EPOLLERR)) == 0) return park(client, 0);
  client.watched = false;  // these are reported without interest, too
  control(EPOLL_CTL_DEL, client.socket.get(), 0, nullptr);
}

void EventLoop::take_back() {
  given_back_ = false;
  for (Client* client : settings_.helpers->take_back()) {
    client->lent = false;
    client->connection.on_returned(net::now());
    if (draining_) client->connection.on_shutdown(net::now());
    switch (client->fate) {
      case Client::Fate::goes_on: step(*client); break;
      case Client::Fate::waits_for_room: park(*client, EPOLLOUT); break;
      case Client::Fate::is_gone: drop(*client); break;
    }
  }
}

// --- time

void EventLoop::wake_sleepers(http::Moment now) {
  while (!sleepers_.empty() && sleepers_.begin()->first <= now.steady) {
    Client& client = *sleepers_.begin()->second;
    sleepers_.erase(sleepers_.begin());
    step(client, &now);
  }
}

/// The timeouts of everyone, looked at ten times a second: requests set no timers.
void EventLoop::sweep(http::Moment now) {
  next_sweep_ = now.steady + net::kTick;
  if (!is_full()) pause_accepting(false);
  for (auto next = clients_.begin(); next != clients_.end();) {
    Client& client = *next++;
    if (client.lent) continue;
    net::report_progress(client.socket.get(), client.connection, now);
    const http::Want want = client.connection.want();
    if (want == http::Want::sleep || (want != http::Want::run && now.steady < client.connection.deadline()))
      continue;
    step(client, &now);
  }
}

// --- the end

void EventLoop::begin_drain() {
  draining_ = true;
  for (net::Fd& socket : server_.begin_drain(SOCK_NONBLOCK)) welcome(std::move(socket));
  retire();
}

/// --max-requests-per-worker is used up. An orphan goes on: it would not be replaced.
bool EventLoop::is_spent() const {
  return slot_.requests - served_before_ >= server_.options.max_requests_per_worker &&
         getppid() == settings_.parent;
}

/// Takes no more clients, and gives each that it has one more answer.
void EventLoop::retire() {
  draining_ = true;
  pause_accepting(true);  // a close does not take it out of epoll while other processes have it
  server_.listener.close();
  accept_paused_ = false;
  next_sweep_ = {};
  for (Client& client : clients_) {
    if (!client.lent) client.connection.on_shutdown(net::now());
  }
}

}  // namespace quartet
