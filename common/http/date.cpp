#include "common/http/date.h"

#include <array>
#include <charconv>
#include <chrono>
#include <string>

namespace quartet::http {
namespace {

constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 7> kLongDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                       "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void append_digits(std::string& text, unsigned value, unsigned digits) {
  if (digits > 1) append_digits(text, value / 10, digits - 1);
  text.push_back(static_cast<char>('0' + value % 10));
}

/// Reads a date from the left; the first mismatch makes everything after it fail as well.
class DateReader {
 public:
  explicit DateReader(std::string_view text) : rest_(text) {}

  void literal(std::string_view expected) {
    ok_ = ok_ && rest_.starts_with(expected);
    if (ok_) rest_.remove_prefix(expected.size());
  }

  int number(std::size_t digits) {
    int value = 0;
    ok_ = ok_ && rest_.size() >= digits;
    if (!ok_) return 0;
    const char* end = rest_.data() + digits;
    ok_ = rest_[0] != '-' && std::from_chars(rest_.data(), end, value).ptr == end;
    rest_.remove_prefix(digits);
    return value;
  }

  template <std::size_t N>
  int name(const std::array<std::string_view, N>& names) {
    for (std::size_t i = 0; i < N && ok_; ++i) {
      if (!rest_.starts_with(names[i])) continue;
      rest_.remove_prefix(names[i].size());
      return static_cast<int>(i);
    }
    ok_ = false;
    return 0;
  }

  bool starts_with(std::string_view text) const { return ok_ && rest_.starts_with(text); }
  bool done() const { return ok_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

struct Time {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;

  void read_clock(DateReader& reader) {
    hour = reader.number(2);
    reader.literal(":");
    minute = reader.number(2);
    reader.literal(":");
    second = reader.number(2);
  }

  std::optional<std::time_t> unix_seconds() const {
    namespace chrono = std::chrono;
    const chrono::year_month_day date{chrono::year{year}, chrono::month{static_cast<unsigned>(month + 1)},
                                      chrono::day{static_cast<unsigned>(day)}};
    if (!date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
    const auto days = chrono::sys_days{date}.time_since_epoch().count();
    return std::time_t{days} * 86400 + hour * 3600 + minute * 60 + second;
  }
};

// "Sun, 06 Nov 1994 08:49:37 GMT"
std::optional<std::time_t> parse_fixdate(std::string_view text) {
  DateReader reader(text);
  Time time;
  reader.name(kDays);
  reader.literal(", ");
  time.day = reader.number(2);
  reader.literal(" ");
  time.month = reader.name(kMonths);
  reader.literal(" ");
  time.year = reader.number(4);
  reader.literal(" ");
  time.read_clock(reader);
  reader.literal(" GMT");
  return reader.done() ? time.unix_seconds() : std::nullopt;
}

// "Sunday, 06-Nov-94 08:49:37 GMT". A year that seems more than 50 years in the future is in the past; the
// turn of the century is fixed here, so that parsing needs no clock: 70..99 are 19xx, as for time_t.
std::optional<std::time_t> parse_rfc850(std::string_view text) {
  DateReader reader(text);
  Time time;
  reader.name(kLongDays);
  reader.literal(", ");
  time.day = reader.number(2);
  reader.literal("-");
  time.month = reader.name(kMonths);
  reader.literal("-");
  time.year = reader.number(2);
  time.year += time.year >= 70 ? 1900 : 2000;
  reader.literal(" ");
  time.read_clock(reader);
  reader.literal(" GMT");
  return reader.done() ? time.unix_seconds() : std::nullopt;
}

// "Sun Nov  6 08:49:37 1994"
std::optional<std::time_t> parse_asctime(std::string_view text) {
  DateReader reader(text);
  Time time;
  reader.name(kDays);
  reader.literal(" ");
  time.month = reader.name(kMonths);
  reader.literal(" ");
  const bool one_digit = reader.starts_with(" ");
  if (one_digit) reader.literal(" ");
  time.day = reader.number(one_digit ? 1 : 2);
  reader.literal(" ");
  time.read_clock(reader);
  reader.literal(" ");
  time.year = reader.number(4);
  return reader.done() ? time.unix_seconds() : std::nullopt;
}

void append_date(std::string& text, std::time_t unix_seconds) {
  namespace chrono = std::chrono;
  const chrono::sys_seconds time{chrono::seconds{unix_seconds}};
  const auto midnight = chrono::floor<chrono::days>(time);
  const chrono::year_month_day date{midnight};
  const chrono::hh_mm_ss clock{time - midnight};
  text.append(kDays[chrono::weekday{midnight}.c_encoding()]).append(", ");
  append_digits(text, static_cast<unsigned>(date.day()), 2);
  text.append(" ").append(kMonths[static_cast<unsigned>(date.month()) - 1]).append(" ");
  append_digits(text, static_cast<unsigned>(static_cast<int>(date.year())), 4);
  text.append(" ");
  append_digits(text, static_cast<unsigned>(clock.hours().count()), 2);
  text.append(":");
  append_digits(text, static_cast<unsigned>(clock.minutes().count()), 2);
  text.append(":");
  append_digits(text, static_cast<unsigned>(clock.seconds().count()), 2);
  text.append(" GMT");
}

}  // namespace

std::string format_http_date(std::time_t unix_seconds) {
  std::string text;
  append_date(text, unix_seconds);
  return text;
}

std::optional<std::time_t> parse_http_date(std::string_view text) {
  if (const auto time = parse_fixdate(text)) return time;
  if (const auto time = parse_rfc850(text)) return time;
  return parse_asctime(text);
}

std::string_view date_line(std::time_t unix_seconds) {
  // Per thread: it needs no lock, and a child cannot inherit a line that another thread was writing.
  static thread_local std::time_t formatted = -1;
  static thread_local std::string line;
  if (formatted != unix_seconds) {
    line.assign("Date: ");  // keeps its memory
    append_date(line, unix_seconds);
    line.append("\r\n");
    formatted = unix_seconds;
  }
  return line;
}

}  // namespace quartet::http
