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

/// Its beginning, where 0 is any digit; CR may take the place of the last space (RFC 9112, 4).
constexpr std::string_view kStatusLine = "HTTP/0.0 000 ";

bool fits_status_line(std::size_t position, char c) {
  const char wanted = kStatusLine[position];
  if (wanted == '0') return c >= '0' && c <= '9';
  return c == wanted || (c == '\r' && position + 1 == kStatusLine.size());
}

/// FNV-1a.
std::uint64_t hash_on(std::uint64_t hash, std::string_view octets) {
  constexpr std::uint64_t kPrime = 0x100000001b3;
  for (const char octet : octets) hash = (hash ^ static_cast<unsigned char>(octet)) * kPrime;
  return hash;
}

}  // namespace

ResponseParser::ResponseParser() {
  llhttp_init(&llhttp_, HTTP_RESPONSE, &settings());
  llhttp_.data = this;
}

void ResponseParser::begin(Method method) {
  restart();
  worker_ = {};
  body_.clear();
  body_bytes_ = 0;
  body_hash_ = kNoOctets;
  is_head_ = method == Method::head;
  started_ = complete_ = malformed_ = keep_alive_ = false;
}

void ResponseParser::restart() {
  llhttp_reset(&llhttp_);
  field_name_.clear();
  field_value_.clear();
  previous_ = '\0';
  status_line_length_ = 0;
}

std::size_t ResponseParser::feed(std::string_view bytes) {
  std::size_t taken = 0;
  while (taken < bytes.size() && !complete_ && !malformed_) taken += feed_message(bytes.substr(taken));
  return taken;
}

std::size_t ResponseParser::feed_message(std::string_view bytes) {
  started_ = true;
  unchecked_ = bytes.data();
  const auto error = llhttp_execute(&llhttp_, bytes.data(), bytes.size());
  const char* end = error == HPE_OK ? bytes.data() + bytes.size() : llhttp_get_error_pos(&llhttp_);
  check_lines(end);
  malformed_ = malformed_ || (error != HPE_OK && error != HPE_PAUSED);
  complete_ = complete_ && !malformed_;
  if (error == HPE_PAUSED && !complete_) restart();  // behind an interim response
  return static_cast<std::size_t>(end - bytes.data());
}

void ResponseParser::on_eof() {
  if (!complete_ && !malformed_) llhttp_finish(&llhttp_);  // calls end_message() where EOF is an end
}

// Checks the octets that belong to no body, from where the last check ended.
void ResponseParser::check_lines(const char* end) {
  for (; unchecked_ < end; ++unchecked_) {
    const char c = *unchecked_;
    const bool line_ends = previous_ == '\r';
    const bool no_name =
        previous_ == '\n' && (c == ' ' || c == '\t' || c == ':');  // obs-fold, or an empty one
    if (line_ends != (c == '\n') || no_name) malformed_ = true;
    previous_ = c;
    const bool stray = status_line_length_ == 0 && (c == '\r' || c == '\n');  // an empty line before it
    if (stray || status_line_length_ == kStatusLine.size()) continue;
    if (!fits_status_line(status_line_length_++, c)) malformed_ = true;
  }
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
  llhttp_.upgrade = 0;  // what follows a 101 is not HTTP: it is not read
  // llhttp believes a Content-Length here, which only tells what GET would have got (RFC 9110, 15.4.5).
  return is_head_ || !has_body(status()) ? kNoBody : kGoOn;
}

int ResponseParser::end_message() {
  if (status() < 200 && status() != kSwitchingProtocols) return HPE_PAUSED;
  complete_ = true;
  keep_alive_ = status() != kSwitchingProtocols && llhttp_should_keep_alive(&llhttp_) != 0;
  return HPE_PAUSED;  // no byte beyond the response is read
}

void ResponseParser::add_body(std::string_view part) {
  check_lines(part.data());
  unchecked_ = part.data() + part.size();
  previous_ = '\0';
  if (malformed_) return;
  body_bytes_ += part.size();
  if (hashes_bodies_) body_hash_ = hash_on(body_hash_, part);
  if (!keeps_bodies_) return;
  try {
    body_.append(part);
  } catch (...) {  // must not cross llhttp's C frames
    malformed_ = true;
  }
}

}  // namespace quartet::http
