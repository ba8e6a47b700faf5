#include "tests/http/reference.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "common/http/request_parser.h"
#include "common/http/serializer.h"
#include "tests/http/require.h"

namespace quartet::test {
namespace {

using http::Request;

struct Answered {
  int status = 0;
  std::optional<std::string> body;
  bool until_close = false;
};

Answered answered(const http::Response& response) { return {response.status, response.body}; }
Answered answered(const http::Delay& delay) { return answered(delay.response); }
Answered answered(const http::FileResponse& answer) {
  std::string body(answer.file.length(), '\0');
  const auto count =
      ::pread(answer.file.descriptor(), body.data(), body.size(), static_cast<off_t>(answer.file.offset()));
  if (count != std::ssize(body)) throw std::system_error(errno, std::generic_category(), "pread");
  return {answer.response.status, std::move(body)};
}
Answered answered(http::Stream& stream) {
  std::string body;
  while (stream.next(body)) continue;
  return {stream.response.status, body, true};
}

/// What takes the handler's place; status 0: nothing does.
int status_without_handler(const Request& request, const http::Route* route) {
  if (request.path == "*") return request.method == http::Method::options ? 204 : 405;
  if (route == nullptr) return 404;
  if (request.method == http::Method::options) return 204;
  return route->allows(request.method) ? 0 : 405;
}

Answered ask_handler(const Request& request, const http::Route& route) {
  static const http::Slot slot;
  try {
    auto outcome = route.handler(request, slot);
    return std::visit([](auto& each) { return answered(each); }, outcome);
  } catch (...) {
    return {500, std::nullopt};
  }
}

/// One client's requests, as the reference server reads them.
class DueReader {
 public:
  DueReader(std::string_view bytes, const http::Limits& limits, const http::Router& router)
      : bytes_(bytes), limits_(limits), router_(router), parser_(limits) {}

  Dues dues() {
    while (taken_ < bytes_.size() && !dues_.closes()) take_request();
    return std::move(dues_);
  }

 private:
  void take_request() {
    parser_.reset();
    Due due;
    feed_until([this] { return parser_.head_complete(); });
    if (parser_.head_complete() && !parser_.complete() && !read_body(due)) return;
    due.to_head = parser_.is_head();
    if (parser_.rejection()) return close_with(due, parser_.rejection().status);
    if (!parser_.complete()) return void(dues_.unfinished = due);
    answer(due);
  }

  /// @return whether the request goes on; a refusal takes the place of 100 (Continue)
  bool read_body(Due& due) {
    const auto& request = parser_.request();
    const int refusal = status_without_handler(request, router_.find(request.path));
    if (refusal != 0 && parser_.expects_continue()) {
      due.to_head = parser_.is_head();
      close_with(due, refusal);
      return false;
    }
    due.may_continue = parser_.expects_continue();
    due.body_waits = due.may_continue && taken_ == bytes_.size();
    feed_until([this] { return parser_.complete(); });
    return true;
  }

  template <typename Condition>
  void feed_until(Condition condition) {
    while (taken_ < bytes_.size() && !condition() && !parser_.rejection()) {
      taken_ += parser_.feed(bytes_.substr(taken_));
    }
  }

  void close_with(Due& due, int status) {
    due.status = status;
    due.closes = due.refused = true;
    due.sent = taken_;
    dues_.answers.push_back(due);
  }

  void answer(Due& due) {
    const auto& request = parser_.request();
    const auto* route = router_.find(request.path);
    const int status = status_without_handler(request, route);
    auto answer = status != 0 ? Answered{status, std::nullopt} : ask_handler(request, *route);
    const auto most = limits_.max_requests_per_connection;
    const bool last = dues_.answers.size() + 1 >= most;
    due.status = answer.status;
    due.body = std::move(answer.body);
    due.closes = !parser_.keep_alive() || last || (answer.until_close && request.minor_version == 0);
    due.sent = taken_;
    dues_.answers.push_back(std::move(due));
  }

  std::string_view bytes_;
  const http::Limits& limits_;
  const http::Router& router_;
  http::RequestParser parser_;
  std::size_t taken_ = 0;
  Dues dues_;
};

bool says_close(const Answer& answer) { return answer.field("Connection") == "close"; }

void expect_body(const Answer& answer, const Due& due) {
  if (!due.body || !http::has_body(due.status)) return;
  require(due.to_head || answer.body == *due.body, "an answer has the body that its handler gave it");
  const auto length = answer.field("Content-Length");
  require(!length || *length == std::to_string(due.body->size()), "Content-Length tells the handler's body");
}

}  // namespace

Dues due_answers(std::string_view bytes, const http::Limits& limits, const http::Router& router) {
  return DueReader(bytes, limits, router).dues();
}

const Due* Audit::due(std::size_t index) const {
  if (index < dues_.answers.size()) return &dues_.answers[index];
  return dues_.unfinished ? &*dues_.unfinished : nullptr;
}

void Audit::read(std::string_view received) {
  while (!received.empty()) {
    require(!closed_, "nothing follows the answer that closes");
    const Due* const expected = due();
    require(expected != nullptr, "there is no answer without a request");
    auto rest = received;
    // Who answers too late need not have read the method.
    const bool late = licence_.timeouts && received.starts_with("HTTP/1.1 408 ");
    const auto answer = take_answer(rest, late                ? Body::guess
                                          : expected->to_head ? Body::none
                                                              : Body::expected);
    if (answer.status < 200) {
      read_interim(answer);
    } else {
      read_final(answer);
      final_answers_ += received.substr(0, received.size() - rest.size());
    }
    taken_ += received.size() - rest.size();
    received = rest;
  }
}

void Audit::read_interim(const Answer& answer) {
  require(answer.status == 100, "the only interim answer is 100");
  require(due()->may_continue, "100 is for those who wait for it");
  require(!continued_.back(), "100 comes once");
  continued_.back() = true;
}

void Audit::read_final(const Answer& answer) {
  const bool late = licence_.timeouts && answer.status == 408;
  const bool finished = count_ < dues_.answers.size();
  require(finished || late, "a request that is not complete is not answered");
  closed_ = says_close(answer);
  require(answer.field("Date") && answer.field("Server"), "an answer says when, and from whom");
  if (late) return require(closed_, "408 closes");
  const Due& expected = *due();
  require(answer.status == expected.status,
          "requests are answered in order, each with its status: " + std::to_string(answer.status) + " for " +
              std::to_string(expected.status));
  require(closed_ == expected.closes || (closed_ && licence_.drain), "the last answer says close, no other");
  expect_body(answer, expected);
  ++count_;
  continued_.push_back(false);
}

void Audit::expect_all_of(std::size_t sent) const {
  const auto is_due = [sent](const Due& due) { return due.sent <= sent; };
  const auto due = static_cast<std::size_t>(std::ranges::count_if(dues_.answers, is_due));
  require(count_ >= due, "every complete request is answered");
  const bool early = count_ == due + 1 && dues_.answers[due].refused;
  require(count_ == due || early, "no request is answered before it is complete");
}

void Audit::expect_continues_of_one_piece() const {
  for (std::size_t i = 0; i < continued_.size(); ++i) {
    require(due(i) == nullptr || continued_[i] == due(i)->body_waits,
            "100 comes where no byte of the body is there");
  }
}

void Audit::expect_continues_of_single_bytes() const {
  for (std::size_t i = 0; i < continued_.size(); ++i) {
    require(due(i) == nullptr || continued_[i] == due(i)->may_continue, "100 comes when the head ends");
  }
}

}  // namespace quartet::test
