#include "common/net/transfer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "common/net/fd.h"

namespace quartet::net {
namespace {

class Transfer : public testing::Test {
 protected:
  Transfer() {
    std::array<int, 2> ends{};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
    near_ = Fd(ends[0]);
    far_ = Fd(ends[1]);
  }

  static http::FileRange file_with(const std::string& text, std::uint64_t offset, std::uint64_t length) {
    const int descriptor = memfd_create("quartet", 0);
    EXPECT_EQ(write(descriptor, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    return {descriptor, offset, length};
  }

  std::string received() {
    std::array<char, 256> buffer{};
    const auto count = receive(far_.get(), buffer);
    return {buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0))};
  }

  Fd near_;
  Fd far_;
};

TEST_F(Transfer, SendsTheBytesThenTheFile) {
  const auto file = file_with("0123456789", 2, 5);
  EXPECT_EQ(send_output(near_.get(), {"head ", &file}), 10);
  std::string all = received();
  while (all.size() < 10) all += received();
  EXPECT_EQ(all, "head 23456");
}

TEST_F(Transfer, SendsAFileAlone) {
  const auto file = file_with("0123456789", 0, 10);
  EXPECT_EQ(send_output(near_.get(), {"", &file}), 10);
  EXPECT_EQ(received(), "0123456789");
}

TEST_F(Transfer, FailsWhenTheFileHasShrunk) {
  const auto file = file_with("0123", 4, 6);
  EXPECT_EQ(send_output(near_.get(), {"", &file}), -1);
  EXPECT_EQ(errno, EPIPE);
}

TEST_F(Transfer, ToAPeerThatIsGoneIsAnErrorAndNoSignal) {
  far_.reset();
  EXPECT_EQ(send_output(near_.get(), {"bytes", nullptr}), -1);
  EXPECT_EQ(errno, EPIPE);
}

TEST_F(Transfer, HalfCloseEndsOnlyOurDirection) {
  half_close(near_.get());
  EXPECT_EQ(received(), "");
  EXPECT_EQ(send(far_.get(), "still", 5, MSG_NOSIGNAL), 5);
  std::array<char, 16> buffer{};
  EXPECT_EQ(receive(near_.get(), buffer), 5);
}

}  // namespace
}  // namespace quartet::net
