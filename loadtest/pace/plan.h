#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "common/http/message.h"
#include "common/net/listener.h"
#include "loadtest/pace/rude.h"
#include "loadtest/pace/schedule.h"

namespace quartet::pace {

/// A request that is meant to do harm, amid the ordinary ones of a client of its own.
struct FaultPlan {
  Nanoseconds time{0};  ///< when it is due; one of the times of its class
  http::Method method = http::Method::post;
  std::string target{};
  std::string request{};    ///< its bytes
  std::size_t retries = 0;  ///< how often it is asked again, each time that it is lost
};

/// One class of requests, with a schedule and connections of its own: what waits for an aggressor's answers
/// is the server, never this program.
struct LanePlan {
  std::string name{};
  std::string target{};
  http::Method method = http::Method::get;
  std::string request{};  ///< its bytes
  Arrivals arrivals{};
  std::size_t connections = 16;  ///< open at a time; requests beyond wait in a queue
  bool fresh = false;            ///< a connection per request; otherwise they are kept
  /// Each connection asks again when it is answered, until the plan's duration is over; there are no
  /// arrivals.
  bool closed = false;
  std::size_t pipeline = 1;  ///< of a closed loop: requests that leave at once, all of them in `request`
  std::optional<std::string> expected_body{};
  std::optional<FaultPlan> fault{};  ///< in place of the class's own request that is due then
  bool same_body = false;            ///< another one than that of the first good answer is wrong content
};

/// All that a run is to do.
struct Plan {
  net::Address server{"127.0.0.1", 8080};
  std::vector<LanePlan> lanes{};
  std::size_t hold = 0;        ///< connections that make one request before the start, and then stay idle
  std::string hold_request{};  ///< its bytes
  std::vector<RudePlan> rude{};
  std::size_t sessions = 0;  ///< clients with a session of their own
  /// Addresses 127.0.0.1, 127.0.0.2, ... to connect from in turn, each with ports of its own; 0: the
  /// kernel's choice.
  std::size_t sources = 0;
  Nanoseconds duration = std::chrono::seconds(10);
  Nanoseconds timeout = std::chrono::seconds(10);  ///< of a request, from its send; 0: none
  Nanoseconds grace = std::chrono::seconds(2);     ///< after the duration, for answers that are still due
  /// How late 1 % of the requests may be dealt with before the schedule counts as not kept.
  Nanoseconds tolerance = std::chrono::milliseconds(1);
};

}  // namespace quartet::pace
