#include "servers/blocking_session.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>

#include "common/net/system.h"
#include "common/net/transfer.h"

namespace quartet {

void read_step(const net::Fd& client, http::Connection& connection) {
  std::array<char, net::kReadBuffer> buffer;
  if (connection.finishing()) net::half_close(client.get());
  const auto received = net::receive(client.get(), buffer);
  const auto now = net::now();
  if (received > 0) return connection.on_bytes({buffer.data(), static_cast<std::size_t>(received)}, now);
  if (received < 0 && net::is_transient(errno)) return connection.on_tick(now);
  connection.on_eof(now);  // or a reset, which ends the input as well
}

bool write_step(const net::Fd& client, http::Connection& connection) {
  const auto sent = net::send_output(client.get(), connection.output());
  if (sent >= 0) {
    connection.on_written(static_cast<std::size_t>(sent), net::now());
  } else if (net::is_transient(errno)) {
    connection.on_tick(net::now());
  } else {
    return false;
  }
  return true;
}

void sleep_step(http::Connection& connection) {
  const auto until = std::min(connection.deadline(), std::chrono::steady_clock::now() + net::kTick);
  const auto since_boot = std::chrono::nanoseconds(until.time_since_epoch()).count();
  const timespec wake{.tv_sec = since_boot / 1'000'000'000, .tv_nsec = since_boot % 1'000'000'000};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, nullptr);  // interrupted or not: the clock decides
  connection.on_tick(net::now());
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
      case http::Want::read: read_step(client, connection); break;
      case http::Want::run: connection.run(net::now()); break;
      case http::Want::write:
        if (!write_step(client, connection)) return;
        break;
      case http::Want::sleep: sleep_step(connection); break;
      case http::Want::close: return;
    }
  }
}

}  // namespace quartet
