// Process per request: the parent owns the connection, a child runs and writes one request.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/http/answer.h"
#include "tests/http/client.h"

namespace quartet::test {
namespace {

using http::Slot;
using http::Want;

constexpr int kKeep = 64;
constexpr int kClose = 65;

const Setup kPerRequest{.batch_requests = 1};

void answer_one(Client& client) {
  client.run();
  while (client.connection.answering()) {
    switch (client.want()) {
      case Want::run: client.run(); break;
      case Want::write: client.write(); break;
      default: client.pass(client.patience());
    }
  }
}

[[noreturn]] void be_child(Client& client, int pipe) {
  Slot own;
  client.connection.on_forked(own);
  client.received.clear();
  answer_one(client);
  const auto written = ::write(pipe, client.received.data(), client.received.size());
  ::_exit(written != std::ssize(client.received) ? 1 : client.ended() ? kClose : kKeep);
}

std::string read_all(int pipe) {
  std::string bytes(65536, '\0');
  std::size_t size = 0;
  for (ssize_t count = 1; count > 0; size += static_cast<std::size_t>(count)) {
    count = ::read(pipe, bytes.data() + size, bytes.size() - size);
  }
  bytes.resize(size);
  return bytes;
}

/// Forks for the request in hand. @return what the child wrote
std::string answer_in_child(Client& client) {
  int ends[2];
  if (::pipe(ends) != 0) throw std::runtime_error("pipe");
  const auto child = ::fork();
  if (child == 0) be_child(client, ends[1]);
  ::close(ends[1]);
  const auto bytes = read_all(ends[0]);
  ::close(ends[0]);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && (WEXITSTATUS(status) == kKeep || WEXITSTATUS(status) == kClose)) << status;
  client.connection.on_answered(WEXITSTATUS(status) == kKeep, client.now);
  return bytes;
}

/// What the client of a process per request receives, and from how many children.
struct Served {
  std::string bytes;
  int children = 0;
};

Served serve(Client& client, std::string_view bytes) {
  Served served;
  client.send(bytes);
  while (client.want() == Want::run || client.want() == Want::write) {
    if (client.want() == Want::run) {
      served.bytes += answer_in_child(client);
      ++served.children;
    } else {
      client.write();
      served.bytes += client.take_received();
    }
  }
  return served;
}

TEST(ProcessPerRequest, AnswersEveryRequestOfAPipelineOnce) {
  Client client(kPerRequest);
  const auto served = serve(client, get() + get("/json") + post("/echo", "hello") + get());
  std::string_view rest = served.bytes;
  EXPECT_EQ(take_answer(rest).body, "Hello, World!");
  EXPECT_EQ(take_answer(rest).body, R"({"message":"Hello, World!"})");
  EXPECT_EQ(take_answer(rest).body, "<hello>");
  EXPECT_EQ(only_answer(rest).body, "Hello, World!");
  EXPECT_EQ(served.children, 4);
  EXPECT_TRUE(client.open());
}

TEST(ProcessPerRequest, AnswersLikeAProcessForAll) {
  const auto bytes = get("/file/ten") + request("HEAD", "/json") + get("/throw") + get() + "BAD\r\n\r\n";
  Client client(kPerRequest);
  Client whole;
  EXPECT_EQ(serve(client, bytes).bytes, whole.exchange(bytes));
  EXPECT_TRUE(client.connection.finishing());
}

TEST(ProcessPerRequest, LeavesWhatFollowsTheRequestInHandToTheParent) {
  const auto expecting = request("POST", "/echo", "Content-Length: 5\r\nExpect: 100-continue\r\n");
  for (const auto& next :
       {expecting, std::string("BAD\r\n\r\n"), request("POST", "/nowhere", "Expect: tea\r\n")}) {
    Client client(kPerRequest);
    client.send(get() + next);
    EXPECT_EQ(statuses(answer_in_child(client)), std::vector{200}) << next;
    client.settle();
    EXPECT_EQ(statuses(client.received).size(), 1U) << next;
  }
}

TEST(ProcessPerRequest, LetsTheChildSleepAndStream) {
  Client client(kPerRequest);
  const auto served = serve(client, get("/sleep") + get("/stream") + get());
  EXPECT_EQ(statuses(served.bytes), (std::vector{200, 200, 200}));
  EXPECT_EQ(served.children, 3);
}

TEST(ProcessPerRequest, EndsWithTheClientsClose) {
  Client client(kPerRequest);
  const auto served = serve(client, get("/plaintext", "Connection: close\r\n") + get());
  EXPECT_EQ(statuses(served.bytes), std::vector{200});
  EXPECT_TRUE(client.dismissed());
}

TEST(ProcessPerRequest, LingersAfterTheLastRequestOfAConnection) {
  Client client({.limits = {.max_requests_per_connection = 2}, .batch_requests = 1});
  const auto served = serve(client, get() + get() + get());
  std::string_view rest = served.bytes;
  EXPECT_EQ(take_answer(rest).field("Connection"), std::nullopt);
  EXPECT_EQ(only_answer(rest).field("Connection"), "close");
  EXPECT_TRUE(client.connection.finishing());
}

TEST(ProcessPerRequest, EndsAfterAStreamToHttp10) {
  Client client(kPerRequest);
  const auto served = serve(client, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(only_answer(served.bytes).body, "one two three");
  EXPECT_TRUE(client.ended());
}

TEST(ProcessPerRequest, DrainsWithTheAnswerInHand) {
  Client client(kPerRequest);
  client.send(get() + get());
  client.shut_down();
  const auto served = serve(client, "");
  EXPECT_EQ(only_answer(served.bytes).field("Connection"), "close");
  EXPECT_TRUE(client.connection.finishing());
}

TEST(ProcessPerRequest, EndsAConnectionThatDrainsWhileTheChildKeepsIt) {
  Client client(kPerRequest);
  client.send(get());
  client.connection.on_shutdown(client.now);
  client.connection.on_answered(true, client.now);
  client.pass(milliseconds{100});
  EXPECT_TRUE(client.ended());
}

TEST(ProcessPerRequest, KeepsAliveAfterAnAnswerFromElsewhere) {
  Client client(kPerRequest);
  client.send(get());
  client.connection.on_answered(true, client.now);
  EXPECT_FALSE(client.connection.answering());
  EXPECT_TRUE(client.open());
  EXPECT_EQ(client.patience(), http::Limits{}.keep_alive_timeout);
  EXPECT_EQ(client.gauge(http::Phase::idle), 1U);
}

TEST(ProcessPerRequest, CountsTheRequestInTheChildsSlot) {
  Client client(kPerRequest);
  Slot child;
  client.send(get());
  client.connection.on_forked(child);
  answer_one(client);
  EXPECT_EQ(child.requests, 1U);
  EXPECT_EQ(child.bytes_sent, client.received.size());
  EXPECT_EQ(client.slot.requests, 0U);
  EXPECT_EQ(client.slot.bytes_sent, 0U);
}

TEST(ProcessPerRequest, LeavesTheGaugeOfTheParentAlone) {
  Client client(kPerRequest);
  Slot child;
  client.send(get());
  client.connection.on_forked(child);
  answer_one(client);
  EXPECT_EQ(client.gauges(), 1U);
}

TEST(Overload, IsAnsweredAndEndsTheConnection) {
  Client client(kPerRequest);
  client.send(get() + get());
  client.connection.on_overload("no process is left", client.now);
  client.write();
  const auto answer = only_answer(client.received);
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.field("Connection"), "close");
  EXPECT_TRUE(client.connection.finishing());
}

}  // namespace
}  // namespace quartet::test
