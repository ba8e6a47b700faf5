#include "common/http/connection.h"

#include <utility>

#include "common/http/deadline.h"

namespace quartet::http {
namespace {

using std::chrono::milliseconds;

/// How long the client may take to close after the last answer (Apache waits 2 s as well).
constexpr milliseconds kLinger{2'000};
/// How long a connection without a request is kept after the begin of a drain, for a request that is on its
/// way.
constexpr milliseconds kDrainGrace{100};

}  // namespace

Connection::Connection(const Service& service, Slot& slot, Moment now)
    : service_(service), parser_(service.limits), output_(service.limits), since_(now.steady) {
  take_place_in(slot);
  add(slot.connections);
}

Connection::~Connection() {
  if (published_) subtract(owner_->gauge(*published_));
}

// --- questions

Want Connection::want() const {
  if (closing_ == Closing::at_once) return Want::close;
  if (may_run()) return Want::run;
  if (!output_.empty()) return Want::write;
  if (wake_) return Want::sleep;
  return eof_ ? Want::close : Want::read;
}

bool Connection::request_ready() const {
  return parser_.complete() && closing_ == Closing::no && !delayed_ && !stream_;
}

// Only quick answers join others that wait to be sent: a slow handler would delay them, and a crash would
// lose them.
bool Connection::may_run() const {
  if (output_.empty()) return (stream_ && !wake_) || request_ready();
  return is_quick() && request_ready() && output_.has_room(service_.batch_requests);
}

bool Connection::is_quick() const { return route_ != nullptr && route_->quick; }

bool Connection::may_block() const { return stream_ || (has_handler() && !is_quick()); }

bool Connection::answering() const { return delayed_ || stream_ || !output_.empty(); }

bool Connection::finishing() const {
  return (closing_ == Closing::lingering || closing_ == Closing::plainly) && !answering();
}

TimePoint Connection::deadline() const {
  switch (want()) {
    case Want::sleep: return *wake_;
    case Want::write: return output_.deadline();
    case Want::read: return read_deadline();
    default: return TimePoint::max();
  }
}

TimePoint Connection::read_deadline() const {
  const Limits& limits = service_.limits;
  if (finishing()) return since_ + kLinger;
  if (parser_.head_complete()) return body_deadline_;
  if (parser_.in_request()) return since_ + limits.header_timeout;
  if (shutdown_) return since_ + kDrainGrace;
  if (parser_.started()) return since_ + limits.header_timeout;
  return since_ + (answered_ == 0 ? limits.header_timeout : limits.keep_alive_timeout);
}

std::optional<Phase> Connection::phase() const {
  switch (want()) {
    case Want::run: return Phase::running;
    case Want::write: return Phase::writing;
    case Want::sleep: return Phase::sleeping;
    case Want::close: return std::nullopt;
    case Want::read: break;
  }
  if (parser_.started() || finishing()) return Phase::reading;
  return answered_ == 0 ? Phase::accepted : Phase::idle;
}

void Connection::take_place_in(Slot& slot) {
  slot_ = owner_ = &slot;
  published_.reset();
  publish_phase();
}

void Connection::publish_phase() {
  if (slot_ != owner_) return;  // lent
  const auto current = phase();
  if (current == published_) return;
  if (published_) subtract(owner_->gauge(*published_));
  if (current) add(owner_->gauge(*current));
  published_ = current;
}

// --- input

void Connection::on_bytes(std::string_view bytes, Moment now) {
  const Event event(*this, now);
  add(slot_->bytes_received, bytes.size());
  if (!finishing()) {
    bytes.remove_prefix(receive(bytes, event));
    if (!bytes.empty() && closing_ == Closing::no) input_.take().assign(bytes);
  }
  // A blocking model calls on_tick() only when no bytes have come for a tick. The deadline also holds for a
  // client that sends some in every tick.
  check_deadline(event);
}

/// Parses up to the end of the next request. @return bytes taken
std::size_t Connection::receive(std::string_view bytes, const Event& event) {
  if (!parser_.started() && answered_ > 0) since_ = event.steady;
  std::size_t taken = 0;
  while (taken < bytes.size() && !parser_.complete() && closing_ == Closing::no) {
    const bool had_head = parser_.head_complete();
    const auto body_before = parser_.body_received();
    taken += parser_.feed(bytes.substr(taken));
    prolong_body_deadline(parser_.body_received() - body_before, event);
    if (const Rejection rejection = parser_.rejection()) {
      fail(rejection, event);
    } else if (!had_head && parser_.head_complete()) {
      on_head(taken < bytes.size(), event);
    }
  }
  return taken;
}

void Connection::prolong_body_deadline(std::uint64_t received, const Event& event) {
  if (received == 0) return;
  const Limits& limits = service_.limits;
  body_deadline_ =
      prolonged(body_deadline_, limits.body_timeout, received, limits.min_body_rate, event.steady);
}

void Connection::continue_with_input(const Event& event) {
  if (!input_) return;
  input_taken_ += receive(std::string_view(*input_).substr(input_taken_), event);
  if (closing_ == Closing::no && input_taken_ < input_->size()) return;
  input_.release();
  input_taken_ = 0;
}

void Connection::on_head(bool body_has_begun, const Event& event) {
  body_deadline_ = event.steady + service_.limits.body_timeout;
  const Request& request = parser_.request();
  if (request.path != "*") route_ = service_.router.find(request.path);
  if (parser_.complete()) return;
  const bool may_continue = parser_.expects_continue() && !body_has_begun;
  const auto refusal = answer_without_handler();
  if (!refusal) {
    if (may_continue) output_.begin(event.steady).append("HTTP/1.1 100 Continue\r\n\r\n");
    return;
  }
  parser_.discard_body();
  if (!parser_.expects_continue()) return;
  // The client may or may not send its body after this answer: the connection cannot go on.
  fail(*refusal, event);
}

void Connection::on_eof(Moment now) {
  const Event event(*this, now);
  eof_ = true;
  since_ = event.steady;
}

void Connection::on_shutdown(Moment now) {
  if (shutdown_) return;
  const Event event(*this, now);
  shutdown_ = true;
  if (!parser_.in_request() && closing_ == Closing::no) since_ = event.steady;
}

void Connection::on_overload(std::string_view why, Moment now) {
  const Event event(*this, now);
  fail(Rejection{503, why}, event);
}

// --- answers

void Connection::run(Moment now) {
  const Event event(*this, now);
  slot_->running.begin(to_string(parser_.request().method), parser_.request().target, event.steady);
  if (stream_) {
    append_next_part(event);
  } else {
    add(slot_->requests);
    std::visit([&](auto&& outcome) { begin_answer(std::forward<decltype(outcome)>(outcome), event); },
               handle_request());
  }
  slot_->running.end();
}

/// Not for a 404, a 405 or OPTIONS.
bool Connection::has_handler() const {
  const Method method = parser_.request().method;
  return route_ != nullptr && method != Method::options && route_->allows(method);
}

std::optional<Response> Connection::answer_without_handler() const {
  if (has_handler()) return std::nullopt;
  const Request& request = parser_.request();
  const bool any_route = request.path == "*";
  if (!any_route && route_ == nullptr) return text_response(404, "404 Not Found: no such route, see /");
  Response response{.status = 204};
  if (request.method != Method::options)
    response = text_response(405, "405 Method Not Allowed: see the Allow field");
  response.fields.emplace_back("Allow", any_route ? service_.router.allow() : route_->allow());
  return response;
}

Outcome Connection::handle_request() {
  if (auto response = answer_without_handler()) return std::move(*response);
  try {
    return route_->handler(parser_.request(), *slot_);
  } catch (const std::exception& error) {
    return text_response(500, std::string("500 Internal Server Error: ") + error.what());
  } catch (...) {
    return text_response(500, "500 Internal Server Error");
  }
}

void Connection::begin_answer(const Response& response, const Event& event) {
  auto& output = append_answer_head(response, Framing::length, response.body.size(), event);
  if (!parser_.is_head() && has_body(response.status)) output.append(response.body);
  end_request(answer_keeps_alive_, event);
}

void Connection::begin_answer(Delay delay, const Event& event) {
  if (delay.duration <= milliseconds::zero()) return begin_answer(delay.response, event);
  wake_ = event.steady + delay.duration;
  delayed_ = std::move(delay.response);
}

void Connection::begin_answer(FileResponse answer, const Event& event) {
  append_answer_head(answer.response, Framing::length, answer.file.length(), event);
  if (!parser_.is_head()) output_.append_file(std::move(answer.file));
  end_request(answer_keeps_alive_, event);
}

void Connection::begin_answer(Stream stream, const Event& event) {
  const bool chunked = parser_.request().minor_version > 0;
  append_answer_head(stream.response, chunked ? Framing::chunked : Framing::until_close, 0, event);
  if (parser_.is_head()) return end_request(answer_keeps_alive_, event);
  stream_ = std::move(stream);
  append_next_part(event);
}

/// @return the output, for the body
std::string& Connection::append_answer_head(const Response& response, Framing framing, std::uint64_t length,
                                            const Event& event) {
  const auto rotation = service_.limits.max_requests_per_connection;
  const bool last = shutdown_ || framing == Framing::until_close || answered_ + 1 >= rotation;
  answer_keeps_alive_ = parser_.keep_alive() && !last;
  const std::string_view persists =
      parser_.request().minor_version == 0 ? "keep-alive" : "";  // in HTTP/1.1 it is the default
  const Slot* worker = parser_.asks_for_worker() ? slot_ : nullptr;
  auto& output = output_.begin(event.steady);
  append_head(output, {response, framing, length, answer_keeps_alive_ ? persists : "close", worker},
              event.unix_seconds);
  return output;
}

void Connection::append_next_part(const Event& event) {
  std::string part;
  bool more = false;
  try {
    more = stream_->next(part);
  } catch (...) {  // too late for a 500: the client sees an incomplete answer (RFC 9112, 8)
    closing_ = Closing::at_once;
    return;
  }
  const bool chunked = parser_.request().minor_version > 0;
  auto& output = output_.begin(event.steady);
  if (!part.empty()) chunked ? append_chunk(output, part) : void(output.append(part));
  if (more) {
    if (stream_->interval > milliseconds::zero()) wake_ = event.steady + stream_->interval;
    return;
  }
  if (chunked) append_last_chunk(output);
  stream_.reset();
  end_request(answer_keeps_alive_, event);
}

void Connection::on_answered(bool keep_alive, Moment now) {
  const Event event(*this, now);
  end_request(keep_alive, event);
}

void Connection::on_forked(Slot& slot) {
  input_.release();  // the parent's to answer
  eof_ = false;
  take_place_in(slot);
}

void Connection::on_lent(Slot& worker) { slot_ = &worker; }

void Connection::on_returned(Moment now) {
  const Event event(*this, now);
  slot_ = owner_;
  output_.renew(event.steady);
}

void Connection::on_moved(Slot& worker) {
  if (&worker == owner_) return;
  if (published_) {
    owner_->depart(*published_);
    add(worker.gauge(*published_));
  }
  slot_ = owner_ = &worker;
}

/// The request in hand is answered, as far as the protocol goes; its output may still be pending.
void Connection::end_request(bool keep_alive, const Event& event) {
  ++answered_;
  output_.end_answer();
  // A client that asked for the close expects nothing more. Once it has the whole answer, it loses nothing by
  // a plain close.
  if (!keep_alive) closing_ = parser_.keep_alive() ? Closing::lingering : Closing::plainly;
  parser_.reset();
  route_ = nullptr;
  since_ = event.steady;
  if (!keep_alive) return input_.release();
  if (!output_.ends_with_file())
    continue_with_input(event);  // the next answer must not be sent before the file
}

void Connection::fail(const Rejection& rejection, const Event& event) {
  std::string text = std::to_string(rejection.status);
  text.append(" ").append(reason_phrase(rejection.status)).append(": ").append(rejection.detail);
  fail(text_response(rejection.status, text), event);
}

/// The last answer, whatever else the client sends.
void Connection::fail(const Response& response, const Event& event) {
  add(slot_->errors);
  auto& output = output_.begin(event.steady);
  append_head(output, {response, Framing::length, response.body.size(), "close"}, event.unix_seconds);
  if (!parser_.is_head()) output.append(response.body);
  closing_ = Closing::lingering;
  parser_.reset();
  route_ = nullptr;
}

void Connection::on_written(std::size_t count, Moment now) {
  const Event event(*this, now);
  add(slot_->bytes_sent, count);
  output_.on_written(count);
  if (!output_.empty()) return;
  since_ = event.steady;  // waiting for the client begins now, whatever it had sent before
  body_deadline_ = event.steady + service_.limits.body_timeout;
  if (closing_ == Closing::no && !parser_.started()) continue_with_input(event);
}

void Connection::on_unacknowledged(std::uint64_t bytes, Moment now) {
  const Event event(*this, now);
  const bool progress = output_.on_unacknowledged(bytes, event.steady);
  if (progress && finishing()) since_ = event.steady;
}

// --- time

void Connection::on_tick(Moment now) {
  const Event event(*this, now);
  check_deadline(event);
}

void Connection::check_deadline(const Event& event) {
  if (event.steady < deadline()) return;
  switch (want()) {
    case Want::sleep: return wake_up(event);
    case Want::read: return give_up_reading(event);
    default: break;
  }
  add(slot_->timeouts);
  closing_ = Closing::at_once;
}

void Connection::wake_up(const Event& event) {
  wake_.reset();
  if (!delayed_) return;  // a stream's next part is run by the model
  const Response response = std::move(*delayed_);
  delayed_.reset();
  begin_answer(response, event);
}

void Connection::give_up_reading(const Event& event) {
  if (!finishing() && !shutdown_) add(slot_->timeouts);
  const bool amid_request = parser_.in_request() && !finishing();
  if (amid_request) {
    return fail(Rejection{408, parser_.head_complete() ? "the body took too long" : "the head took too long"},
                event);
  }
  closing_ = Closing::at_once;
}

}  // namespace quartet::http
