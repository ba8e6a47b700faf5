// The peer of quartet-coroutines: Boost.Beast as its documentation has it. One C++20 coroutine per client;
// each of the --workers threads has an io_context of its own.

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <exception>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "loadtest/peers/options.h"

namespace quartet::peers {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

// Concrete executors: any_io_executor, the default, costs an indirect call for each operation.
using Executor = asio::io_context::executor_type;
using Socket = asio::basic_stream_socket<tcp, Executor>;
using Acceptor = asio::basic_socket_acceptor<tcp, Executor>;
using Timer = asio::steady_timer::rebind_executor<Executor>::other;
using Task = asio::awaitable<void, Executor>;
using Request = http::request<http::empty_body>;
using Response = http::response<http::span_body<const char>>;  // documents are sent from where they are

using TimePoint = std::chrono::steady_clock::time_point;

constexpr asio::use_awaitable_t<Executor> kAwait;
constexpr auto kResult = asio::as_tuple(kAwait);
constexpr std::chrono::minutes kIdleTimeout{10};
constexpr std::chrono::milliseconds kPause{10};

/// For asio::co_spawn, whose `detached` would swallow it.
void rethrow(std::exception_ptr error) {
  if (error) std::rethrow_exception(error);
}

/// RFC 9110, 5.6.7; formatted once a second.
const std::string& date() {
  thread_local std::time_t formatted = 0;
  thread_local std::string text;
  const std::time_t now = std::time(nullptr);
  if (now == formatted) return text;
  std::array<char, 32> buffer;
  std::tm parts;
  const auto length =
      std::strftime(buffer.data(), buffer.size(), "%a, %d %b %Y %T GMT", gmtime_r(&now, &parts));
  formatted = now;
  return text.assign(buffer.data(), length);
}

Response answer(const Request& request, const Options& options) {
  static const Document missing{"text/plain; charset=utf-8", "not found"};
  const auto found = options.documents.find(std::string_view(request.target()));
  const bool known = request.method() == http::verb::get && found != options.documents.end();
  const Document& document = known ? found->second : missing;
  Response response(known ? http::status::ok : http::status::not_found, request.version());
  response.set(http::field::server, "Beast");
  response.set(http::field::date, date());
  response.set(http::field::content_type, document.type);
  response.body() = {document.content.data(), document.content.size()};
  response.keep_alive(request.keep_alive());
  response.prepare_payload();
  return response;
}

/// Until the client has left, or sent what is no HTTP.
Task converse(Socket& socket, TimePoint& deadline, const Options& options) {
  beast::flat_buffer buffer;
  for (;;) {
    Request request;
    deadline = std::chrono::steady_clock::now() + kIdleTimeout;
    const auto [read_error, received] = co_await http::async_read(socket, buffer, request, kResult);
    if (read_error) co_return;
    Response response = answer(request, options);
    const auto [write_error, sent] = co_await http::async_write(socket, response, kResult);
    if (write_error || !response.keep_alive()) co_return;
  }
}

/// Until the deadline is over, which moves.
Task wait_for(const TimePoint& deadline) {
  Timer timer(co_await asio::this_coro::executor);
  while (std::chrono::steady_clock::now() < deadline) {
    timer.expires_at(deadline);
    co_await timer.async_wait(kAwait);
  }
}

/// As in Asio's echo_server_with_deadline.cpp: beast::tcp_stream's timeouts would cost two timerfd_settime(2)
/// in each request.
Task serve_client(Socket socket, const Options& options) {
  using namespace asio::experimental::awaitable_operators;
  TimePoint deadline = std::chrono::steady_clock::now() + kIdleTimeout;
  co_await (converse(socket, deadline, options) || wait_for(deadline));
  beast::error_code error;  // it may have left already
  socket.shutdown(tcp::socket::shutdown_send, error);
}

struct Worker {
  asio::io_context context{1};
  asio::executor_work_guard<Executor> guard{context.get_executor()};
};
using Workers = std::vector<std::unique_ptr<Worker>>;

/// Deals clients out to the workers in turn.
Task accept_clients(Acceptor& acceptor, Workers& workers, const Options& options) {
  for (std::size_t next = 0;; next = (next + 1) % workers.size()) {
    auto& context = workers[next]->context;
    auto [error, socket] = co_await acceptor.async_accept(context.get_executor(), kResult);
    if (error) {  // the client has left already, or there are no descriptors: better late than in a spin
      co_await Timer(acceptor.get_executor(), kPause).async_wait(kResult);
      continue;
    }
    socket.set_option(tcp::no_delay(true), error);  // fails when the client has left
    asio::co_spawn(context, serve_client(std::move(socket), options), rethrow);
  }
}

int serve(const Options& options) {
  Workers workers;
  for (std::size_t i = 0; i < options.workers; ++i) workers.push_back(std::make_unique<Worker>());
  auto& home = workers.front()->context;
  Acceptor acceptor(home, {asio::ip::address_v4::loopback(), options.port});
  asio::signal_set signals(home, SIGTERM, SIGINT);
  signals.async_wait([&](auto, int) {
    for (const auto& worker : workers) worker->context.stop();
  });
  asio::co_spawn(home, accept_clients(acceptor, workers, options), rethrow);
  std::vector<std::jthread> threads;
  for (const auto& worker : workers) threads.emplace_back([&worker] { worker->context.run(); });
  threads.clear();  // joins
  return 0;
}

}  // namespace
}  // namespace quartet::peers

int main(int argc, char** argv) try {
  return quartet::peers::serve(quartet::peers::parse_options(argc, argv, "peer-beast", BOOST_BEAST_NAME));
} catch (const std::exception& error) {
  std::fprintf(stderr, "peer-beast: %s\n", error.what());
  return 1;
}
