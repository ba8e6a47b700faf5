#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "common/app/number.h"
#include "common/app/routes.h"
#include "common/app/snapshot.h"
#include "common/net/system.h"

namespace quartet::app {
namespace {

using http::Method;
using http::Outcome;
using http::Request;
using http::Response;
using http::Slot;
using std::chrono::milliseconds;
using Json = nlohmann::ordered_json;

constexpr std::string_view kHtml = "text/html; charset=utf-8";
constexpr std::string_view kJson = "application/json";
constexpr std::string_view kBytes = "application/octet-stream";

// The greeting fits into the string itself: nothing is allocated.
Outcome plaintext(const Request&, const Slot&) { return Response{.body = "Hello, World!"}; }

Outcome json(const Request&, const Slot&) {
  return Response{.content_type = kJson, .body = R"({"message":"Hello, World!"})"};
}

Outcome healthz(const Request&, const Slot&) { return http::text_response(200, "ok"); }

Outcome echo(const Request& request, const Slot&) {
  return Response{.content_type = kBytes, .body = std::string(request.body)};
}

Response json_response(const Json& json) { return {.content_type = kJson, .body = json.dump(2) + "\n"}; }

Outcome whoami(const Request&, const Slot& slot) {
  return json_response({{"pid", ::getpid()},
                        {"tid", ::gettid()},
                        {"worker", slot.worker.load(std::memory_order_relaxed)},
                        {"requests", slot.requests.load(std::memory_order_relaxed)}});
}

/// A query parameter: a whole number from 0 to `most`.
struct Number {
  std::string_view name;
  std::uint64_t fallback;
  std::uint64_t most;
};
using Numbers = std::vector<std::uint64_t>;

/// What of the client's text goes back into an error: printable, and not too much of it.
std::string quote(std::string_view text) {
  std::string quoted = fmt::format("\"{}\"", text.substr(0, 40));
  std::ranges::replace_if(
      quoted, [](char c) { return c < ' ' || c > '~'; }, '?');
  return quoted;
}

std::optional<std::uint64_t> parse_number(const Number& number, const Request& request) {
  const auto text = request.parameter(number.name);
  if (!text) return number.fallback;
  const auto value = parse_digits(*text);
  return value && *value <= number.most ? value : std::nullopt;
}

Response bad_number(const Number& number, const Request& request) {
  return http::text_response(400,
                             fmt::format("{}: {} is not a whole number from 0 to {}", number.name,
                                         quote(request.parameter(number.name).value_or("")), number.most));
}

/// Answers a bad parameter with a 400 that says which and why; `answer` sees good ones only.
http::Handler with_numbers(std::vector<Number> numbers, Outcome (*answer)(const Numbers&)) {
  return [numbers = std::move(numbers), answer](const Request& request, const Slot&) -> Outcome {
    Numbers values;
    for (const Number& number : numbers) {
      const auto value = parse_number(number, request);
      if (!value) return bad_number(number, request);
      values.push_back(*value);
    }
    return answer(values);
  };
}

Outcome bytes(const Numbers& numbers) {
  constexpr std::string_view kPattern = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-\n";
  const std::uint64_t size = numbers[0];
  Response response{.content_type = kBytes};
  response.body.reserve(size + kPattern.size());
  while (response.body.size() < size) response.body.append(kPattern);
  response.body.resize(size);
  return response;
}

Outcome sleep(const Numbers& numbers) {
  return http::Delay{milliseconds(numbers[0]),
                     http::text_response(200, fmt::format("slept {} ms", numbers[0]))};
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

Outcome block(const Numbers& numbers) {
  block_thread(numbers[0]);
  return http::text_response(200, fmt::format("blocked {} ms", numbers[0]));
}

/// A chain of dependent operations (Steele and others, splitmix64): no compiler shortens it and no cache
/// matters.
std::uint64_t mix(std::uint64_t units) {
  constexpr std::uint64_t kRoundsPerUnit = 3000;  // 10 to 20 us
  std::uint64_t state = 0;
  for (std::uint64_t round = units * kRoundsPerUnit; round > 0; --round) {
    state += 0x9e3779b97f4a7c15;
    state = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9;
    state = (state ^ (state >> 27)) * 0x94d049bb133111eb;
    state ^= state >> 31;
  }
  return state;
}

Outcome cpu(const Numbers& numbers) {
  return http::text_response(200, fmt::format("{} units: {:016x}", numbers[0], mix(numbers[0])));
}

Outcome stream(const Numbers& numbers) {
  const auto next = [sent = std::uint64_t{0}, chunks = numbers[0]](std::string& output) mutable {
    if (sent < chunks) output += fmt::format("chunk {} of {}\n", ++sent, chunks);
    return sent < chunks;
  };
  return http::Stream{.response = {}, .next = next, .interval = milliseconds(numbers[1])};
}

std::string escape_html(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '"': escaped += "&quot;"; break;
      default: escaped += c;
    }
  }
  return escaped;
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

/// "Bytes of text. n=1024 (at most 16777216)"
std::string summary_of(std::string_view summary, const std::vector<Number>& numbers) {
  std::string text(summary);
  for (const auto& [name, fallback, most] : numbers)
    text += fmt::format(" {}={} (at most {})", name, fallback, most);
  return text;
}

void add_numeric(http::Router& router, const char* path, std::string_view summary,
                 const std::vector<Number>& numbers, Outcome (*answer)(const Numbers&)) {
  router.add({{Method::get}, path, summary_of(summary, numbers), false, with_numbers(numbers, answer)});
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
  add_numeric(router, "/bytes", "Text of that size.", {{"n", 1024, 16 << 20}}, bytes);
  router.add({{Method::post, Method::put}, "/echo", "The body of the request", false, echo});
  add_numeric(router, "/sleep", "Answers later; the model waits its own way.", {{"ms", 100, 60'000}}, sleep);
  add_numeric(router, "/block", "Answers later; the handler blocks its thread.", {{"ms", 100, 60'000}},
              block);
  add_numeric(router, "/cpu", "A fixed amount of arithmetic, 10 to 20 us a unit.", {{"units", 100, 100'000}},
              cpu);
  add_numeric(router, "/stream", "Chunks with pauses between them.",
              {{"chunks", 5, 10'000}, {"interval_ms", 100, 60'000}}, stream);
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
