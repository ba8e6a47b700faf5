// The hot path's price in system calls, with a client that sends one request, reads the whole answer and
// lets the server fall asleep. Else the next request could be there before the server waits for it: that
// saves a wait, and costs the coroutines a second receive.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <utility>

#include "tests/servers/configuration.h"
#include "tests/servers/process_table.h"
#include "tests/servers/tracer.h"

namespace quartet::suite {
namespace {

bool is_send(const Call& call) { return call.name.starts_with("send"); }

/// Of so many requests, the last ones: strace may attach amid a request, and miss a part of it.
std::vector<Call> of_last_requests(std::vector<Call> calls, long requests) {
  auto earlier = std::count_if(calls.begin(), calls.end(), is_send) - requests;
  auto begin = calls.begin();
  while (earlier > 0) {
    if (is_send(*begin++)) --earlier;
  }
  calls.erase(calls.begin(), begin);
  return calls;
}

/// What one thread did.
struct Tally {
  long received = 0;  ///< recv with bytes
  long tried = 0;     ///< recv without
  long sent = 0;
  long woken = 0;  ///< epoll_wait with events
  long other = 0;  ///< anything else, and waits that timed out
  std::map<std::string, long> names;

  void count(const Call& call) {
    ++names[call.name];
    if (call.name.starts_with("recv") || call.name.starts_with("read")) {
      ++(call.result > 0 ? received : tried);
    } else if (call.name.starts_with("send") || call.name.starts_with("write")) {
      ++sent;
    } else if (call.name.starts_with("epoll_") && call.name != "epoll_ctl" && call.result > 0) {
      ++woken;
    } else {
      ++other;
    }
  }

  void operator+=(const Tally& more) {
    received += more.received;
    tried += more.tried;
    sent += more.sent;
    woken += more.woken;
    other += more.other;
    for (const auto& [name, count] : more.names) names[name] += count;
  }
};
std::ostream& operator<<(std::ostream& stream, const Tally& tally) {
  for (const auto& [name, count] : tally.names) stream << name << " " << count << ", ";
  return stream;
}

std::map<pid_t, Tally> tally_by_thread(const std::vector<Call>& calls) {
  std::map<pid_t, Tally> tallies;
  for (const auto& call : calls) tallies[call.thread].count(call);
  return tallies;
}

Tally take_serving_thread(std::map<pid_t, Tally>& tallies) {
  const auto serving = std::max_element(
      tallies.begin(), tallies.end(),
      [](const auto& left, const auto& right) { return left.second.sent < right.second.sent; });
  return tallies.extract(serving).mapped();
}

/// Whichever worker is idle gets the next request.
Tally take_all(std::map<pid_t, Tally>& tallies) {
  Tally all;
  for (const auto& [thread, tally] : std::exchange(tallies, {})) all += tally;
  return all;
}

void make_paced_requests(const ServerProcess& server, TestClient& client, long count) {
  const auto asleep = [&] {
    const auto processes = server.processes();
    return std::all_of(processes.begin(), processes.end(), is_asleep);
  };
  for (long i = 0; i < count; ++i) {
    ASSERT_EQ(client.get("/plaintext").status, 200);
    ASSERT_TRUE(eventually(asleep)) << describe_threads(server.pid());
  }
}

using SystemCallsTest = ServerTest;
QUARTET_EVERY_CONFIGURATION(SystemCallsTest);

TEST_P(SystemCallsTest, ARequestCostsWhatTheModelNeedsAndNoMore) {
  if (!GetParam().sanitizers.empty()) GTEST_SKIP() << "a sanitizer makes system calls of its own";
  if (GetParam().process_per_request) GTEST_SKIP() << "it forks for every request";
  constexpr long kRequests = 100;
  const auto server = start_with_workers(2);
  TestClient client(server);
  make_paced_requests(server, client, 10);  // what is done once is done
  Tracer tracer(server);
  if (!tracer.attached()) GTEST_SKIP() << "strace cannot attach: " << tracer.err();
  const auto start_time = Clock::now();
  make_paced_requests(server, client, 5 + kRequests);
  const long ticks = (Clock::now() - start_time) / 100ms + 2;
  auto tallies = tally_by_thread(of_last_requests(tracer.finish(), kRequests));
  ASSERT_FALSE(tallies.empty());

  const auto serving = GetParam().work_stealing ? take_all(tallies) : take_serving_thread(tallies);
  SCOPED_TRACE(testing::Message() << serving << "in " << ticks << " ticks");
  EXPECT_EQ(serving.received, kRequests);
  EXPECT_EQ(serving.sent, kRequests);
  EXPECT_LE(serving.other, 3 * ticks);
  if (!GetParam().loop()) {
    EXPECT_LE(serving.tried, ticks);
    EXPECT_EQ(serving.woken, 0);
  } else if (GetParam().executable != "quartet-coroutines") {
    EXPECT_EQ(serving.tried, 0);
    EXPECT_LE(serving.woken, kRequests + 2);
  } else {
    EXPECT_LE(serving.tried, kRequests + ticks);
    EXPECT_LE(serving.woken, kRequests + 2 * ticks);  // its ticks are events
    EXPECT_LE(serving.names.count("epoll_ctl"), 0u);
  }
  for (const auto& [thread, tally] : tallies) {
    EXPECT_LE(tally.other + tally.tried + tally.woken, 4 * ticks) << tally;
    EXPECT_EQ(tally.received + tally.sent, 0) << tally;
  }
}

}  // namespace
}  // namespace quartet::suite
