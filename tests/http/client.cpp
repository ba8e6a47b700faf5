#include "tests/http/client.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <numeric>
#include <ostream>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "tests/http/require.h"

namespace quartet::http {

void PrintTo(Want want, std::ostream* out) {
  static constexpr std::string_view kNames[] = {"read", "run", "write", "sleep", "close"};
  *out << kNames[static_cast<std::size_t>(want)];
}

}  // namespace quartet::http

namespace quartet::test {
namespace {

constexpr int kMostSteps = 1'000'000;

using http::Delay;
using http::FileRange;
using http::FileResponse;
using http::Method;
using http::Outcome;
using http::Request;
using http::Response;
using http::Route;
using http::Router;
using http::Slot;
using http::Stream;
using http::Want;

Response text(std::string body) { return {.body = std::move(body), .fields = {}}; }

FileRange file_with(std::string_view content) {
  const int descriptor = memfd_create("quartet-test", MFD_CLOEXEC);
  if (descriptor < 0 || ::write(descriptor, content.data(), content.size()) != std::ssize(content)) {
    throw std::system_error(errno, std::generic_category(), "memfd_create");
  }
  return {descriptor, 0, content.size()};
}

/// As net::send_output would: the file after the bytes.
std::size_t read_file(const FileRange& file, std::uint64_t most, std::string& output) {
  std::string part(std::min(most, file.length()), '\0');
  const auto count = ::pread(file.descriptor(), part.data(), part.size(), static_cast<off_t>(file.offset()));
  if (count != std::ssize(part)) throw std::system_error(errno, std::generic_category(), "pread");
  output += part;
  return part.size();
}

Outcome stream(const Request&, const Slot&) {
  return Stream{.response = text(""),
                .next =
                    [part = 0](std::string& output) mutable {
                      static constexpr std::string_view kParts[] = {"one ", "two ", "three"};
                      if (part == std::ssize(kParts)) return false;
                      output += kParts[part++];
                      return true;
                    },
                .interval = milliseconds{20}};
}

Outcome show(const Request& request, const Slot&) {
  return text("path=" + std::string(request.path) + " query=" + std::string(request.query) +
              " x=" + request.parameter("x").value_or("-"));
}

Outcome show_field(const Request& request, const Slot&) {
  const auto value = request.header(request.parameter("x").value_or(""));
  return text("[" + std::string(value.value_or("-")) + "]");
}

Outcome echo(const Request& request, const Slot&) { return text("<" + std::string(request.body) + ">"); }

Outcome large(const Request& request, const Slot&) {
  const auto length = std::stoul(request.parameter("n").value_or("0"));
  return text(std::string(std::min(length, 1'000'000UL), 'x'));
}

Router make_router() {
  const auto answer = [](std::string body) {
    return [body = std::move(body)](const Request&, const Slot&) -> Outcome { return text(body); };
  };
  Router router;
  const auto add = [&router](std::vector<Method> methods, std::string path, bool quick,
                             http::Handler handler) {
    router.add(Route{std::move(methods), std::move(path), "for tests", quick, std::move(handler)});
  };
  add({Method::get}, "/", true, answer("index"));
  add({Method::get}, "/plaintext", true, answer("Hello, World!"));
  add({Method::get}, "/slow", false, answer("slow"));
  add({Method::get}, "/large", true, large);
  add({Method::get}, "/show/", true, show);
  add({Method::get}, "/field", true, show_field);
  add({Method::post, Method::put}, "/echo", true, echo);
  add({Method::get}, "/stream", false, stream);
  add({Method::get}, "/json", true, [](const Request&, const Slot&) -> Outcome {
    return Response{
        .content_type = "application/json", .body = R"({"message":"Hello, World!"})", .fields = {}};
  });
  add({Method::get}, "/sleep", false, [](const Request&, const Slot&) -> Outcome {
    return Delay{milliseconds{250}, text("slept")};
  });
  add({Method::get}, "/file/", false, [](const Request&, const Slot&) -> Outcome {
    return FileResponse{text(""), file_with("0123456789")};
  });
  add({Method::get}, "/throw", false,
      [](const Request&, const Slot&) -> Outcome { throw std::runtime_error("a bug"); });
  add({Method::get}, "/throw-number", false, [](const Request&, const Slot&) -> Outcome { throw 7; });
  add({Method::patch, Method::delete_}, "/thing", false, [](const Request& request, const Slot&) -> Outcome {
    return request.method == Method::patch ? text("patched")
                                           : Response{.status = 204, .body = "", .fields = {}};
  });
  add({Method::get}, "/unchanged", true, [](const Request&, const Slot&) -> Outcome {
    return Response{.status = 304, .body = "", .fields = {}};
  });
  return router;
}

}  // namespace

const Router& test_router() {
  static const Router router = make_router();
  return router;
}

Router router_with(http::Handler handler, std::vector<Method> methods, bool quick) {
  Router router;
  router.add(Route{std::move(methods), "/", "for one test", quick, std::move(handler)});
  return router;
}

std::string request(std::string_view method, std::string_view target, std::string_view fields,
                    std::string_view body) {
  std::string text;
  text.append(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: example.com\r\n");
  return text.append(fields).append("\r\n").append(body);
}

std::string get(std::string_view target, std::string_view fields) { return request("GET", target, fields); }

std::string post(std::string_view target, std::string_view body, std::string_view fields) {
  const auto length = "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return request("POST", target, length + std::string(fields), body);
}

Client::Client(const Setup& setup)
    : service{setup.router, setup.limits, setup.batch_requests}, connection(service, slot, now) {
  tick();
}

bool Client::send(std::string_view bytes) {
  if (want() != Want::read) return false;
  connection.on_bytes(bytes, now);
  tick();
  return true;
}

void Client::half_close() {
  connection.on_eof(now);
  tick();
}

void Client::shut_down() {
  connection.on_shutdown(now);
  tick();
}

void Client::pass(milliseconds duration) {
  now.steady += duration;
  elapsed_ += duration;
  now.unix_seconds = kSunday + std::chrono::floor<seconds>(elapsed_).count();
  tick();
}

void Client::report_unacknowledged(std::uint64_t bytes) {
  if (connection.awaits_acknowledgement()) connection.on_unacknowledged(bytes, now);
  tick();
}

void Client::run() {
  connection.run(now);
  tick();
}

void Client::write(std::size_t most) {
  const auto output = connection.output();
  const auto bytes = output.bytes.substr(0, most);
  received += bytes;
  std::size_t written = bytes.size();
  if (output.file != nullptr) written += read_file(*output.file, most - written, received);
  connection.on_written(written, now);
  tick();
}

void Client::tick() {
  connection.on_tick(now);
  const auto output = connection.output();
  const bool pending = !output.bytes.empty() || output.file != nullptr;
  require(!closed_ || want() == Want::close, "what is closed stays closed");
  require(want() != Want::write || pending, "write means that there is output");
  require(want() != Want::read || !pending, "output is written before anything is read");
  require(!connection.finishing() || want() == Want::read || want() == Want::close,
          "finishing discards or closes");
  require(!waits() || connection.deadline() > now.steady, "a deadline that has passed was looked at");
  require(gauges() <= 1, "a connection is in one phase");
  closed_ = want() == Want::close;
}

bool Client::step() {
  switch (want()) {
    case Want::run: run(); return true;
    case Want::write: write(write_size); return true;
    default: return false;
  }
}

void Client::settle() {
  for (int steps = 0; step(); ++steps) {
    if (steps == kMostSteps) throw std::logic_error("the connection makes no progress");
  }
}

void Client::play() {
  for (settle(); want() == Want::sleep; settle()) pass(patience());
}

std::string Client::exchange(std::string_view bytes) {
  send(bytes);
  play();
  return take_received();
}

std::string Client::take_received() { return std::exchange(received, {}); }

bool Client::waits() const { return want() == Want::read || want() == Want::write || want() == Want::sleep; }

milliseconds Client::patience() const {
  if (connection.deadline() == http::TimePoint::max()) return milliseconds::max();
  return std::chrono::ceil<milliseconds>(connection.deadline() - now.steady);
}

bool Client::gauge_fits() {
  using http::Phase;
  switch (want()) {
    case Want::run: return gauge(Phase::running) == 1;
    case Want::write: return gauge(Phase::writing) == 1;
    case Want::sleep: return gauge(Phase::sleeping) == 1;
    case Want::read: return gauge(Phase::accepted) + gauge(Phase::reading) + gauge(Phase::idle) == 1;
    case Want::close: return gauges() == 0;
  }
  return false;
}

std::uint64_t Client::gauges() const {
  return std::accumulate(slot.gauges.begin(), slot.gauges.end(), std::uint64_t{0});
}

}  // namespace quartet::test
