// One coroutine per client: it reads like a blocking server, but co_await gives the thread to the next
// client. Nothing may block the thread, as in the epoll server, and a crash takes down everyone. Each of the
// --workers threads runs its own loop.

#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <memory>
#include <set>
#include <vector>

#include "common/net/system.h"
#include "common/net/transfer.h"
#include "common/server/server.h"
#include "common/server/shortage.h"
#include "common/server/threads.h"
#include "servers/asio_coroutines.h"

namespace quartet {
namespace {

struct Session;

/// One thread and its loop.
struct Worker {
  explicit Worker(app::Server& shared) : server(shared), slot(shared.scoreboard.take()) {}

  app::Server& server;
  http::Slot& slot;
  std::array<char, net::kReadBuffer> buffer;  // of whoever reads: idle clients have none
  std::set<Session*> sessions;
  bool draining = false;
  std::size_t cut = 0;
  asio::io_context context{1};  // behind the rest: the coroutines that it destroys refer to it
  Timer tick{context};          // opens the loop's descriptors, at the start
};

/// A client's socket and conversation, known to its worker.
struct Session {
  Session(Worker& its_worker, Socket accepted)
      : worker(its_worker),
        socket(std::move(accepted)),
        connection(worker.server.service, worker.slot, net::now()) {
    worker.sessions.insert(this);
  }
  ~Session() { worker.sessions.erase(this); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Worker& worker;
  Socket socket;
  http::Connection connection;
};

Task serve_client(Worker& worker, Socket socket) {
  Session session(worker, std::move(socket));
  http::Connection& connection = session.connection;
  Reception reception(worker.buffer);
  std::error_code error;
  for (int runs = 0;;) {
    if (worker.server.shutdown.requested()) connection.on_shutdown(net::now());
    switch (connection.want()) {
      case http::Want::read: {
        if (connection.finishing() && net::may_close(session.socket.native_handle(), connection)) co_return;
        const auto received =
            co_await reception.async_receive(session.socket, asio::redirect_error(use_awaitable, error));
        runs = 0;
        if (error == asio::error::operation_aborted) {
          connection.on_tick(net::now());
        } else if (error) {
          connection.on_eof(net::now());  // or a reset, which ends the input as well
        } else {
          connection.on_bytes(reception.bytes(session.socket, received), net::now());
        }
        break;
      }
      case http::Want::run:
        if (runs++ == net::kRunsInTurn) {
          runs = 0;
          co_await asio::post(use_awaitable);
        }
        connection.run(net::now());
        break;
      case http::Want::write: {
        const auto sent = net::send_output(session.socket.native_handle(), connection.output());
        if (sent >= 0) {
          connection.on_written(static_cast<std::size_t>(sent), net::now());
        } else if (net::is_transient(errno)) {
          co_await session.socket.async_wait(Socket::wait_write, asio::redirect_error(use_awaitable, error));
          connection.on_tick(net::now());
        } else {
          co_return;
        }
        break;
      }
      case http::Want::sleep:
        if (!co_await sleep_until(session.socket, connection.deadline())) co_return;
        connection.on_tick(net::now());
        break;
      case http::Want::close: co_return;
    }
  }
}

/// Cancels what waits beyond its deadline, ten times a second: requests set no timers. Ends with the drain.
Task sweep(Worker& worker) {
  while (!worker.draining || !worker.sessions.empty()) {
    worker.tick.expires_after(net::kTick);
    co_await worker.tick.async_wait(use_awaitable);
    const auto now = net::now();
    if (worker.server.shutdown.overdue(now.steady)) {
      worker.cut = worker.sessions.size();
      worker.context.stop();
    }
    for (Session* session : worker.sessions) {
      net::report_progress(session->socket.native_handle(), session->connection, now);
      const bool waits_for_time = session->connection.want() == http::Want::sleep;
      if (!waits_for_time && now.steady >= session->connection.deadline()) session->socket.cancel();
    }
  }
}

/// Deals clients out to the workers in turn. Lives on the first worker's loop.
class Dealer {
 public:
  Dealer(app::Server& server, std::vector<std::unique_ptr<Worker>>& workers)
      : server_(server),
        workers_(workers),
        home_(workers.front()->context),
        acceptor_(home_, asio::ip::tcp::v4(),
                  net::check(dup(server.listener.descriptor()), "dup")),  // whatever its real family
        shutdown_(home_, net::check(dup(server.shutdown.descriptor()), "dup")),
        room_(home_) {}

  Task accept_clients() {
    std::error_code error;
    while (!server_.shutdown.requested()) {
      Worker& worker = *workers_[next_];
      const auto limit = server_.service.limits.max_connections;
      while ((limit != 0 && open_ >= limit) || app::is_exhausted(error.value())) {
        waiting_ = true;  // until a client leaves, or for a tick
        room_.expires_after(net::kTick);
        co_await room_.async_wait(asio::redirect_error(use_awaitable, error));
        if (server_.shutdown.requested()) co_return begin_drain();
      }
      auto socket = co_await acceptor_.async_accept(worker.context.get_executor(),
                                                    asio::redirect_error(use_awaitable, error));
      if (!error) deal(worker, std::move(socket));
    }
    begin_drain();
  }

  Task watch_shutdown() {
    std::error_code error;
    co_await shutdown_.async_wait(Descriptor::wait_read, asio::redirect_error(use_awaitable, error));
    acceptor_.cancel(error);  // fails where the drain has begun by itself
    room_.cancel();
  }

 private:
  void deal(Worker& worker, Socket socket) {
    ++open_;
    next_ = (next_ + 1) % workers_.size();
    const auto leave = [this](std::exception_ptr error) {
      --open_;
      if (waiting_.exchange(false)) asio::post(home_, [this] { room_.cancel(); });
      forgive(error);
    };
    const auto spawn = [&] {
      asio::co_spawn(worker.context, serve_client(worker, std::move(socket)), leave);
    };
    if (!app::spare_the_others(spawn)) --open_;
  }

  void begin_drain() {
    server_.announce_drain();
    acceptor_.close();
    for (net::Fd& client : server_.listener.accept_all()) {
      Worker& worker = *workers_[next_];
      app::spare_the_others([&] { deal(worker, adopt(worker.context, std::move(client))); });
    }
    server_.listener.close();
    for (const auto& worker : workers_) {
      asio::post(worker->context, [&worker = *worker] {
        worker.draining = true;
        for (Session* session : worker.sessions) session->connection.on_shutdown(net::now());
      });
    }
  }

  app::Server& server_;
  std::vector<std::unique_ptr<Worker>>& workers_;
  asio::io_context& home_;
  Acceptor acceptor_;
  Descriptor shutdown_;
  Timer room_;
  std::size_t next_ = 0;
  std::atomic<std::size_t> open_{0};
  std::atomic<bool> waiting_{false};
};

int serve_with_coroutines(app::Server& server) {
  std::vector<std::unique_ptr<Worker>> workers;
  for (std::size_t i = 0; i < server.options.workers; ++i)
    workers.push_back(std::make_unique<Worker>(server));
  Dealer dealer(server, workers);

  app::Threads threads([&] {
    for (const auto& worker : workers) worker->context.stop();
  });
  for (const auto& worker : workers) {
    co_spawn_for_good(worker->context, [&worker = *worker] { return sweep(worker); });
    threads.start(workers.size(), worker->slot, [&worker = *worker](http::Slot&) { run(worker.context); });
  }
  threads.await_started();
  server.announce();
  co_spawn_for_good(workers.front()->context, [&] { return dealer.accept_clients(); });
  co_spawn_for_good(workers.front()->context, [&] { return dealer.watch_shutdown(); });
  threads.join();
  std::size_t cut = 0;
  for (const auto& worker : workers) cut += worker->cut;
  return app::drained(server, cut);
}

const app::Model kCoroutines{.name = "quartet-coroutines",
                             .summary = "One coroutine per client, on Asio.",
                             .modes = {{.worker = app::Worker::thread, .serve = serve_with_coroutines}}};

}  // namespace
}  // namespace quartet

int main(int argc, char** argv) { return quartet::app::run_server(argc, argv, quartet::kCoroutines); }
