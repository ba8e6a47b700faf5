#pragma once

#include <unistd.h>

#include <asio/awaitable.hpp>
#include <asio/basic_socket_acceptor.hpp>
#include <asio/basic_stream_socket.hpp>
#include <asio/basic_waitable_timer.hpp>
#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/posix/basic_stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <atomic>
#include <exception>
#include <new>
#include <span>
#include <string_view>
#include <system_error>

#include "common/http/connection.h"
#include "common/net/fd.h"
#include "common/net/system.h"
#include "common/net/transfer.h"
#include "common/server/shortage.h"

namespace quartet {

// The concrete executor spares every operation a virtual call and an allocation.
using Executor = asio::io_context::executor_type;
using Task = asio::awaitable<void, Executor>;
using Socket = asio::basic_stream_socket<asio::ip::tcp, Executor>;
using Acceptor = asio::basic_socket_acceptor<asio::ip::tcp, Executor>;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;
using Descriptor = asio::posix::basic_stream_descriptor<Executor>;
constexpr asio::use_awaitable_t<Executor> use_awaitable;

/// As use_awaitable, but an error is stored there and not thrown.
inline auto errors_to(std::error_code& error) { return asio::redirect_error(use_awaitable, error); }

/// Asio closes what it is given. @throws std::system_error
inline int duplicate(int descriptor) { return net::check(dup(descriptor), "dup"); }

/// Accepts from a listener that was made without Asio, whatever the real family. @throws std::system_error
inline Acceptor share_listener(asio::io_context& context, int descriptor) {
  return Acceptor(context, asio::ip::tcp::v4(), duplicate(descriptor));
}

/// Asio's socket for a client that was accepted without it, whatever the real family.
/// @throws std::system_error
inline Socket adopt(asio::io_context& context, net::Fd client) {
  Socket socket(context, asio::ip::tcp::v4(), client.get());
  client.release();
  return socket;
}

/// For co_spawn: asio::detached would swallow what a coroutine throws.
inline void rethrow(std::exception_ptr error) {
  if (error) std::rethrow_exception(error);
}

/// Suspended until then, or until the peer is gone. @return whether it is still there
inline asio::awaitable<bool, Executor> sleep_until(Socket& peer, std::chrono::steady_clock::time_point then) {
  using namespace asio::experimental::awaitable_operators;
  Timer timer(peer.get_executor(), then);
  const auto first =
      co_await (timer.async_wait(use_awaitable) || peer.async_wait(Socket::wait_error, use_awaitable));
  if (first.index() == 0) co_return true;
  if (net::is_reset(peer.native_handle())) co_return false;
  co_await timer.async_wait(use_awaitable);  // it was urgent data (tcp(7)), which is not read
  co_return true;
}

/// Suspended for a tick, or until somebody cancels the timer: then there is an error.
inline auto wait_a_tick(Timer& timer, std::error_code& error) {
  timer.expires_after(net::kTick);
  return timer.async_wait(errors_to(error));
}

/// How many clients are open, against their limit. One loop lets them in; they leave on any thread.
class Room {
 public:
  /// @param home the loop that lets clients in
  Room(asio::io_context& home, std::size_t limit) : home_(home), timer_(home), limit_(limit) {}

  bool full() const { return open_ >= limit_; }
  void enter() { ++open_; }
  void leave() {
    --open_;
    if (waiting_.exchange(false)) asio::post(home_, [this] { stop_waiting(); });
  }
  /// Suspended until a client leaves, or for a tick.
  auto wait(std::error_code& error) {
    waiting_ = true;
    return wait_a_tick(timer_, error);
  }
  void stop_waiting() { timer_.cancel(); }

 private:
  asio::io_context& home_;
  Timer timer_;
  const std::size_t limit_;
  std::atomic<std::size_t> open_{0};
  std::atomic<bool> waiting_{false};
};

/// For co_spawn of one client's coroutine: when memory runs out, only that client is dropped.
inline void forgive(std::exception_ptr error) {
  app::spare_the_others([&] { rethrow(error); });
}

/// Spawns a coroutine that a loop always needs: if memory runs out and ends it, it is started again.
template <typename Start>
void co_spawn_for_good(asio::io_context& context, Start start) {
  asio::co_spawn(context, start(), [&context, start](std::exception_ptr error) {
    try {
      rethrow(error);
    } catch (const std::bad_alloc&) {
      co_spawn_for_good(context, start);
    }
  });
}

/// Runs a loop to its end. A handler that finds no memory is skipped, and the loop goes on.
inline void run(asio::io_context& context) {
  for (bool ended = false; !ended;) {
    try {
      context.run();
      ended = true;
    } catch (const std::bad_alloc& error) {
      app::report_dropped_client(error);
    }
  }
}

/// Tells the connection how a wait for bytes has ended.
inline void tell(http::Connection& connection, std::error_code error, std::string_view bytes) {
  if (!error) return connection.on_bytes(bytes, net::now());
  if (error == asio::error::operation_aborted) return connection.on_tick(net::now());  // by the sweep
  connection.on_eof(net::now());  // or a reset, which ends the input as well
}

/// A buffer sequence that Asio asks for its buffer at the moment when it receives. Asio tries to receive once
/// before it waits. What it finds then stays in the buffer until the coroutine runs, and other clients may
/// receive meanwhile: the worker's shared buffer cannot be lent for so long. So the first try gets a buffer
/// of one byte. When Asio receives after a wait, the coroutine runs at once, and the worker's buffer is lent.
/// Thus a waiting client owns one byte.
class Reception {
 public:
  /// @param buffer of the worker, at least one byte
  explicit Reception(std::span<char> buffer) : buffer_(buffer.data(), buffer.size()) {}

  struct Buffers {
    using value_type = asio::mutable_buffer;
    using const_iterator = const asio::mutable_buffer*;
    const Reception* reception;

    const_iterator begin() const {
      reception->current_ =
          reception->trying_ ? asio::mutable_buffer(&reception->byte_, 1) : reception->buffer_;
      return &reception->current_;
    }
    const_iterator end() const { return &reception->current_ + 1; }
  };

  /// @param token for a handler of (std::error_code, std::size_t), which then asks for bytes()
  template <typename Token>
  auto async_receive(Socket& socket, Token&& token) {
    const auto initiate = [](auto handler, Socket* from, Reception* self) {
      self->trying_ = true;
      from->async_receive(Buffers{self}, std::move(handler));
      self->trying_ = false;
    };
    return asio::async_initiate<Token, void(std::error_code, std::size_t)>(initiate, token, &socket, this);
  }

  /// What was received. After a first try that found bytes, the rest is fetched.
  std::string_view bytes(Socket& socket, std::size_t received) {
    auto* data = static_cast<char*>(buffer_.data());
    if (received == 1 && current_.data() == &byte_) {
      data[0] = byte_;
      const auto rest = net::receive(socket.native_handle(), {data + 1, buffer_.size() - 1});
      if (rest > 0) received += static_cast<std::size_t>(rest);  // else: the next wait will tell
    }
    return {data, received};
  }

 private:
  const asio::mutable_buffer buffer_;
  mutable asio::mutable_buffer current_;
  mutable char byte_ = 0;
  bool trying_ = false;
};

}  // namespace quartet
