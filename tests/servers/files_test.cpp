// /file/NAME: sendfile below --root, and nothing outside of it.
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/servers/configuration.h"

namespace quartet::suite {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBigSize = 32 << 20;

/// Bytes that tell where they are, made by words: unoptimized, 32 MiB made one by one are a fifth of a
/// second.
std::string pattern(std::size_t offset, std::size_t length) {
  constexpr std::size_t kWord = sizeof(std::uint64_t);
  std::vector<std::uint64_t> words((offset % kWord + length) / kWord + 1);
  std::uint64_t number = offset / kWord;
  for (auto& word : words) word = number++ * 0x9e37'79b9'7f4a'7c15;
  return {reinterpret_cast<const char*>(words.data()) + offset % kWord, length};
}

void write_file(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

class FilesTest : public ServerTest {
 protected:
  FilesTest() {
    std::string name = "/tmp/quartet-files-XXXXXX";
    directory_ = ::mkdtemp(name.data());
    fs::create_directories(root() / "below");
    write_file(root() / "hello.txt", "hello");
    write_file(root() / "below" / "deep.html", "<p>deep");
    write_file(directory_ / "secret.txt", "secret");
    fs::create_symlink("../secret.txt", root() / "escape.txt");
    fs::create_symlink("hello.txt", root() / "alias.txt");
  }
  ~FilesTest() override { fs::remove_all(directory_); }

  fs::path root() const { return directory_ / "root"; }
  void add_big_file() const { write_file(root() / "big.bin", pattern(0, kBigSize)); }
  ServerProcess start_with_root(std::vector<std::string> options = {}) const {
    options.insert(options.end(), {"--root", root().string()});
    return start(options);
  }

 private:
  fs::path directory_;
};
QUARTET_EVERY_CONFIGURATION(FilesTest);

TEST_P(FilesTest, AFileIsSentWithItsValidators) {
  const auto server = start_with_root();
  const auto answer = TestClient(server).get("/file/hello.txt");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "hello");
  EXPECT_TRUE(answer.header("Content-Type").starts_with("text/plain"));
  EXPECT_NE(answer.header("ETag"), "");
  EXPECT_NE(answer.header("Last-Modified"), "");
}

TEST_P(FilesTest, FilesInDirectoriesBelowTheRootAreServed) {
  const auto server = start_with_root();
  EXPECT_EQ(TestClient(server).get("/file/below/deep.html").body, "<p>deep");
}

TEST_P(FilesTest, AFileLargerThanEveryBufferArrivesWhole) {
  add_big_file();
  const auto server = start_with_root();
  TestClient client(server);
  const auto answer = client.get("/file/big.bin");
  EXPECT_EQ(client.get("/file/hello.txt").body, "hello");  // soon: to compare may take longer than keep-alive
  EXPECT_TRUE(answer.body == pattern(0, kBigSize));
}

TEST_P(FilesTest, ASlowReaderGetsAllOfIt) {
  add_big_file();
  const auto server = start_with_root();
  TestClient client(server.endpoint(), /*receive_buffer=*/4096);
  client.send(get("/file/big.bin", {"Range: bytes=0-3999999"}));
  EXPECT_TRUE(client.readable());
  EXPECT_EQ(TestClient(server).get("/healthz").status, 200);  // it delays nobody
  EXPECT_TRUE(client.read_answer().body == pattern(0, 4'000'000));
}

TEST_P(FilesTest, ReadersThatStopReadingDelayNobody) {
  add_big_file();
  const auto server = start_with_root();
  std::vector<TestClient> stalled;
  for (int i = 0; i < 5; ++i) stalled.emplace_back(server.endpoint(), 4096).send(get("/file/big.bin"));
  for (auto& client : stalled) EXPECT_TRUE(client.readable());
  EXPECT_EQ(TestClient(server).get("/file/hello.txt").body, "hello");
}

TEST_P(FilesTest, PipelinedFilesComeInOrder) {
  add_big_file();
  const auto server = start_with_root();
  TestClient client(server);
  client.send(get("/file/hello.txt") + get("/plaintext") + get("/file/big.bin") + get("/file/hello.txt"));
  EXPECT_EQ(client.read_answer().body, "hello");
  EXPECT_EQ(client.read_answer().body, "Hello, World!");
  EXPECT_EQ(client.read_answer().body.size(), kBigSize);
  EXPECT_EQ(client.read_answer().body, "hello");
}

TEST_P(FilesTest, HeadOfAFileSaysItsLength) {
  add_big_file();
  const auto server = start_with_root();
  TestClient client(server);
  const auto answer = client.exchange(request("HEAD", "/file/big.bin"), /*head=*/true);
  EXPECT_EQ(answer.header("Content-Length"), std::to_string(kBigSize));
  EXPECT_EQ(client.get("/file/hello.txt").body, "hello");
}

TEST_P(FilesTest, ARangeIsAPartialAnswer) {
  add_big_file();
  const auto server = start_with_root();
  TestClient client(server);
  const auto middle = client.exchange(get("/file/big.bin", {"Range: bytes=1000000-1999999"}));
  EXPECT_EQ(middle.status, 206);
  EXPECT_EQ(middle.header("Content-Range"), "bytes 1000000-1999999/" + std::to_string(kBigSize));
  EXPECT_TRUE(middle.body == pattern(1'000'000, 1'000'000));
  EXPECT_EQ(client.exchange(get("/file/hello.txt", {"Range: bytes=-2"})).body, "lo");
  EXPECT_EQ(client.exchange(get("/file/hello.txt", {"Range: bytes=3-"})).body, "lo");
}

TEST_P(FilesTest, ARangeBeyondTheEndIsNotSatisfiable) {
  const auto server = start_with_root();
  const auto answer = TestClient(server).exchange(get("/file/hello.txt", {"Range: bytes=5-"}));
  EXPECT_EQ(answer.status, 416);
  EXPECT_EQ(answer.header("Content-Range"), "bytes */5");
}

TEST_P(FilesTest, WhatTheClientHasIsNotSentAgain) {
  const auto server = start_with_root();
  TestClient client(server);
  const auto whole = client.get("/file/hello.txt");
  const auto by_tag = client.exchange(get("/file/hello.txt", {"If-None-Match: " + whole.header("ETag")}));
  EXPECT_EQ(by_tag.status, 304);
  EXPECT_EQ(by_tag.header("ETag"), whole.header("ETag"));
  const auto by_date =
      client.exchange(get("/file/hello.txt", {"If-Modified-Since: " + whole.header("Last-Modified")}));
  EXPECT_EQ(by_date.status, 304);
  EXPECT_EQ(client.exchange(get("/file/hello.txt", {"If-None-Match: \"other\""})).status, 200);
}

TEST_P(FilesTest, NothingOutsideOfTheRootIsServed) {
  const auto server = start_with_root();
  for (const auto* target : {"/file/../secret.txt", "/file/%2e%2e/secret.txt", "/file/below/../../secret.txt",
                             "/file/escape.txt", "/file//etc/passwd", "/file/%2fetc/passwd",
                             "/file/..%2fsecret.txt", "/file/hello.txt%00", "/file/below", "/file/missing"}) {
    SCOPED_TRACE(target);
    const auto answer = TestClient(server).get(target);
    EXPECT_TRUE(answer.status == 404 || answer.status == 400 || answer.status == 403) << answer.status;
    EXPECT_NE(answer.body, "secret");
  }
}

TEST_P(FilesTest, ASymbolicLinkWithinTheRootIsFollowed) {
  const auto server = start_with_root();
  EXPECT_EQ(TestClient(server).get("/file/alias.txt").body, "hello");
}

TEST_P(FilesTest, WithoutARootThereAreNoFiles) {
  const auto server = start();
  EXPECT_EQ(TestClient(server).get("/file/hello.txt").status, 404);
}

}  // namespace
}  // namespace quartet::suite
