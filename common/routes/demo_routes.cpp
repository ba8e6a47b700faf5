#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "common/net/system.h"
#include "common/routes/answers.h"
#include "common/routes/parameters.h"
#include "common/routes/routes.h"
#include "common/routes/user_scheduler.h"
#include "common/routes/work.h"
#include "common/scoreboard/snapshot.h"

namespace quartet::app {
namespace {

using http::Method;
using http::Outcome;
using http::Request;
using http::Response;
using http::Slot;
using std::chrono::milliseconds;
using Json = nlohmann::ordered_json;

// The greeting fits into the string itself: nothing is allocated.
Outcome plaintext(const Request&, const Slot&) { return Response{.body = "Hello, World!"}; }

Outcome json(const Request&, const Slot&) {
  return Response{.content_type = kJson, .body = R"({"message":"Hello, World!"})"};
}

Outcome healthz(const Request&, const Slot&) { return http::text_response(200, "ok"); }

Outcome echo(const Request& request, const Slot&) {
  return Response{.content_type = kBytes, .body = std::string(request.body)};
}

Outcome whoami(const Request&, const Slot& slot) {
  return json_response({{"pid", ::getpid()},
                        {"tid", ::gettid()},
                        {"worker", slot.worker.load(std::memory_order_relaxed)},
                        {"generation", slot.generation.load(std::memory_order_relaxed)},
                        {"requests", slot.requests.load(std::memory_order_relaxed)}});
}

Outcome bytes(const Values& values) {
  constexpr std::string_view kPattern = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-\n";
  const std::uint64_t size = values[0];
  Response response{.content_type = kBytes};
  response.body.reserve(size + kPattern.size());
  while (response.body.size() < size) response.body.append(kPattern);
  response.body.resize(size);
  return response;
}

Outcome sleep(const Values& values) {
  return http::Delay{milliseconds(values[0]),
                     http::text_response(200, fmt::format("slept {} ms", values[0]))};
}

/// A signal does not cut it short: it waits for a point in time.
void block_thread(std::uint64_t duration_ms) {
  timespec until{};
  ::clock_gettime(CLOCK_MONOTONIC, &until);  // cannot fail with this clock
  until.tv_sec += static_cast<time_t>(duration_ms / 1000);
  until.tv_nsec += static_cast<long>(duration_ms % 1000) * 1'000'000;
  if (until.tv_nsec >= 1'000'000'000) {
    ++until.tv_sec;
    until.tv_nsec -= 1'000'000'000;
  }
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) continue;
}

Outcome block(const Values& values) {
  block_thread(values[0]);
  return http::text_response(200, fmt::format("blocked {} ms", values[0]));
}

/// In slices of about a millisecond. Before each of them, others may go first where the model has a scheduler
/// that can suspend a handler.
Outcome cpu(const Values& values) {
  constexpr std::uint64_t kUnitsInSlice = 64;
  const std::uint64_t units = values[0];
  const milliseconds deadline(values[1]);
  std::uint64_t state = 0;
  for (std::uint64_t done = 0; done < units; done += kUnitsInSlice) {
    if (user_scheduler != nullptr) user_scheduler->give_way(deadline);
    state = mix(std::min(kUnitsInSlice, units - done), state);
  }
  return http::text_response(200, fmt::format("{} units: {:016x}", units, state));
}

Outcome stream(const Values& values) {
  const auto next = [sent = std::uint64_t{0}, chunks = values[0]](std::string& output) mutable {
    if (sent < chunks) output += fmt::format("chunk {} of {}\n", ++sent, chunks);
    return sent < chunks;
  };
  return http::Stream{.response = {}, .next = next, .interval = milliseconds(values[1])};
}

bool is_link(const http::Route& route) {
  return route.allows(Method::get) && (route.path == "/" || !route.path.ends_with('/'));
}

std::string index_row(const http::Route& route) {
  const std::string path = escape_html(route.path);
  const std::string link = is_link(route) ? fmt::format("<a href=\"{0}\">{0}</a>", path) : path;
  return fmt::format("<tr><td>{}<td>{}<td>{}\n", route.allow(), link, escape_html(route.summary));
}

Response index(const http::Router& router) {
  std::string page =
      "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Quartet</title>\n"
      "<style>body{font:16px sans-serif;margin:2em}td{padding:.2em 1em .2em 0}</style>\n"
      "<h1>Quartet</h1>\n<p>One HTTP layer, four ways to wait.</p>\n<table>\n";
  for (const http::Route& route : router.routes()) page += index_row(route);
  page += "</table>\n</html>\n";
  return {.content_type = kHtml, .body = std::move(page)};
}

void add_numeric(http::Router& router, const char* path, std::string_view summary,
                 const std::vector<Parameter>& parameters, Outcome (*answer)(const Values&)) {
  router.add(
      {{Method::get}, path, summary_of(summary, parameters), false, with_parameters(parameters, answer)});
}

void add_constant(http::Router& router, const char* path, const char* summary, http::Handler handler) {
  router.add({{Method::get}, path, summary, true, std::move(handler)});
}

}  // namespace

void add_demo_routes(http::Router& router, const Scoreboard& scoreboard) {
  // The page is made on demand: routes are still being added.
  add_constant(router, "/", "This page",
               [&router](const Request&, const Slot&) -> Outcome { return index(router); });
  add_constant(router, "/plaintext", "Hello, World! in 13 bytes", plaintext);
  add_constant(router, "/json", "Hello, World! as JSON", json);
  add_numeric(router, "/bytes", "Text of that size.", {Number{"n", 1024, 16 << 20}}, bytes);
  router.add({{Method::post, Method::put}, "/echo", "The body of the request", false, echo});
  add_numeric(router, "/sleep", "Answers later; the model waits its own way.", {Number{"ms", 100, 60'000}},
              sleep);
  add_numeric(router, "/block", "Answers later; the handler blocks its thread.", {Number{"ms", 100, 60'000}},
              block);
  add_numeric(router, "/cpu", "A fixed amount of arithmetic, 10 to 20 us a unit.",
              {Number{"units", 100, 100'000}, Number{"deadline_ms", 0, 60'000}}, cpu);
  add_numeric(router, "/stream", "Chunks with pauses between them.",
              {Number{"chunks", 5, 10'000}, Number{"interval_ms", 100, 60'000}}, stream);
  add_constant(router, "/whoami", "Process, thread and worker that answer", whoami);
  router.add({{Method::get},
              "/stats",
              "The scoreboard: every worker, its counters, connections and request in hand",
              false,
              [&scoreboard](const Request&, const Slot&) -> Outcome {
                return json_response(
                    to_json(take_snapshot(scoreboard.board(), scoreboard.used(), net::now().steady)));
              }});
  add_constant(router, "/healthz", "ok", healthz);
}

}  // namespace quartet::app
