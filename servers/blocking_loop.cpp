#include "servers/blocking_loop.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>

#include "common/net/system.h"
#include "common/net/transfer.h"
#include "common/server/shortage.h"

namespace quartet {

namespace {

/// A system call has returned after a tick, without bytes.
void tick(const net::Fd& client, http::Connection& connection) {
  const auto now = net::now();
  net::report_progress(client.get(), connection, now);
  connection.on_tick(now);
}

}  // namespace

bool read_step(const net::Fd& client, http::Connection& connection) {
  std::array<char, net::kReadBuffer> buffer;
  if (connection.finishing() && net::may_close(client.get(), connection)) return false;
  const auto received = net::receive(client.get(), buffer);
  if (received > 0) {
    connection.on_bytes({buffer.data(), static_cast<std::size_t>(received)}, net::now());
  } else if (received < 0 && net::is_transient(errno)) {
    tick(client, connection);
  } else {
    connection.on_eof(net::now());  // or a reset, which ends the input as well
  }
  return true;
}

bool write_step(const net::Fd& client, http::Connection& connection) {
  const auto sent = net::send_output(client.get(), connection.output());
  if (sent < 0 && !net::is_transient(errno)) return false;
  if (sent >= 0) connection.on_written(static_cast<std::size_t>(sent), net::now());
  if (connection.want() == http::Want::write) tick(client, connection);  // the client is slow
  return true;
}

bool sleep_step(const net::Fd& client, http::Connection& connection) {
  const auto until = std::min(connection.deadline(), std::chrono::steady_clock::now() + net::kTick);
  const auto since_boot = std::chrono::nanoseconds(until.time_since_epoch()).count();
  const timespec wake{.tv_sec = since_boot / 1'000'000'000, .tv_nsec = since_boot % 1'000'000'000};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, nullptr);  // interrupted or not: the clock decides
  connection.on_tick(net::now());
  return connection.want() != http::Want::sleep || !net::is_reset(client.get());
}

bool shutdown_step(const net::Shutdown& shutdown, http::Connection& connection, http::Slot& slot) {
  if (!shutdown.requested()) return true;
  const auto now = net::now();
  connection.on_shutdown(now);
  if (!shutdown.overdue(now.steady)) return true;
  http::add(slot.cut);
  return false;
}

void serve_client(net::Fd client, const http::Service& service, http::Slot& slot,
                  const net::Shutdown& shutdown) {
  http::Connection connection(service, slot, net::now());
  while (shutdown_step(shutdown, connection, slot)) {
    switch (connection.want()) {
      case http::Want::read:
        if (!read_step(client, connection)) return;
        break;
      case http::Want::run: connection.run(net::now()); break;
      case http::Want::write:
        if (!write_step(client, connection)) return;
        break;
      case http::Want::sleep:
        if (!sleep_step(client, connection)) return;
        break;
      case http::Want::close: return;
    }
  }
}

void serve_connection(app::Server& server, http::Slot& slot, net::Fd client) {
  app::spare_the_others([&] { serve_client(std::move(client), server.service, slot, server.shutdown); });
}

}  // namespace quartet
