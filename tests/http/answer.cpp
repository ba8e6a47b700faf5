#include "tests/http/answer.h"

#include <algorithm>
#include <charconv>

#include "common/http/message.h"

namespace quartet::test {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

std::string_view take(std::string_view& bytes, std::size_t count) {
  if (bytes.size() < count) throw Incomplete("the body is shorter than announced");
  const auto taken = bytes.substr(0, count);
  bytes.remove_prefix(count);
  return taken;
}

std::string_view take_line(std::string_view& bytes) {
  const auto end = bytes.find(kLineEnd);
  if (end == std::string_view::npos) throw Incomplete("a line without end: " + std::string(bytes));
  const auto line = take(bytes, end);
  take(bytes, kLineEnd.size());
  if (line.find_first_of("\r\n") != std::string_view::npos)
    throw Malformed("a bare CR or LF: " + std::string(line));
  return line;
}

std::size_t number(std::string_view digits, int base) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc{} || end != digits.data() + digits.size()) {
    throw Malformed("not a number: " + std::string(digits));
  }
  return value;
}

int parse_status_line(std::string_view line) {
  if (!line.starts_with(kVersion) || line.size() < 13 || line[12] != ' ') {
    throw Malformed("no status line: " + std::string(line));
  }
  const auto status = number(line.substr(kVersion.size(), 3), 10);
  if (status < 100 || status > 599) throw Malformed("no status: " + std::string(line));
  return static_cast<int>(status);
}

std::pair<std::string, std::string> parse_field(std::string_view line) {
  const auto colon = line.find(": ");
  if (colon == 0 || colon == std::string_view::npos) throw Malformed("no field: " + std::string(line));
  return {std::string(line.substr(0, colon)), std::string(line.substr(colon + 2))};
}

std::string take_chunks(std::string_view& bytes) {
  std::string body;
  while (const auto size = number(take_line(bytes), 16)) {
    body += take(bytes, size);
    if (take(bytes, 2) != kLineEnd) throw Malformed("a chunk without CRLF");
  }
  if (!take_line(bytes).empty()) throw Malformed("a trailer was not expected");
  return body;
}

std::string take_body(std::string_view& bytes, const Answer& answer) {
  const auto coding = answer.field("Transfer-Encoding");
  const auto length = answer.field("Content-Length");
  if (coding && length) throw Malformed("both Transfer-Encoding and Content-Length");
  if (coding && *coding != "chunked") throw Malformed("Transfer-Encoding: " + *coding);
  if (coding) return take_chunks(bytes);
  return std::string(take(bytes, length ? number(*length, 10) : bytes.size()));
}

bool ends_with_head(int status, std::string_view rest, Body body) {
  if (status < 200 || status == 204 || status == 304) return true;
  if (body == Body::guess) return rest.empty() || rest.starts_with(kVersion);
  return body == Body::none;
}

}  // namespace

std::optional<std::string> Answer::field(std::string_view name) const {
  const auto has_name = [name](const auto& field) { return http::equals_ignoring_case(field.first, name); };
  const auto first = std::find_if(fields.begin(), fields.end(), has_name);
  if (first == fields.end()) return std::nullopt;
  if (std::find_if(first + 1, fields.end(), has_name) != fields.end())
    throw Malformed("twice: " + std::string(name));
  return first->second;
}

Answer take_answer(std::string_view& bytes, Body body) {
  Answer answer;
  answer.status = parse_status_line(take_line(bytes));
  for (auto line = take_line(bytes); !line.empty(); line = take_line(bytes)) {
    answer.fields.push_back(parse_field(line));
  }
  if (!ends_with_head(answer.status, bytes, body)) answer.body = take_body(bytes, answer);
  return answer;
}

Answer only_answer(std::string_view bytes, Body body) {
  auto answer = take_answer(bytes, body);
  if (!bytes.empty()) throw Malformed("more than one answer: " + std::string(bytes));
  return answer;
}

std::vector<int> statuses(std::string_view bytes) {
  std::vector<int> result;
  while (!bytes.empty()) result.push_back(take_answer(bytes, Body::guess).status);
  return result;
}

std::string without_interim(std::string_view bytes, const std::vector<Body>& bodies) {
  std::string result;
  for (std::size_t final_answers = 0; !bytes.empty();) {
    const auto before = bytes;
    const auto body = final_answers < bodies.size() ? bodies[final_answers] : Body::expected;
    if (take_answer(bytes, body).status < 200) continue;
    result += before.substr(0, before.size() - bytes.size());
    ++final_answers;
  }
  return result;
}

}  // namespace quartet::test
