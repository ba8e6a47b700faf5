#include "common/http/response_parser.h"

#include <charconv>

#include "common/http/serializer.h"

namespace quartet::http {
namespace {

constexpr int kGoOn = 0, kNoBody = 1, kRefuse = -1;  // what llhttp's callbacks return
constexpr int kSwitchingProtocols = 101;

/// "PID/SLOT"; process 0 for any other text.
ResponseParser::Worker parse_worker(std::string_view text) {
  ResponseParser::Worker worker;
  const char* end = text.data() + text.size();
  const auto [slash, no_process] = std::from_chars(text.data(), end, worker.process);
  if (no_process != std::errc{} || slash == end || *slash != '/') return {};
  const auto [rest, no_slot] = std::from_chars(slash + 1, end, worker.slot);
  if (no_slot != std::errc{} || rest != end) return {};
  return worker;
}

}  // namespace

ResponseParser::ResponseParser() {
  llhttp_init(&llhttp_, HTTP_RESPONSE, &settings());
  llhttp_.data = this;
}

void ResponseParser::begin(Method method) {
  llhttp_reset(&llhttp_);
  field_name_.clear();
  field_value_.clear();
  worker_ = {};
  body_.clear();
  body_bytes_ = 0;
  is_head_ = method == Method::head;
  started_ = complete_ = malformed_ = keep_alive_ = false;
}

std::size_t ResponseParser::feed(std::string_view bytes) {
  if (bytes.empty() || complete_ || malformed_) return 0;
  started_ = true;
  const auto error = llhttp_execute(&llhttp_, bytes.data(), bytes.size());
  if (error == HPE_OK) return bytes.size();
  if (!complete_) malformed_ = true;
  return static_cast<std::size_t>(llhttp_get_error_pos(&llhttp_) - bytes.data());
}

void ResponseParser::on_eof() {
  if (!complete_) llhttp_finish(&llhttp_);  // calls end_message() where EOF is an end
}

const llhttp_settings_t& ResponseParser::settings() {
  static const llhttp_settings_t settings = [] {
    llhttp_settings_t callbacks;
    llhttp_settings_init(&callbacks);
    callbacks.on_header_field = [](llhttp_t* parser, const char* at, std::size_t length) {
      of(parser).field_name_.append({at, length});
      return kGoOn;
    };
    callbacks.on_header_value = [](llhttp_t* parser, const char* at, std::size_t length) {
      of(parser).field_value_.append({at, length});
      return kGoOn;
    };
    callbacks.on_header_value_complete = [](llhttp_t* parser) {
      of(parser).end_field();
      return kGoOn;
    };
    callbacks.on_headers_complete = [](llhttp_t* parser) { return of(parser).end_head(); };
    callbacks.on_body = [](llhttp_t* parser, const char* at, std::size_t length) {
      of(parser).add_body({at, length});
      return kGoOn;
    };
    callbacks.on_message_complete = [](llhttp_t* parser) { return of(parser).end_message(); };
    return callbacks;
  }();
  return settings;
}

void ResponseParser::end_field() {
  if (equals_ignoring_case(field_name_.view(), "Quartet-Worker"))
    worker_ = parse_worker(trim(field_value_.view()));
  field_name_.clear();
  field_value_.clear();
}

int ResponseParser::end_head() {
  if (llhttp_.http_major != 1) return kRefuse;
  llhttp_.upgrade = 0;  // what follows 101 is no HTTP, and so not ours to read
  // llhttp believes a Content-Length here, which only tells what GET would have got (RFC 9110, 15.4.5).
  return is_head_ || !has_body(status()) ? kNoBody : kGoOn;
}

int ResponseParser::end_message() {
  if (status() < 200 && status() != kSwitchingProtocols) return kGoOn;
  complete_ = true;
  keep_alive_ = status() != kSwitchingProtocols && llhttp_should_keep_alive(&llhttp_) != 0;
  return HPE_PAUSED;  // not a byte beyond
}

void ResponseParser::add_body(std::string_view part) {
  body_bytes_ += part.size();
  if (!keeps_bodies_) return;
  try {
    body_.append(part);
  } catch (...) {  // must not cross llhttp's C frames
    malformed_ = true;
  }
}

}  // namespace quartet::http
