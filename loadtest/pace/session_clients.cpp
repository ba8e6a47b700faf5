#include "loadtest/pace/session_clients.h"

#include <fmt/format.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/net/system.h"

namespace quartet::pace {
namespace {

constexpr std::size_t kSteps = 8;

/// A number of what /counter answers; 0: there is none.
std::uint64_t number_in(const nlohmann::json& answer, const char* name) {
  const auto found = answer.is_object() ? answer.find(name) : answer.end();
  return found != answer.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

}  // namespace

std::string_view to_string(Fate fate) {
  constexpr std::array<std::string_view, kFates> kNames{"kept", "lost", "never answered", "never had"};
  return kNames.at(static_cast<std::size_t>(fate));
}

Fate SessionClients::Trace::fate() const {
  if (!had) return Fate::never_had;
  if (!kept) return Fate::never_answered;
  return *kept ? Fate::kept : Fate::lost;
}

SessionClients::SessionClients(const net::Address& server, std::size_t clients)
    : server_(server),
      // atomic: what is lost is not lost in a race
      count_(fmt::format("GET /counter?sync=atomic HTTP/1.1\r\nHost: {}\r\n\r\n", server.to_string())),
      epoll_(net::check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {
  const auto now = std::chrono::system_clock::now().time_since_epoch().count();
  for (std::size_t i = 0; i < clients; ++i) {
    Client& client = clients_.emplace_back();
    client.value = fmt::format("pace-{}-{}", now, i);  // as nobody else has one
    const auto head = fmt::format("/session/{} HTTP/1.1\r\nHost: {}\r\n", client.value, server.to_string());
    client.store = fmt::format("PUT {}Content-Length: {}\r\n\r\n{}", head, client.value.size(), client.value);
    client.recall = fmt::format("GET {}\r\n", head);
  }
}

void SessionClients::store() {
  for (Client& client : clients_) {
    // So often that a counter that begins anew is not as far when each has asked it once.
    client.due = {Request::store};
    client.due.insert(client.due.end(), clients_.size() + 1, Request::count);
    client.due.push_back(Request::recall);
    begin(client);
  }
}

void SessionClients::ask() {
  if (std::exchange(asked_, true)) return;
  for (Client& client : clients_) {
    if (!client.due.empty()) client.connection.close();
    client.connecting = false;
    client.may_retry = client.connection.is_open();
    client.due = {Request::recall, Request::count};
    begin(client);
  }
}

bool SessionClients::waiting() const {
  return std::ranges::any_of(clients_, [](const Client& client) { return !client.due.empty(); });
}

StateCounts SessionClients::counts() const {
  StateCounts counts;
  for (const Client& client : clients_) {
    ++counts.sessions.at(static_cast<std::size_t>(client.session.fate()));
    ++counts.counters.at(static_cast<std::size_t>(client.counted.fate()));
  }
  return counts;
}

void SessionClients::on_events() {
  std::array<epoll_event, kSteps> events;
  const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), 0);
  if (count < 0 && errno != EINTR) net::throw_errno("epoll_wait");
  for (int i = 0; i < count; ++i) {
    const auto& event = events.at(static_cast<std::size_t>(i));
    on_event(*static_cast<Client*>(event.data.ptr), event.events);
  }
}

void SessionClients::on_event(Client& client, std::uint32_t events) {
  if (std::exchange(client.connecting, false))
    return client.connection.finish_open() == 0 ? send(client) : on_cut(client);
  const bool ended = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  if (client.due.empty() && (ended || (events & EPOLLIN) != 0)) return on_cut(client);
  if (ended || (events & EPOLLIN) != 0) on_input(client, ended);
}

void SessionClients::on_input(Client& client, bool to_the_end) {
  const auto outcome = client.connection.receive(buffer_, to_the_end);
  if (!outcome) return;
  if (!is_answer(*outcome)) return on_cut(client);
  note(client, *outcome);
  client.due.pop_front();
  if (!client.connection.reusable()) client.connection.close();
  if (!client.due.empty()) begin(client);
}

/// What an answer says.
void SessionClients::note(Client& client, Outcome outcome) {
  const bool good = outcome == Outcome::ok;
  if (client.due.front() == Request::recall) {
    asked_ ? void(client.session.kept = good) : void(client.session.had = good);
  } else if (client.due.front() == Request::count) {
    const auto answer =
        good ? nlohmann::json::parse(client.connection.response().body(), nullptr, false) : nlohmann::json();
    const auto value = number_in(answer, "value"), process = number_in(answer, "pid");
    // The counter of another process may be further.
    const bool counted_on = client.counter > 0 && value > client.counter && process == client.process;
    asked_ ? void(client.counted.kept = counted_on) : void(client.counted.had = counted_on);
    client.counter = value;
    client.process = process;
  }
}

/// Its next request, on a new connection where it has none.
void SessionClients::begin(Client& client) {
  if (client.connection.is_open()) return send(client);
  if (client.connection.open(server_, std::nullopt) != 0) return on_cut(client);
  client.connecting = true;
  epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.ptr = &client}};
  net::check(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, client.connection.descriptor(), &event), "epoll_ctl");
}

/// A request is smaller than the room that an empty connection has.
void SessionClients::send(Client& client) {
  client.connection.begin(exchange(client));
  if (client.connection.send() || !client.connection.sent_all()) on_cut(client);
}

Exchange SessionClients::exchange(const Client& client) const {
  switch (client.due.front()) {
    case Request::store: return {.bytes = client.store, .method = http::Method::put};
    case Request::count: return {.bytes = count_, .keep_body = true};
    case Request::recall: break;
  }
  return {.bytes = client.recall, .expected_body = &client.value};
}

/// Its connection is closed or broken. What it had yet to ask nobody answers, unless the connection may have
/// been cut before that and without its knowledge.
void SessionClients::on_cut(Client& client) {
  client.connection.close();
  if (std::exchange(client.may_retry, false) && !client.due.empty()) return begin(client);
  client.due.clear();
}

}  // namespace quartet::pace
