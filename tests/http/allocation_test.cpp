// The hot path allocates nothing, and an idle connection holds nothing: see common/http/pooled.h.
#include <gtest/gtest.h>

#include <deque>

#include "tests/http/allocations.h"
#include "tests/http/client.h"

namespace quartet::test {
namespace {

using http::Want;

/// A connection without Client, which allocates itself.
struct Bare {
  explicit Bare(const http::Service& service) : connection(service, slot, now) {}

  void exchange(std::string_view bytes) {
    for (connection.on_bytes(bytes, now); connection.want() != Want::read;) {
      if (connection.want() == Want::run) {
        connection.run(now);
      } else {
        connection.on_written(connection.output().bytes.size(), now);
      }
    }
  }

  http::Slot slot;
  http::Moment now{http::TimePoint{} + std::chrono::hours{1}, kSunday};
  http::Connection connection;
};

const http::Service& service() {
  static const http::Service shared{.router = test_router(), .limits = {}};
  return shared;
}

/// More than once: buffers change their roles in the pool, and each must grow.
void warm_up(Bare& client, std::string_view bytes) {
  for (int i = 0; i < 4; ++i) client.exchange(bytes);
}

template <typename Action>
std::size_t allocations_of(Action action) {
  const auto before = allocations.count;
  action();
  return allocations.count - before;
}

TEST(Allocation, IsCounted) {
  EXPECT_GE(allocations_of([] { std::string text(1000, 'x'); }), 1U);
}

TEST(Allocation, IsNoneForAKeepAliveGet) {
  const auto bytes = get("/plaintext", "User-Agent: wrk\r\nAccept: */*\r\n");
  Bare client(service());
  warm_up(client, bytes);
  EXPECT_EQ(allocations_of([&] {
              for (int i = 0; i < 100; ++i) client.exchange(bytes);
            }),
            0U);
}

TEST(Allocation, IsNoneForAPipeline) {
  std::string bytes;
  for (int i = 0; i < 16; ++i) bytes += get();
  Bare client(service());
  warm_up(client, bytes);
  EXPECT_EQ(allocations_of([&] {
              for (int i = 0; i < 100; ++i) client.exchange(bytes);
            }),
            0U);
}

TEST(Allocation, IsNoneForARequestInParts) {
  const auto bytes = get();
  Bare client(service());
  const auto exchange_in_parts = [&] {
    client.connection.on_bytes(std::string_view(bytes).substr(0, 20), client.now);
    client.exchange(std::string_view(bytes).substr(20));
  };
  exchange_in_parts();
  EXPECT_EQ(allocations_of(exchange_in_parts), 0U);
}

TEST(Allocation, IsNoneWhenTheSecondOfTheDateChanges) {
  const auto bytes = get();
  Bare client(service());
  client.exchange(bytes);
  ++client.now.unix_seconds;
  EXPECT_EQ(allocations_of([&] { client.exchange(bytes); }), 0U);
}

/// Sends a body in pieces of a kilobyte. @return the bytes allocated for it
std::size_t bytes_allocated_for_body(std::string_view path, std::size_t kilobytes) {
  const std::string piece(1024, 'b');
  const auto head = request("POST", path, "Content-Length: " + std::to_string(kilobytes * 1024) + "\r\n");
  Bare client(service());
  client.connection.on_bytes(head, client.now);
  const auto before = allocations.bytes;
  for (std::size_t i = 0; i < kilobytes; ++i) client.connection.on_bytes(piece, client.now);
  return allocations.bytes - before;
}

TEST(DiscardedBody, IsNotKept) {
  EXPECT_GE(bytes_allocated_for_body("/echo", 512), std::size_t{512 * 1024});
  EXPECT_LT(bytes_allocated_for_body("/nowhere", 512), std::size_t{64 * 1024});
}

TEST(IdleConnection, HoldsNoBufferThatTheNextOneNeeds) {
  const auto bytes = get();
  std::deque<Bare> clients;
  for (int i = 0; i < 100; ++i) clients.emplace_back(service());
  clients.front().exchange(bytes);
  EXPECT_EQ(allocations_of([&] {
              for (auto& client : clients) client.exchange(bytes);
            }),
            0U);
}

TEST(IdleConnection, AllocatesNothingBeforeItsFirstByte) {
  EXPECT_EQ(allocations_of([] { Bare client(service()); }), 0U);
}

TEST(IdleConnection, GivesItsBuffersBackAfterABody) {
  const auto bytes = post("/echo", std::string(1000, 'b'));
  std::deque<Bare> clients;
  for (int i = 0; i < 100; ++i) clients.emplace_back(service());
  clients.front().exchange(bytes);
  const auto one = allocations_of([&] { clients.front().exchange(bytes); });
  const auto hundred = allocations_of([&] {
    for (auto& client : clients) client.exchange(bytes);
  });
  EXPECT_EQ(hundred, 100 * one);  // what the handler needs, and no buffer
}

}  // namespace
}  // namespace quartet::test
