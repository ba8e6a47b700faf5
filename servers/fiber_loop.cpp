#include "servers/fiber_loop.h"

#include <algorithm>
#include <cerrno>

#include "common/net/system.h"
#include "common/net/transfer.h"
#include "servers/blocking_loop.h"

namespace quartet {

namespace {

/// A client, on the stack of its fiber.
struct Client {
  Client(FiberScheduler& its_scheduler, Fiber& its_fiber, const http::Service& service)
      : scheduler(its_scheduler),
        fiber(its_fiber),
        socket(std::move(fiber.socket)),
        connection(service, fiber.worker->slot, net::now()) {
    fiber.connection = &connection;
    scheduler.watch(fiber, socket.get());
  }
  ~Client() { fiber.connection = nullptr; }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  FiberScheduler& scheduler;
  Fiber& fiber;
  const net::Fd socket;
  http::Connection connection;
  int runs = 0;  // in this turn
};

/// Suspended until something happens on the socket, or the connection's deadline has passed.
void wait(Client& client) {
  auto until = client.connection.deadline();
  if (client.connection.awaits_acknowledgement())  // which no event tells
    until = std::min(until, std::chrono::steady_clock::now() + net::kTick);
  client.scheduler.wait(client.fiber, until);
  client.runs = 0;
  if (client.fiber.readable && client.connection.want() == http::Want::read)
    return;  // on_bytes() tells the time
  const auto now = net::now();
  net::report_progress(client.socket.get(), client.connection, now);
  client.connection.on_tick(now);
}

// These two look at errno, and so must not be inlined into what suspends: see Context.

[[gnu::noinline]] void read(Client& client) {
  auto& buffer = client.fiber.worker->buffer;
  const auto received = net::receive(client.socket.get(), buffer);
  client.fiber.readable = client.fiber.reads_to_end || received == static_cast<ssize_t>(buffer.size());
  if (received > 0) {
    client.connection.on_bytes({buffer.data(), static_cast<std::size_t>(received)}, net::now());
  } else if (received < 0 && net::is_transient(errno)) {
    client.fiber.readable = false;
  } else {
    client.connection.on_eof(net::now());  // or a reset, which ends the input as well
  }
}

/// @return why nothing was sent, or 0
[[gnu::noinline]] int write(Client& client) {
  const auto sent = net::send_output(client.socket.get(), client.connection.output());
  if (sent < 0) return errno;
  client.connection.on_written(static_cast<std::size_t>(sent), net::now());
  return 0;
}

bool read_step(Client& client) {
  if (client.connection.finishing() && net::may_close(client.socket.get(), client.connection)) return false;
  client.fiber.readable ? read(client) : wait(client);
  return true;
}

void run_step(Client& client) {
  if (client.runs == net::kRunsInTurn) {
    client.scheduler.end_turn(client.fiber);
    client.runs = 0;
  }
  const auto now = net::now();
  if (client.runs++ > 0) FiberScheduler::begin_request(client.fiber, now.steady);
  client.connection.run(now);
}

bool write_step(Client& client) {
  const int error = write(client);
  if (error == 0) return true;
  if (!net::is_transient(error)) return false;
  client.scheduler.watch_room(client.fiber, client.socket.get());
  wait(client);
  return true;
}

bool sleep_step(Client& client) {
  // A reset that has come already is told by no further event.
  if (client.fiber.reads_to_end && net::is_reset(client.socket.get())) return false;
  client.scheduler.sleep(client.fiber, client.connection.deadline());
  client.connection.on_tick(net::now());
  return client.connection.want() != http::Want::sleep || !net::is_reset(client.socket.get());
}

}  // namespace

void serve_client(FiberScheduler& scheduler, Fiber& fiber, const http::Service& service,
                  const net::Shutdown& shutdown) {
  Client client(scheduler, fiber, service);
  while (shutdown_step(shutdown, client.connection, fiber.worker->slot)) {
    switch (client.connection.want()) {
      case http::Want::read:
        if (!read_step(client)) return;
        break;
      case http::Want::run: run_step(client); break;
      case http::Want::write:
        if (!write_step(client)) return;
        break;
      case http::Want::sleep:
        if (!sleep_step(client)) return;
        break;
      case http::Want::close: return;
    }
  }
}

}  // namespace quartet
