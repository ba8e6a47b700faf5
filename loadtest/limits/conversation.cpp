#include "loadtest/limits/conversation.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <string>

namespace quartet::limits {
namespace {

constexpr std::string_view kBlankLine = "\r\n\r\n";
constexpr std::size_t kBatch = 64;  // answers in one send, as http::Service::batch_requests

/// As of RFC 9110, 5.6.7. The names are English: nobody calls setlocale.
std::string http_date(std::time_t unix_seconds) {
  std::tm utc{};
  ::gmtime_r(&unix_seconds, &utc);  // fails only beyond the year 2^31
  std::array<char, 64> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &utc)};
}

std::string make_answer() {
  return "HTTP/1.1 200 OK\r\nServer: quartet\r\nDate: " + http_date(std::time(nullptr)) +
         "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\n\r\nHello, World!";
}

std::string repeat(std::string_view text, std::size_t times) {
  std::string result;
  for (std::size_t i = 0; i < times; ++i) result += text;
  return result;
}

const std::string kAnswer = make_answer();
const std::string kAnswers = repeat(kAnswer, kBatch);

/// How much of the answer in hand has left.
std::size_t sent_of_answer(std::size_t owed) {
  return (kAnswer.size() - owed % kAnswer.size()) % kAnswer.size();
}

}  // namespace

std::string_view canned_answer() { return kAnswer; }

void Conversation::on_bytes(std::string_view bytes) {
  for (std::size_t i = 0; i < bytes.size();) {
    if (matched_ == 0 && (i = bytes.find('\r', i)) == std::string_view::npos) return;
    if (bytes[i] != kBlankLine[matched_]) {
      matched_ = 0;  // this byte may begin another one
      continue;
    }
    ++i;
    if (++matched_ < kBlankLine.size()) continue;
    matched_ = 0;
    owed_ += kAnswer.size();
  }
}

std::string_view Conversation::output() const {
  return std::string_view(kAnswers).substr(sent_of_answer(owed_), owed_);
}

std::string_view Conversation::answer() const {
  return output().substr(0, kAnswer.size() - sent_of_answer(owed_));
}

}  // namespace quartet::limits
