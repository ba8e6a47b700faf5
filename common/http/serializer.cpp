#include "common/http/serializer.h"

#include <array>
#include <charconv>

#include "common/http/date.h"

namespace quartet::http {
namespace {

void append_number(std::string& output, std::uint64_t value, int base = 10) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, base).ptr;
  output.append(digits.data(), end);
}

void append_status_line(std::string& output, int status) {
  if (status == 200) {
    output.append("HTTP/1.1 200 OK\r\n");
    return;
  }
  output.append("HTTP/1.1 ");
  append_number(output, static_cast<std::uint64_t>(status));
  output.append(" ").append(reason_phrase(status)).append("\r\n");
}

void append_framing(std::string& output, const Head& head) {
  if (!has_body(head.response.status)) return;
  output.append("Content-Type: ").append(head.response.content_type).append("\r\n");
  if (head.framing == Framing::chunked) {
    output.append("Transfer-Encoding: chunked\r\n");
  } else if (head.framing == Framing::length) {
    output.append("Content-Length: ");
    append_number(output, head.length);
    output.append("\r\n");
  }
}

void append_worker(std::string& output, const Slot& worker) {
  output.append("Quartet-Worker: ");
  append_number(output, static_cast<std::uint64_t>(worker.process.load(std::memory_order_relaxed)));
  output.append("/");
  append_number(output, worker.worker.load(std::memory_order_relaxed));
  output.append("\r\n");
}

}  // namespace

bool has_body(int status) { return status >= 200 && status != 204 && status != 304; }

void append_head(std::string& output, const Head& head, std::time_t unix_seconds) {
  append_status_line(output, head.response.status);
  output.append("Server: quartet\r\n").append(date_line(unix_seconds));
  append_framing(output, head);
  for (const auto& [name, value] : head.response.fields) {
    output.append(name).append(": ").append(value).append("\r\n");
  }
  if (head.worker != nullptr) append_worker(output, *head.worker);
  if (!head.connection.empty()) output.append("Connection: ").append(head.connection).append("\r\n");
  output.append("\r\n");
}

void append_chunk(std::string& output, std::string_view part) {
  append_number(output, part.size(), 16);
  output.append("\r\n").append(part).append("\r\n");
}

void append_last_chunk(std::string& output) { output.append("0\r\n\r\n"); }

}  // namespace quartet::http
