#include "loadtest/pace/record.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

namespace quartet::pace {
namespace {

/// A file that is gone after the test.
struct TemporaryFile {
  TemporaryFile() : path(testing::TempDir() + "records." + std::to_string(::getpid())) {}
  ~TemporaryFile() { std::filesystem::remove(path); }

  std::string path;
};

std::vector<Record> three_records() {
  return {{.due = 0, .sent = 1, .first_byte = 2, .done = 3, .status = 200, .outcome = Outcome::ok},
          {.due = 1'000'000, .outcome = Outcome::refused, .lane = 1},
          {.due = 2'000'000, .worker_process = 1234, .worker_slot = 5, .outcome = Outcome::wrong_content}};
}

TEST(Records, AreReadAsTheyWereWritten) {
  const TemporaryFile file;
  const auto written = three_records();
  write_records(file.path, written, std::chrono::nanoseconds(42));
  const auto read = read_records(file.path);
  EXPECT_EQ(read.header.start, 42);
  ASSERT_EQ(read.records.size(), written.size());
  EXPECT_EQ(std::memcmp(read.records.data(), written.data(), written.size() * sizeof(Record)), 0);
}

TEST(Records, LieWhereTheReadmeSaysForAnyLanguage) {
  const TemporaryFile file;
  write_records(file.path, three_records(), std::chrono::nanoseconds(0));
  ASSERT_EQ(std::filesystem::file_size(file.path), 32 + 3 * 56U);
  std::ifstream stream(file.path, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(stream), {});
  EXPECT_EQ(bytes.substr(0, 8), "QPACE\r\n\x1a");
  EXPECT_EQ(bytes[8], 1);
  EXPECT_EQ(bytes[12], 56);
  EXPECT_EQ(bytes[16], 3);
  const auto third = bytes.substr(32 + 2 * 56, 56);
  EXPECT_EQ(third.substr(0, 4), std::string("\x80\x84\x1e\0", 4));       // due
  EXPECT_EQ(third.substr(8, 8), std::string(8, '\xff'));                 // sent: never
  EXPECT_EQ(third.substr(40, 8), std::string("\xd2\4\0\0\5\0\0\0", 8));  // worker 1234/5
  EXPECT_EQ(third[54], static_cast<char>(Outcome::wrong_content));
}

TEST(Records, AreNotReadFromAnotherFile) {
  const TemporaryFile file;
  write_records(file.path, three_records(), std::chrono::nanoseconds(0));
  std::filesystem::resize_file(file.path, 32 + 2 * 56 + 7);
  EXPECT_THROW(read_records(file.path), std::runtime_error);
  std::ofstream(file.path) << "something else, which is longer than a header";
  EXPECT_THROW(read_records(file.path), std::runtime_error);
  EXPECT_THROW(read_records("/nonexistent"), std::runtime_error);
}

TEST(Records, ThatCannotBeWrittenSaySo) {
  EXPECT_THROW(write_records("/dev/full", std::vector<Record>(100'000), {}), std::system_error);
}

TEST(Outcome, HasANameOfItsOwn) {
  EXPECT_EQ(to_string(Outcome::ok), "ok");
  EXPECT_EQ(to_string(Outcome::eof), "EOF before response");
  EXPECT_EQ(to_string(Outcome::wrong_content), "wrong content");
}

}  // namespace
}  // namespace quartet::pace
