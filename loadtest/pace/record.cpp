#include "loadtest/pace/record.h"

#include <cerrno>
#include <fstream>
#include <stdexcept>
#include <system_error>

namespace quartet::pace {
namespace {

constexpr std::array<std::string_view, kOutcomes> kNames{"ok",        "error status",   "EOF before response",
                                                         "truncated", "reset",          "refused",
                                                         "timed out", "never answered", "wrong content"};

template <typename T>
void write_bytes(std::ostream& file, std::span<const T> values) {
  file.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size_bytes()));
}

template <typename T>
void read_bytes(std::istream& file, std::span<T> values) {
  file.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(values.size_bytes()));
}

}  // namespace

std::string_view to_string(Outcome outcome) { return kNames.at(static_cast<std::size_t>(outcome)); }

void write_records(const std::filesystem::path& path, std::span<const Record> records,
                   std::chrono::nanoseconds start) {
  std::ofstream file(path, std::ios::binary);
  const RecordHeader header{.count = records.size(), .start = start.count()};
  write_bytes(file, std::span(&header, 1));
  write_bytes(file, records);
  file.close();
  if (!file) throw std::system_error(errno, std::generic_category(), "write " + path.string());
}

RecordFile read_records(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::system_error(errno, std::generic_category(), "open " + path.string());
  RecordFile result;
  read_bytes(file, std::span(&result.header, 1));
  if (!file || result.header.magic != RecordHeader{}.magic)
    throw std::runtime_error(path.string() + " holds no records of quartet-pace");
  if (result.header.version != RecordHeader{}.version || result.header.record_bytes != sizeof(Record))
    throw std::runtime_error(path.string() + " holds records of another version of quartet-pace");
  const auto space = std::filesystem::file_size(path) - sizeof(RecordHeader);
  if (result.header.count != space / sizeof(Record) || space % sizeof(Record) != 0)
    throw std::runtime_error(path.string() + " has been cut");
  result.records.resize(result.header.count);
  read_bytes(file, std::span(result.records));
  if (!file) throw std::runtime_error("cannot read " + path.string());
  return result;
}

}  // namespace quartet::pace
