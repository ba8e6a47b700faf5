// http::Connection without HTTP: a request is whatever ends in a blank line, and the answer is a constant.
// The models do not see the difference. An executable that links this file must get every member that a model
// or common/net calls from here: for a missing one the linker would take common/http/connection.cpp out of
// its library as well, and refuse what is then defined twice.

#include <algorithm>
#include <chrono>
#include <ctime>
#include <string>
#include <string_view>

#include "common/http/connection.h"

namespace quartet::http {
namespace {

constexpr std::string_view kBlankLine = "\r\n\r\n";
/// In a drain: how long a client may be silent, or take nothing.
constexpr std::chrono::milliseconds kDrainGrace{100};

std::string make_answer() {
  const Response plaintext{.body = "Hello, World!"};
  std::string answer;
  append_head(answer, {plaintext, Framing::length, plaintext.body.size(), ""}, std::time(nullptr));
  return answer + plaintext.body;
}

/// GET /plaintext's, with the Date of the program's start.
const std::string kAnswer = make_answer();

/// @return where the next blank line begins; or the end of the input, less the bytes that may begin one
std::size_t find_blank_line(std::string_view input, std::size_t from) {
  const auto found = input.find(kBlankLine, from);
  if (found != std::string_view::npos) return found;
  const auto rest = std::min(input.size() - from, kBlankLine.size() - 1);
  return input.size() - rest;
}

}  // namespace

// The parser is never used: it is a member because all files of a program must see one class.
Connection::Connection(const Service& service, Slot& slot, Moment now)
    : service_(service), slot_(&slot), parser_(service.limits), output_(service.limits), since_(now.steady) {}

Connection::~Connection() = default;

// --- questions

Want Connection::want() const {
  if (closing_ == Closing::at_once) return Want::close;
  if (may_run()) return Want::run;
  if (!output_.empty()) return Want::write;
  return eof_ ? Want::close : Want::read;
}

/// Here input_ holds the request in hand as well: its blank line begins at input_taken_.
bool Connection::request_ready() const {
  return closing_ == Closing::no && input_ &&
         std::string_view(*input_).substr(input_taken_).starts_with(kBlankLine);
}

bool Connection::may_run() const {
  return request_ready() && (output_.empty() || output_.has_room(service_.batch_requests));
}

bool Connection::answering() const { return !output_.empty(); }

bool Connection::finishing() const { return closing_ == Closing::lingering && !answering(); }

TimePoint Connection::deadline() const {
  return shutdown_ && want() != Want::run ? since_ + kDrainGrace : TimePoint::max();
}

bool Connection::may_block() const { return false; }

// --- events

void Connection::on_bytes(std::string_view bytes, Moment now) {
  if (!finishing()) {
    std::string& input = input_.take();
    input.erase(0, input_taken_).append(bytes);
    input_taken_ = find_blank_line(input, 0);
  }
  on_tick(now);
}

void Connection::on_eof(Moment) { eof_ = true; }

void Connection::on_written(std::size_t count, Moment now) {
  output_.on_written(count);
  since_ = now.steady;
}

void Connection::on_unacknowledged(std::uint64_t, Moment) {}

void Connection::on_tick(Moment now) {
  if (now.steady >= deadline()) closing_ = Closing::at_once;
}

void Connection::on_overload(std::string_view, Moment) { closing_ = Closing::at_once; }

void Connection::on_shutdown(Moment now) {
  if (shutdown_) return;
  shutdown_ = true;
  since_ = now.steady;
}

// --- answers

void Connection::run(Moment now) {
  output_.begin(now.steady).append(kAnswer);
  on_answered(!shutdown_, now);
}

void Connection::on_answered(bool keep_alive, Moment now) {
  output_.end_answer();
  since_ = now.steady;
  if (!keep_alive) closing_ = Closing::lingering;
  input_taken_ = find_blank_line(*input_, input_taken_ + kBlankLine.size());
  if (input_taken_ < input_->size()) return;
  input_.release();  // an idle connection holds no buffer
  input_taken_ = 0;
}

void Connection::on_forked(Slot& slot) {
  slot_ = &slot;
  eof_ = false;  // the parent's to see: it answers what follows
}

void Connection::on_lent(Slot&) {}

void Connection::on_returned(Moment) {}

void Connection::on_moved(Slot&) {}

}  // namespace quartet::http
