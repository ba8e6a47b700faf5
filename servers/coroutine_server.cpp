// One coroutine per client: it reads like a blocking server, but co_await gives the thread to the next
// client. Nothing may block the thread, as in the epoll server, and a crash takes down everyone. Each of the
// --workers threads runs its own loop.

#include <array>
#include <cerrno>
#include <deque>
#include <set>

#include "common/net/system.h"
#include "common/net/transfer.h"
#include "common/server/server.h"
#include "common/server/shortage.h"
#include "common/server/threads.h"
#include "servers/asio_coroutines.h"

namespace quartet {
namespace {

struct Client;

/// One thread and its loop.
struct Worker {
  explicit Worker(app::Server& shared) : server(shared), slot(shared.scoreboard.take()) {}

  app::Server& server;
  http::Slot& slot;
  std::array<char, net::kReadBuffer> buffer;  // shared: a client uses it only while it reads
  std::set<Client*> clients;
  bool draining = false;
  asio::io_context context{1};  // behind the rest: the coroutines that it destroys refer to it
  Timer tick{context};          // opens the loop's descriptors, at the start
};

/// A client's socket and conversation, known to its worker.
struct Client {
  Client(Worker& its_worker, Socket accepted)
      : worker(its_worker),
        socket(std::move(accepted)),
        connection(worker.server.service, worker.slot, net::now()) {
    worker.clients.insert(this);
  }
  ~Client() { worker.clients.erase(this); }

  int descriptor() { return socket.native_handle(); }

  Worker& worker;
  Socket socket;
  http::Connection connection;
};

Task serve_client(Worker& worker, Socket socket) {
  Client client(worker, std::move(socket));
  http::Connection& connection = client.connection;
  Reception reception(worker.buffer);
  std::error_code error;
  for (int runs = 0;;) {
    if (worker.server.shutdown.requested()) connection.on_shutdown(net::now());
    switch (connection.want()) {
      case http::Want::read: {
        if (connection.finishing() && net::may_close(client.descriptor(), connection)) co_return;
        const auto received = co_await reception.async_receive(client.socket, errors_to(error));
        runs = 0;
        tell(connection, error, reception.bytes(client.socket, received));
        break;
      }
      case http::Want::run:
        if (runs++ == net::kRunsInTurn) {
          runs = 0;
          co_await asio::post(use_awaitable);
        }
        connection.run(net::now());
        break;
      case http::Want::write:
        if (const auto sent = net::send_output(client.descriptor(), connection.output()); sent >= 0) {
          connection.on_written(static_cast<std::size_t>(sent), net::now());
        } else if (net::is_transient(errno)) {
          co_await client.socket.async_wait(Socket::wait_write, errors_to(error));
          connection.on_tick(net::now());
        } else {
          co_return;
        }
        break;
      case http::Want::sleep:
        if (!co_await sleep_until(client.socket, connection.deadline())) co_return;
        connection.on_tick(net::now());
        break;
      case http::Want::close: co_return;
    }
  }
}

/// Cancels what waits beyond its deadline, ten times a second: requests set no timers. Ends with the drain.
Task sweep(Worker& worker) {
  std::error_code error;  // none: nobody cancels the tick
  while (!worker.draining || !worker.clients.empty()) {
    co_await wait_a_tick(worker.tick, error);
    const auto now = net::now();
    if (worker.server.shutdown.overdue(now.steady)) worker.context.stop();  // its clients are cut
    for (Client* client : worker.clients) {
      net::report_progress(client->descriptor(), client->connection, now);
      const bool waits_for_time = client->connection.want() == http::Want::sleep;
      if (!waits_for_time && now.steady >= client->connection.deadline()) client->socket.cancel();
    }
  }
}

/// Deals clients out to the workers in turn. Lives on one worker's loop.
class Dealer {
 public:
  Dealer(app::Server& server, asio::io_context& home, std::deque<Worker>& workers)
      : server_(server),
        workers_(workers),
        acceptor_(share_listener(home, server.listener.descriptor())),
        shutdown_(home, duplicate(server.shutdown.descriptor())),
        room_(home, server.service.limits.max_connections) {}

  Task accept_clients() {
    std::error_code error;
    while (!server_.shutdown.requested()) {
      if (room_.full() || app::is_exhausted(error.value())) {
        co_await room_.wait(error);  // until a client leaves, or for a tick
        continue;
      }
      Worker& worker = workers_[next_];
      auto socket = co_await acceptor_.async_accept(worker.context.get_executor(), errors_to(error));
      if (!error) deal(worker, std::move(socket));
    }
    begin_drain();
  }

  Task watch_shutdown() {
    std::error_code error;
    co_await shutdown_.async_wait(Descriptor::wait_read, errors_to(error));
    acceptor_.cancel(error);  // fails where the drain has begun by itself
    room_.stop_waiting();
  }

 private:
  void deal(Worker& worker, Socket socket) {
    room_.enter();
    next_ = (next_ + 1) % workers_.size();
    const auto leave = [this](std::exception_ptr error) {
      room_.leave();
      forgive(error);
    };
    const auto spawn = [&] {
      asio::co_spawn(worker.context, serve_client(worker, std::move(socket)), leave);
    };
    if (!app::spare_the_others(spawn)) room_.leave();
  }

  void begin_drain() {
    acceptor_.close();
    for (net::Fd& client : server_.begin_drain()) {
      Worker& worker = workers_[next_];
      app::spare_the_others([&] { deal(worker, adopt(worker.context, std::move(client))); });
    }
    server_.listener.close();
    for (Worker& worker : workers_) {
      asio::post(worker.context, [&worker] {
        worker.draining = true;
        for (Client* client : worker.clients) client->connection.on_shutdown(net::now());
      });
    }
  }

  app::Server& server_;
  std::deque<Worker>& workers_;
  Acceptor acceptor_;
  Descriptor shutdown_;
  Room room_;
  std::size_t next_ = 0;
};

int serve_with_coroutines(app::Server& server) {
  std::deque<Worker> workers;
  for (std::size_t i = 0; i < server.options.workers; ++i) workers.emplace_back(server);
  asio::io_context& home = workers.front().context;
  Dealer dealer(server, home, workers);

  app::Threads threads([&] {
    for (Worker& worker : workers) worker.context.stop();
  });
  for (Worker& worker : workers) {
    co_spawn_for_good(worker.context, [&worker] { return sweep(worker); });
    threads.start(workers.size(), worker.slot, [&worker](http::Slot&) { run(worker.context); });
  }
  threads.await_started();
  server.announce();
  co_spawn_for_good(home, [&] { return dealer.accept_clients(); });
  co_spawn_for_good(home, [&] { return dealer.watch_shutdown(); });
  threads.join();
  std::size_t cut = 0;
  for (const Worker& worker : workers) cut += worker.clients.size();
  return app::drained(server, cut);
}

const app::Model kCoroutines{.name = "quartet-coroutines",
                             .summary = "One coroutine per client, on Asio.",
                             .modes = {{.worker = app::Worker::thread, .serve = serve_with_coroutines}}};

}  // namespace
}  // namespace quartet

int main(int argc, char** argv) { return quartet::app::run_server(argc, argv, quartet::kCoroutines); }
