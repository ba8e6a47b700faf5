#include "loadtest/pace/rude.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "common/net/system.h"
#include "loadtest/pace/client_socket.h"

namespace quartet::pace {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

/// Steps at a time, of 10 us or so each when they connect: what is due meanwhile is late by them.
constexpr std::size_t kBatch = 8;
/// Between the bytes of those that are slow.
constexpr nanoseconds kSlow = 100ms;
/// Between the connections of one client that comes again and again.
constexpr nanoseconds kReturn = 10ms;
constexpr int kSmallBuffer = 2048;
constexpr std::size_t kSip = 16;  // bytes
constexpr std::size_t kMouthful = 1024;
/// Asks for more than the kernels at both ends take from a server whose client does not read: 1 to 4 MiB.
constexpr std::string_view kLarge = "/bytes?n=16777216";

// --- what a client can do

/// The status line tells that there was an answer.
void note_beginning(RudeClient& client, std::string_view bytes) {
  if (client.begun == client.beginning.size()) return;
  client.begun += bytes.copy(client.beginning.data() + client.begun, client.beginning.size() - client.begun);
  if (client.begun < client.beginning.size()) return;
  const std::string_view line(client.beginning.data(), client.beginning.size());
  int status = 0;
  std::from_chars(line.data() + line.size() - 3, line.data() + line.size(), status);
  if (line.starts_with("HTTP/1.") && status >= 100) ++client.crowd->count.answers[status];
}

/// @return how many bytes came of so many at most: 0 when there are none, or will never be
std::size_t read(RudeClient& client, std::size_t most) {
  std::array<char, 4096> buffer;
  const ssize_t received = ::recv(client.socket.get(), buffer.data(), std::min(most, buffer.size()), 0);
  if (received < 0 && (errno == EINTR || net::is_transient(errno))) return 0;
  client.ended = client.ended || received <= 0;
  if (received <= 0) return 0;
  note_beginning(client, {buffer.data(), static_cast<std::size_t>(received)});
  return static_cast<std::size_t>(received);
}

void read_all(RudeClient& client) {
  while (read(client, SIZE_MAX) > 0) {
  }
}

void send(RudeClient& client, std::string_view bytes) {
  const ssize_t sent = ::send(client.socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent < 0 && !net::is_transient(errno) && errno != EINTR) client.ended = true;
  if (sent > 0) client.sent += static_cast<std::size_t>(sent);
}

// --- the kinds

/// A byte of a request's head at a time, without an end.
RudeStep slow_header(RudeClient& client, Occasion occasion) {
  constexpr std::string_view kHead = "GET / HTTP/1.1\r\nHost: a\r\nSlow: ";
  if (occasion == Occasion::input) return read_all(client), RudeStep{};
  send(client, client.sent < kHead.size() ? kHead.substr(client.sent, 1) : "a");
  return {.pause = kSlow};
}

/// A few bytes of a long response at a time.
RudeStep slow_reader(RudeClient& client, Occasion occasion) {
  if (occasion == Occasion::input) return {};
  occasion == Occasion::connected ? send(client, client.crowd->request) : void(read(client, kSip));
  return {.pause = kSlow};
}

/// Leaves amid the response.
RudeStep abort_amid(RudeClient& client, Occasion occasion) {
  if (occasion == Occasion::connected) return send(client, client.crowd->request), RudeStep{};
  return {.leaves = read(client, kMouthful) > 0};
}

/// Is there, and says nothing.
RudeStep flood(RudeClient& client, Occasion occasion) {
  if (occasion == Occasion::input) read_all(client);
  return {};
}

constexpr std::array<RudeKind, 4> kKinds{{
    {"slow-header", "", 0, std::nullopt, slow_header},
    {"slow-reader", kLarge, kSmallBuffer, std::nullopt, slow_reader},
    {"abort", kLarge, 0, kReturn, abort_amid},
    {"flood", "", 0, std::nullopt, flood},
}};

bool is_of_the_server(int error) {
  return error == ECONNREFUSED || error == ECONNRESET || error == ETIMEDOUT;
}

}  // namespace

std::span<const RudeKind> rude_kinds() { return kKinds; }

std::uint64_t RudeCount::answered() const {
  std::uint64_t sum = 0;
  for (const auto& [status, number] : answers) sum += number;
  return sum;
}

RudeClients::RudeClients(const net::Address& server, std::span<const RudePlan> plans, std::size_t sources)
    : server_(server),
      sources_(sources),
      epoll_(net::check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {
  for (const RudePlan& plan : plans) {
    crowds_.push_back(
        {.plan = plan,
         .request = fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", plan.target, server.to_string())});
    for (std::size_t i = 0; i < plan.connections; ++i) {
      clients_.push_back({.crowd = &crowds_.back()});
      pauses_.push({.end = plan.time, .client = &clients_.back()});
    }
  }
}

std::optional<nanoseconds> RudeClients::next_wake() const {
  if (pauses_.empty()) return std::nullopt;
  return pauses_.top().end;
}

void RudeClients::on_time(nanoseconds time) {
  for (std::size_t i = 0; i < kBatch && !pauses_.empty() && pauses_.top().end <= time; ++i) {
    const Pause pause = pauses_.top();
    pauses_.pop();
    if (pause.visit != pause.client->visit) continue;
    pause.client->state == RudeClient::State::away ? come(*pause.client, time)
                                                   : step(*pause.client, Occasion::pause_over, time);
  }
}

void RudeClients::on_events(nanoseconds time) {
  std::array<epoll_event, kBatch> events;
  const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), 0);
  if (count < 0 && errno != EINTR) net::throw_errno("epoll_wait");
  for (int i = 0; i < count; ++i) {
    const auto& event = events[static_cast<std::size_t>(i)];
    on_event(*static_cast<RudeClient*>(event.data.ptr), event.events, time);
  }
}

void RudeClients::on_event(RudeClient& client, std::uint32_t events, nanoseconds time) {
  if (client.state == RudeClient::State::connecting) {
    if (const int error = connect_error(client.socket)) return on_refused(client, error, time);
    client.state = RudeClient::State::here;
    ++client.crowd->count.opened;
    step(client, Occasion::connected, time);
  }
  if (client.state == RudeClient::State::here && (events & EPOLLIN) != 0) step(client, Occasion::input, time);
  const bool ended = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  if (client.state == RudeClient::State::here && ended) on_closed(client, time);
}

void RudeClients::come(RudeClient& client, nanoseconds time) {
  std::optional<std::size_t> source;
  if (sources_ > 0) source = connections_++ % sources_;
  auto [socket, error] = start_to_connect(server_, source, client.crowd->plan.kind->receive_buffer);
  if (error != 0) return on_refused(client, error, time);
  client = {.crowd = client.crowd,
            .socket = std::move(socket),
            .state = RudeClient::State::connecting,
            .visit = client.visit + 1};
  // Edge-triggered: some of them do not read what there is.
  epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.ptr = &client}};
  net::check(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, client.socket.get(), &event), "epoll_ctl");
}

void RudeClients::step(RudeClient& client, Occasion occasion, nanoseconds time) {
  const RudeStep step = client.crowd->plan.kind->step(client, occasion);
  if (client.ended) return on_closed(client, time);
  if (step.leaves) {
    const linger at_once{.l_onoff = 1, .l_linger = 0};  // close() is a RST
    net::check(::setsockopt(client.socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once),
               "setsockopt(SO_LINGER)");
    return go(client, time);
  }
  if (step.pause) pauses_.push({.end = time + *step.pause, .client = &client, .visit = client.visit});
}

void RudeClients::on_refused(RudeClient& client, int error, nanoseconds time) {
  ++client.crowd->count.refused;
  if (!is_of_the_server(error) && local_failures_++ == 0) local_failure_ = error;
  go(client, time);
}

void RudeClients::on_closed(RudeClient& client, nanoseconds time) {
  ++client.crowd->count.closed_by_server;
  if (!client.ended) read(client, client.beginning.size());  // it may not have read yet what the server said
  go(client, time);
}

void RudeClients::go(RudeClient& client, nanoseconds time) {
  client.socket.reset();
  client.state = RudeClient::State::away;
  ++client.visit;
  if (const auto pause = client.crowd->plan.kind->returns_after)
    pauses_.push({.end = time + *pause, .client = &client, .visit = client.visit});
}

std::vector<RudeCount> RudeClients::counts() const {
  std::vector<RudeCount> counts;
  for (const RudeCrowd& crowd : crowds_) counts.push_back(crowd.count);
  return counts;
}

}  // namespace quartet::pace
