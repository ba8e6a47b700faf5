// One coroutine per client on Asio, dealt out over the loops of --workers threads, as quartet-coroutines.

#include <unistd.h>

#include <array>
#include <cerrno>
#include <latch>
#include <memory>
#include <thread>
#include <vector>

#include "common/net/system.h"
#include "common/net/transfer.h"
#include "loadtest/limits/conversation.h"
#include "loadtest/limits/limit.h"
#include "servers/asio_coroutines.h"

namespace quartet::limits {
namespace {

/// One thread and its loop.
struct Worker {
  std::array<char, net::kReadBuffer> buffer;  // of whoever reads: idle clients have none
  asio::io_context context{1};                // last: the coroutines that it destroys refer to the buffer
};
using Workers = std::vector<std::unique_ptr<Worker>>;

Task serve_client(Worker& worker, Socket socket) {
  Conversation conversation;
  Reception reception(worker.buffer);
  std::error_code error;
  for (;;) {
    const auto received =
        co_await reception.async_receive(socket, asio::redirect_error(use_awaitable, error));
    if (error) co_return;
    conversation.on_bytes(reception.bytes(socket, received));
    while (!conversation.output().empty()) {
      const auto sent = send_once(socket.native_handle(), conversation.output());
      if (sent >= 0) {
        conversation.on_written(static_cast<std::size_t>(sent));
        if (!conversation.output().empty()) co_await asio::post(use_awaitable);  // the others' turn
      } else if (net::is_transient(errno)) {
        co_await socket.async_wait(Socket::wait_write, asio::redirect_error(use_awaitable, error));
      } else {
        co_return;
      }
    }
  }
}

/// Deals clients out to the workers in turn, on the first one's loop.
Task accept_clients(Acceptor& acceptor, Workers& workers) {
  Timer pause(acceptor.get_executor());
  std::error_code error;
  for (std::size_t next = 0;;) {
    Worker& worker = *workers[next];
    auto socket = co_await acceptor.async_accept(worker.context.get_executor(),
                                                 asio::redirect_error(use_awaitable, error));
    if (!error) {
      asio::co_spawn(worker.context, serve_client(worker, std::move(socket)), rethrow);
      next = (next + 1) % workers.size();
    } else if (net::is_exhausted(error.value())) {
      pause.expires_after(net::kTick);
      co_await pause.async_wait(use_awaitable);
    }
  }
}

Task watch_shutdown(Descriptor& shutdown, Workers& workers) {
  co_await shutdown.async_wait(Descriptor::wait_read, use_awaitable);
  for (const auto& worker : workers) worker->context.stop();
}

/// For an object of Asio's, which closes it.
int duplicate(int descriptor) { return net::check(::dup(descriptor), "dup"); }

void serve_with_coroutines(Server& server) {
  Workers workers;
  for (std::size_t i = 0; i < server.workers; ++i) workers.push_back(std::make_unique<Worker>());
  asio::io_context& home = workers.front()->context;
  Acceptor acceptor(home, asio::ip::tcp::v4(),
                    duplicate(server.listener.descriptor()));  // whatever its family
  Descriptor shutdown(home, duplicate(server.shutdown.descriptor()));
  asio::co_spawn(home, accept_clients(acceptor, workers), rethrow);
  asio::co_spawn(home, watch_shutdown(shutdown, workers), rethrow);

  std::latch started(static_cast<std::ptrdiff_t>(workers.size()));
  std::vector<std::jthread> threads;
  for (const auto& worker : workers) {
    threads.emplace_back([&context = worker->context, &started] {
      const auto work = asio::make_work_guard(context);  // it may have no client yet
      started.count_down();
      context.run();
    });
  }
  started.wait();
  server.announce();
}

const Limit kCoroutines{"limit-coroutines",
                        "One coroutine per client, on Asio, a canned answer for each request.", 1};

}  // namespace
}  // namespace quartet::limits

int main(int argc, char** argv) {
  return quartet::limits::run_limit(argc, argv, quartet::limits::kCoroutines,
                                    quartet::limits::serve_with_coroutines);
}
