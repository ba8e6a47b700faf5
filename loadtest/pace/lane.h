#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <optional>
#include <queue>
#include <utility>
#include <vector>

#include "loadtest/pace/client_connection.h"
#include "loadtest/pace/plan.h"
#include "loadtest/pace/ring.h"
#include "loadtest/pace/schedule.h"

// What the engine carries out: a plan's classes, and where each of their clients stands.
namespace quartet::pace {

inline constexpr std::size_t kNoRecord = std::numeric_limits<std::size_t>::max();
inline constexpr std::size_t kNoFault = kNoRecord - 1;  // a client without a record has none of a fault, too

enum class State : std::uint8_t { closed, connecting, idle, busy };

struct Lane;

struct Client {
  ClientConnection connection;
  Lane* lane = nullptr;  ///< null: a held one
  State state = State::closed;
  std::size_t record = kNoRecord;  ///< of the request in hand
  std::size_t in_hand = 0;         ///< of a closed loop: requests that are not answered yet
  Nanoseconds asked{0};            ///< of a closed loop: when it turned to them
  std::uint32_t number = 0;
  Nanoseconds since{0};  ///< connecting or busy
  bool served = false;   ///< this connection has had an answer
  bool had_ok = false;   ///< one of its connections has had an ok
  int failures = 0;      ///< in a row, over all its connections
};

/// A closed connection, and when it may be opened again.
struct Pause {
  Nanoseconds end{0};
  Client* client = nullptr;

  bool operator>(const Pause& other) const { return end > other.end; }
};

struct Lane {
  Lane(const LanePlan& lane_plan, std::uint8_t lane_index)
      : plan(lane_plan),
        index(lane_index),
        schedule(lane_plan.arrivals),
        scheduled(schedule.next()),
        clients(lane_plan.connections),
        idle(2 * lane_plan.connections),
        waiting(1024),
        ordinary{.bytes = lane_plan.request,
                 .method = lane_plan.method,
                 .expected_body = lane_plan.expected_body ? &*lane_plan.expected_body : nullptr,
                 .same_body = lane_plan.same_body ? &reference : nullptr,
                 .requests = lane_plan.pipeline,
                 .known = lane_plan.closed ? &known : nullptr} {
    if (plan.fault) fault = {.bytes = plan.fault->request, .method = plan.fault->method};
    for (Client& client : clients) {
      client.lane = this;
      closed.push({.client = &client});
    }
  }
  Lane(const Lane&) = delete;  // its clients point back
  Lane& operator=(const Lane&) = delete;

  void end_pauses() {
    decltype(closed) ended;
    for (; !closed.empty(); closed.pop()) ended.push({.client = closed.top().client});
    closed = std::move(ended);
  }

  /// When the next request is due; nothing: there is none left, as far as is known.
  std::optional<Nanoseconds> due() const {
    if (!retry || (scheduled && *scheduled <= *retry)) return scheduled;
    return retry;
  }

  const LanePlan& plan;
  std::uint8_t index;
  Schedule schedule;
  std::optional<Nanoseconds> scheduled;  ///< the next request of the schedule; nothing: there is none left
  std::optional<Nanoseconds> retry{};    ///< of the fault; its last try was lost
  std::deque<Client> clients;
  Ring<Client*> idle;         ///< and clients that were, when they came into it
  Ring<std::size_t> waiting;  ///< records
  std::priority_queue<Pause, std::vector<Pause>, std::greater<>> closed;

  ReferenceBody reference{};
  KnownResponse known{};  ///< of a closed loop
  Exchange ordinary;      ///< what its clients ask
  Exchange fault{};
  std::size_t fault_record = kNoFault;  ///< of its last try
};

}  // namespace quartet::pace
