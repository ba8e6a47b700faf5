#include "common/http/request_parser.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace quartet::http {
namespace {

constexpr std::string_view kMalformedLine = "malformed request line";
constexpr std::string_view kMalformedField = "malformed header field";
constexpr std::string_view kMalformedChunk = "malformed chunk";
constexpr std::string_view kFieldsTooLong = "fields or chunk extensions are longer than --max-header-bytes";

/// What a chunk size takes of its line without counting as an extension: 64 bits and CRLF.
constexpr std::size_t kSizeDigits = 16;
constexpr std::size_t kSizeLine = kSizeDigits + 2;

std::string_view without_line_end(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

/// Whether the first CR is among the first `checked` octets, and something else than LF follows it. It does
/// not matter where a line is split.
bool has_bare_cr(std::string_view line, std::size_t checked) {
  const auto cr = line.find('\r');
  return cr < checked && cr + 1 < line.size() && line[cr + 1] != '\n';
}

}  // namespace

RequestParser::RequestParser(const Limits& limits) : limits_(limits) {
  llhttp_init(&llhttp_, HTTP_REQUEST, &settings());
  llhttp_.data = this;
}

void RequestParser::reset() {
  llhttp_reset(&llhttp_);
  storage_.release();
  message_ = {};
  rejection_ = {};
  request_ = {};
}

const llhttp_settings_t& RequestParser::settings() {
  static const llhttp_settings_t settings = [] {
    llhttp_settings_t callbacks;
    llhttp_settings_init(&callbacks);
    callbacks.on_header_field = [](llhttp_t* parser, const char* at, std::size_t length) {
      of(parser).storage_->fields.push_back({{at, length}, {}});
      return 0;
    };
    callbacks.on_header_value = [](llhttp_t* parser, const char* at, std::size_t length) {
      of(parser).storage_->fields.back().value = trim({at, length});
      return 0;
    };
    callbacks.on_headers_complete = [](llhttp_t* parser) {
      parser->upgrade = 0;  // we offer no other protocol: an Upgrade field changes nothing (RFC 9110, 7.8)
      return 0;
    };
    callbacks.on_body = [](llhttp_t* parser, const char* at, std::size_t length) {
      RequestParser& self = of(parser);
      if (!self.message_.discard_body) self.storage_->body.append(at, length);
      return 0;
    };
    callbacks.on_message_complete = [](llhttp_t* parser) {
      of(parser).message_.complete = true;
      return 0;
    };
    return callbacks;
  }();
  return settings;
}

void RequestParser::reject(int status, std::string_view detail) {
  if (!rejection_) rejection_ = {status, detail};
}

void RequestParser::execute(std::string_view bytes) {
  if (llhttp_execute(&llhttp_, bytes.data(), bytes.size()) != HPE_OK) reject(400, "malformed request");
}

std::size_t RequestParser::feed(std::string_view bytes) {
  if (bytes.empty()) return 0;
  message_.started = true;
  const bool had_head = message_.head_complete;
  std::size_t taken = 0;
  while (taken < bytes.size() && !message_.complete && !rejection_ && message_.head_complete == had_head) {
    taken += feed_part(bytes.substr(taken));
  }
  return taken;
}

std::size_t RequestParser::feed_part(std::string_view bytes) {
  switch (message_.part) {
    case Part::head: return feed_head(bytes);
    case Part::sized_body:
    case Part::chunk_data: return feed_data(bytes);
    default: return feed_line(bytes);
  }
}

// --- lines of the head

std::size_t RequestParser::feed_head(std::string_view bytes) {
  const auto newline = bytes.find('\n');
  const auto taken = newline == std::string_view::npos ? bytes.size() : newline + 1;
  auto& head = storage_.take().head;
  head.append(bytes.substr(0, taken));
  if (newline == std::string_view::npos) {
    check_unfinished(std::string_view(head).substr(message_.line_begin));
  } else {
    end_head_line();
  }
  return taken;
}

// Refuses an unfinished line that no further bytes can make valid: its client gets the error at once, not
// after a timeout. A whole line has to pass the same checks first, so that it does not matter where a line is
// split.
void RequestParser::check_unfinished(std::string_view line) {
  if (message_.method_length == 0) {
    const auto limit = limits_.max_request_line;
    const auto text = without_line_end(line);
    message_.is_head = text.starts_with("HEAD ");
    if (!may_be_request_line(text.substr(0, limit)) || has_bare_cr(line, limit))
      return reject(400, kMalformedLine);
    if (text.size() > limit) end_request_line(text);
    return;
  }
  const auto left = limits_.max_header_bytes - message_.field_bytes;
  if (has_bare_cr(line, left)) return reject(400, kMalformedField);
  if (line.size() > left && line != "\r\n" && line != "\r") reject(431, kFieldsTooLong);
}

void RequestParser::end_head_line() {
  std::string_view line = std::string_view(storage_->head).substr(message_.line_begin);
  check_unfinished(line);
  if (rejection_) return;
  if (!line.ends_with("\r\n")) return reject(400, "a line ends in LF without CR");
  line.remove_suffix(2);
  if (message_.method_length == 0) {
    if (line.empty()) return storage_->head.clear();  // a stray empty line (RFC 9112, 2.2)
    end_request_line(line);
  } else if (line.empty()) {
    return end_head();
  } else {
    end_field_line(line);
  }
  message_.line_begin = storage_->head.size();
}

void RequestParser::end_request_line(std::string_view line) {
  const auto limit = limits_.max_request_line;
  if (line.size() > limit) {
    if (line.substr(0, limit).find(' ') == std::string_view::npos)
      return reject(501, "the method is not implemented");
    return reject(414, "the request line is longer than --max-request-line");
  }
  const auto parsed = parse_request_line(line);
  if (!parsed) return reject(400, kMalformedLine);
  if (parsed->major_version != 1) return reject(505, "only HTTP/1.0 and HTTP/1.1 are supported");
  const auto method = parse_method(parsed->method);
  if (!method) return reject(501, "the method is not implemented");
  request_.method = *method;
  request_.minor_version = std::min(parsed->minor_version, 1);
  message_.method_length = parsed->method.size();
  message_.target_length = parsed->target.size();
  // A higher minor version is answered as the highest one known (RFC 9110, 6.2), but llhttp would refuse it.
  if (parsed->minor_version > 1) storage_->head[message_.line_begin + line.size() - 1] = '1';
}

void RequestParser::end_field_line(std::string_view line) {
  if (!count_field_bytes(line.size() + 2)) return;
  if (++message_.field_count > limits_.max_headers) {
    return reject(431, "more header fields than --max-headers");
  }
  const auto field = parse_field_line(line);
  if (!field) return reject(400, kMalformedField);
  note_field(*field);
}

bool RequestParser::count_field_bytes(std::size_t bytes) {
  message_.field_bytes += bytes;
  if (message_.field_bytes <= limits_.max_header_bytes) return true;
  reject(431, kFieldsTooLong);
  return false;
}

// --- fields that decide about framing and persistence

void RequestParser::note_field(const Field& field) {
  switch (field.name.size()) {
    case 4:
      if (!equals_ignoring_case(field.name, "Host")) return;
      ++message_.hosts;
      if (!is_host(field.value)) reject(400, "the Host field is not a host");
      return;
    case 6:
      if (equals_ignoring_case(field.name, "Expect")) note_expectation(field.value);
      return;
    case 10:
      if (equals_ignoring_case(field.name, "Connection")) note_connection(field.value);
      return;
    case 14:
      if (equals_ignoring_case(field.name, "Content-Length")) note_content_length(field.value);
      if (equals_ignoring_case(field.name, "Quartet-Worker")) message_.asks_for_worker = field.value == "?";
      return;
    case 17:
      if (equals_ignoring_case(field.name, "Transfer-Encoding")) note_transfer_encoding(field.value);
      return;
    default: return;
  }
}

void RequestParser::note_connection(std::string_view value) {
  for (auto token = next_element(value); !token.empty(); token = next_element(value)) {
    message_.close = message_.close || equals_ignoring_case(token, "close");
    message_.keep_alive = message_.keep_alive || equals_ignoring_case(token, "keep-alive");
  }
}

void RequestParser::note_content_length(std::string_view value) {
  const bool repeated =
      message_.content_length.has_value();  // also when equal: RFC 9112, 6.3 lets us refuse it
  std::uint64_t length = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), length);
  if (repeated || error != std::errc{} || end != value.data() + value.size()) {
    return reject(400, "the Content-Length field is not one number");
  }
  message_.content_length = length;
  rewrite_value(std::string(value));
}

void RequestParser::note_transfer_encoding(std::string_view value) {
  message_.has_transfer_encoding = true;
  std::string canonical;
  for (auto coding = next_element(value); !coding.empty(); coding = next_element(value)) {
    // Chunked comes last and once (RFC 9112, 6.1).
    if (message_.chunked) return reject(400, "the Transfer-Encoding field does not end in one chunked");
    message_.chunked = equals_ignoring_case(coding, "chunked");
    message_.other_coding = message_.other_coding || !message_.chunked;
    canonical.append(canonical.empty() ? "" : ", ").append(coding);
  }
  rewrite_value(canonical);
}

void RequestParser::note_expectation(std::string_view value) {
  for (auto member = next_element(value); !member.empty(); member = next_element(value)) {
    const bool known = equals_ignoring_case(member, "100-continue");
    message_.expects_continue = message_.expects_continue || known;
    message_.expects_other = message_.expects_other || !known;
  }
}

// llhttp refuses tabs and empty list elements around the values that it interprets, though both are legal
// (RFC 9110, 5.6.1 and 5.6.3): it gets the value of the current line without them.
void RequestParser::rewrite_value(std::string_view canonical) {
  auto& head = storage_->head;
  const auto begin = head.find(':', message_.line_begin) + 1;
  head.replace(begin, head.size() - 2 - begin, canonical);
}

// --- the end of the head

void RequestParser::end_head() {
  check_host();
  check_framing();
  if (rejection_) return;
  execute(storage_->head);
  if (rejection_ || !describe_request()) return;
  message_.head_complete = true;
  if (!message_.complete) expect_body();
}

void RequestParser::check_host() {
  if (message_.hosts > 1) reject(400, "more than one Host field");
  if (message_.hosts == 0 && request_.minor_version > 0) reject(400, "no Host field");
}

void RequestParser::check_framing() {
  const auto& length = message_.content_length;
  if (message_.has_transfer_encoding) {
    if (length) reject(400, "both Content-Length and Transfer-Encoding");
    if (request_.minor_version == 0) reject(400, "Transfer-Encoding in HTTP/1.0");
    if (!message_.chunked) reject(400, "the Transfer-Encoding field does not end in chunked");
    if (message_.other_coding) reject(501, "the transfer coding is not implemented");
  }
  if (length.value_or(0) > limits_.max_body) reject(413, "the body is longer than --max-body");
  if (request_.minor_version == 0) {  // expectations are not for HTTP/1.0 (RFC 9110, 10.1.1)
    message_.expects_continue = message_.expects_other = false;
  }
  if (message_.expects_other) reject(417, "only 100-continue can be expected");
}

bool RequestParser::describe_request() {
  const std::string_view head = storage_->head;
  request_.target = head.substr(message_.method_length + 1, message_.target_length);
  const auto target = parse_target(request_.method, request_.target);
  if (!target) return reject(400, "malformed request target"), false;
  request_.path = target->path;
  request_.query = target->query;
  request_.fields = storage_->fields;
  if (request_.path.find('%') == std::string_view::npos) return true;
  storage_->path = percent_decode(request_.path).value();  // its escapes were checked
  request_.path = storage_->path;
  if (request_.path.find('\0') != std::string_view::npos)
    return reject(400, "NUL in the request target"), false;
  return true;
}

void RequestParser::expect_body() {
  const bool agreed = message_.chunked ? (llhttp_.flags & F_CHUNKED) != 0
                                       : llhttp_.content_length == message_.content_length.value_or(0);
  if (!agreed) return reject(400, "ambiguous body length");
  message_.part = message_.chunked ? Part::chunk_size : Part::sized_body;
  message_.data_left = message_.content_length.value_or(0);
}

// --- the body

std::size_t RequestParser::feed_data(std::string_view bytes) {
  const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), message_.data_left));
  message_.data_left -= taken;
  message_.body_received += taken;
  execute(bytes.substr(0, taken));
  if (message_.part == Part::chunk_data && message_.data_left == 0) message_.part = Part::chunk_end;
  request_.body = storage_->body;
  return taken;
}

// Whether the line can still become one of that part, by its first octet: a client with wrong framing gets
// its error at once, not after a timeout.
bool RequestParser::may_be_line(std::string_view line, Part part) {
  if (part == Part::chunk_end) return line.starts_with('\r');
  return part != Part::chunk_size || std::isxdigit(static_cast<unsigned char>(line.front())) != 0;
}

std::size_t RequestParser::feed_line(std::string_view bytes) {
  const auto newline = bytes.find('\n');
  const auto taken = newline == std::string_view::npos ? bytes.size() : newline + 1;
  auto& line = storage_->line;
  line.append(bytes.substr(0, taken));
  const bool trailer = message_.part == Part::trailers;
  const auto left = limits_.max_header_bytes - message_.field_bytes;
  const auto allowed = left + (trailer ? 2 : kSizeLine);
  if (!may_be_line(line, message_.part) || has_bare_cr(line, allowed)) {
    reject(400, trailer ? kMalformedField : kMalformedChunk);
  } else if (line.size() > allowed) {
    reject(431, kFieldsTooLong);
  } else if (newline != std::string_view::npos) {
    end_line();
    line.clear();
  }
  return taken;
}

void RequestParser::end_line() {
  std::string_view line = storage_->line;
  if (!line.ends_with("\r\n")) return reject(400, "a line ends in LF without CR");
  line.remove_suffix(2);
  switch (message_.part) {
    case Part::chunk_size: return end_chunk_size(line);
    case Part::trailers: return end_trailer(line);
    default: break;
  }
  if (!line.empty()) return reject(400, kMalformedChunk);
  message_.part = Part::chunk_size;
  execute("\r\n");
}

void RequestParser::end_chunk_size(std::string_view line) {
  const auto size = parse_chunk_size(line);
  if (!size) return reject(400, kMalformedChunk);
  if (!count_field_bytes(line.size() - std::min(size->digits.size(), kSizeDigits))) return;
  if (size->bytes > limits_.max_body - message_.body_received) {
    return reject(413, "the body is longer than --max-body");
  }
  message_.data_left = size->bytes;
  message_.part = size->bytes == 0 ? Part::trailers : Part::chunk_data;
  execute(size->digits);  // extensions are ignored (RFC 9112, 7.1.1)
  execute("\r\n");
}

void RequestParser::end_trailer(std::string_view line) {
  if (line.empty()) return execute("\r\n");
  if (!count_field_bytes(line.size() + 2)) return;
  if (++message_.field_count > limits_.max_headers) {
    return reject(431, "more header fields than --max-headers");
  }
  if (!parse_field_line(line)) reject(400, kMalformedField);
}  // and drop it: nothing here needs trailers (RFC 9110, 6.5.1)

}  // namespace quartet::http
