#pragma once

#include <array>
#include <bit>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quartet::pace {

/// What became of a request. Each ends in exactly one way.
enum class Outcome : std::uint8_t {
  ok,             ///< a whole response with a status below 400, and the content that was expected
  error_status,   ///< a whole response with a status of 400 or more
  eof,            ///< the connection was closed before the first byte of a response
  truncated,      ///< the connection was closed, or reset, in the middle of a response
  reset,          ///< the connection was reset before the first byte
  refused,        ///< no connection could be opened
  timed_out,      ///< no whole response within --timeout, counted from the send (or the connect)
  unanswered,     ///< the run ended first: it was in hand, or no connection had been free for it
  wrong_content,  ///< another body than expected, bytes behind it, or no HTTP at all
};
inline constexpr std::size_t kOutcomes = 9;

/// The server has said something, well or badly.
constexpr bool is_answer(Outcome outcome) {
  return outcome == Outcome::ok || outcome == Outcome::error_status || outcome == Outcome::wrong_content;
}

/// The connection broke, or there was none.
constexpr bool is_broken(Outcome outcome) {
  return outcome == Outcome::eof || outcome == Outcome::truncated || outcome == Outcome::reset ||
         outcome == Outcome::refused;
}

/// "ok", "error status", ...: the names that reports and DESIGN use.
std::string_view to_string(Outcome outcome);

/// One request, as in the file that --records writes: little-endian, no padding. Times are nanoseconds from
/// the start of the schedule; kNever where it did not come to that.
struct Record {
  static constexpr std::int64_t kNever = -1;

  std::int64_t due = 0;
  std::int64_t sent = kNever;        ///< its first byte was handed to the kernel
  std::int64_t first_byte = kNever;  ///< of the response
  std::int64_t done = kNever;        ///< the outcome was known
  std::uint32_t lateness = 0;        ///< of this program: from `due` to when it dealt with it; at most 4.29 s
  std::uint32_t body_bytes = 0;      ///< received, at most 4 GiB
  std::int32_t worker_process = 0;   ///< pid of who answered; 0: unknown
  std::uint32_t worker_slot = 0;
  std::uint32_t connection = 0;  ///< a number that no other connection of the run has; 0: none
  std::uint16_t status = 0;      ///< of the response; 0: none
  Outcome outcome = Outcome::unanswered;
  std::uint8_t lane = 0;  ///< which class of requests, in the order of the report
};
static_assert(sizeof(Record) == 56 && std::endian::native == std::endian::little);

/// Latency counts from when the request was due, not from when we got around to sending it.
inline std::int64_t latency(const Record& record) { return record.done - record.due; }
inline std::int64_t service_time(const Record& record) { return record.done - record.sent; }

/// The head of the file: 32 bytes, then the records in the order in which they were due.
struct RecordHeader {
  std::array<char, 8> magic{'Q', 'P', 'A', 'C', 'E', '\r', '\n', '\x1a'};  // shows what text modes do to it
  std::uint32_t version = 1;
  std::uint32_t record_bytes = sizeof(Record);
  std::uint64_t count = 0;
  std::int64_t start = 0;  ///< of the schedule: nanoseconds since 1970, UTC
};
static_assert(sizeof(RecordHeader) == 32);

/// @throws std::system_error
void write_records(const std::filesystem::path& path, std::span<const Record> records,
                   std::chrono::nanoseconds start);

struct RecordFile {
  RecordHeader header;
  std::vector<Record> records;
};
/// @throws std::runtime_error, also for a file of another version
RecordFile read_records(const std::filesystem::path& path);

}  // namespace quartet::pace
