// Routes that remember. What one request leaves behind, the next one finds only where both run in the same
// memory: that is what threads, coroutines and a loop share, and what processes do not.

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>

#include "common/routes/answers.h"
#include "common/routes/parameters.h"
#include "common/routes/routes.h"
#include "common/routes/work.h"

namespace quartet::app {
namespace {

using http::Method;
using http::Outcome;
using http::Request;
using http::Response;
using http::Slot;

// --- the counter: ordinary memory of the process, one for each way to guard it

std::atomic<std::uint64_t> atomic_counter{0};
std::mutex counter_mutex;
// Volatile, or load and store become one instruction, which loses nothing on one CPU.
volatile std::uint64_t bare_counter = 0;
volatile std::uint64_t guarded_counter = 0;

/// Loads, works, stores: what others have stored meanwhile is lost. ThreadSanitizer must not end the server
/// for it: with sync=none the race is the point.
[[gnu::noinline, gnu::no_sanitize("thread")]] std::uint64_t increment(volatile std::uint64_t& counter,
                                                                      std::uint64_t units) {
  const std::uint64_t before = counter;
  burn(units);
  counter = before + 1;
  return before + 1;
}

std::uint64_t count_bare(std::uint64_t units) { return increment(bare_counter, units); }

std::uint64_t count_atomically(std::uint64_t units) {
  burn(units);
  return atomic_counter.fetch_add(1, std::memory_order_relaxed) + 1;
}

std::uint64_t count_guarded(std::uint64_t units) {
  const std::lock_guard lock(counter_mutex);
  return increment(guarded_counter, units);
}

struct Sync {
  std::string_view name;
  std::uint64_t (*count)(std::uint64_t units);
};
constexpr Sync kSyncs[] = {{"none", count_bare}, {"atomic", count_atomically}, {"mutex", count_guarded}};

Outcome counter(const Values& values, const Request&, const Slot& slot) {
  const Sync& sync = kSyncs[values[0]];
  return json_response({{"sync", sync.name},
                        {"value", sync.count(values[1])},
                        {"pid", ::getpid()},
                        {"tid", ::gettid()},
                        {"worker", slot.worker.load(std::memory_order_relaxed)}});
}

void add_counter(http::Router& router) {
  const std::vector<Parameter> parameters{Choice{"sync", {kSyncs[0].name, kSyncs[1].name, kSyncs[2].name}},
                                          Number{"units", 10, 10'000}};
  router.add({{Method::get, Method::post},
              "/counter",
              summary_of("Adds one to a counter in the process's memory, at some work's length.", parameters),
              false,
              with_parameters(parameters, counter)});
}

// --- sessions: local to a process, or in memory that all of them share

constexpr std::string_view kSessionPrefix = "/session/";

bool is_session_id(std::string_view id) {
  constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  return !id.empty() && id.size() <= kMostSessionId &&
         id.find_first_not_of(kAllowed) == std::string_view::npos;
}

Response bad_id(std::string_view id) {
  return http::text_response(400, fmt::format("session {} is not 1 to {} characters of A-Z a-z 0-9 . _ -",
                                              quote(id), kMostSessionId));
}

Response no_session(std::string_view id) {
  return http::text_response(404, fmt::format("there is no session {} here", quote(id)));
}

template <typename Sessions>
Response get_session(Sessions& sessions, std::string_view id) {
  auto value = sessions.get(id);
  if (!value) return no_session(id);
  return {.content_type = kBytes, .body = std::move(*value)};
}

template <typename Sessions>
Response put_session(Sessions& sessions, std::string_view id, std::string_view value) {
  if (value.size() > kMostSessionValue) {
    return http::text_response(
        413, fmt::format("{} bytes are more than the {} of a session", value.size(), kMostSessionValue));
  }
  switch (sessions.put(id, value)) {
    case Stored::created: return http::text_response(201, "created");
    case Stored::replaced: return {.status = 204};
    case Stored::full: break;
  }
  return http::text_response(507, fmt::format("all {} sessions are taken; delete one", kMostSessions));
}

template <typename Sessions>
Response erase_session(Sessions& sessions, std::string_view id) {
  return sessions.erase(id) ? Response{.status = 204} : no_session(id);
}

template <typename Sessions>
Response answer_session(Sessions& sessions, const Request& request) {
  const std::string_view id = request.path.substr(kSessionPrefix.size());
  if (!is_session_id(id)) return bad_id(id);
  if (request.method == Method::put) return put_session(sessions, id, request.body);
  if (request.method == Method::delete_) return erase_session(sessions, id);
  return get_session(sessions, id);
}

void add_session(http::Router& router, SharedSessions& shared) {
  const std::vector<Parameter> parameters{Choice{"store", {"local", "shared"}}};
  const auto local = std::make_shared<LocalSessions>();  // shared: a std::function must be copyable
  router.add({{Method::get, Method::put, Method::delete_},
              std::string(kSessionPrefix),
              summary_of("A value of up to 1 KiB, in this process's memory or in shared.", parameters),
              false,
              with_parameters(
                  parameters,
                  [local, &shared](const Values& values, const Request& request, const Slot&) -> Outcome {
                    if (values[0] == 0) return answer_session(*local, request);
                    return answer_session(shared, request);
                  })});
}

}  // namespace

void add_state_routes(http::Router& router, SharedSessions& shared) {
  add_counter(router);
  add_session(router, shared);
}

}  // namespace quartet::app
