#include <gtest/gtest.h>

#include <stdexcept>

#include "common/net/listener.h"

namespace quartet::net {
namespace {

TEST(Address, OfIPv4IsReadAndPrinted) {
  const auto address = Address::parse("127.0.0.1:8080");
  EXPECT_EQ(address.host, "127.0.0.1");
  EXPECT_EQ(address.port, 8080);
  EXPECT_EQ(address.to_string(), "127.0.0.1:8080");
}

TEST(Address, OfIPv6StandsInBrackets) {
  const auto address = Address::parse("[::1]:0");
  EXPECT_EQ(address.host, "::1");
  EXPECT_EQ(address.port, 0);
  EXPECT_EQ(address.to_string(), "[::1]:0");
}

TEST(Address, KnowsTheLoopback) {
  EXPECT_TRUE(Address::parse("127.3.2.1:80").is_loopback());
  EXPECT_TRUE(Address::parse("[::1]:80").is_loopback());
  EXPECT_FALSE(Address::parse("0.0.0.0:80").is_loopback());
  EXPECT_FALSE(Address::parse("[::]:80").is_loopback());
}

class BadAddress : public testing::TestWithParam<const char*> {};

TEST_P(BadAddress, IsRefusedWithASentenceThatQuotesIt) {
  try {
    Address::parse(GetParam());
    FAIL() << "accepted";
  } catch (const std::invalid_argument& error) {
    EXPECT_NE(std::string(error.what()).find(std::string("\"") + GetParam() + "\""), std::string::npos)
        << error.what();
  }
}

INSTANTIATE_TEST_SUITE_P(Each, BadAddress,
                         testing::Values("", ":", "8080", ":8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:-1",
                                         "127.0.0.1:65536", "127.0.0.1:80x", "127.0.0.1: 80", "localhost:80",
                                         "::1:80", "[::1]", "[::1]80", "[]:80", "[127.0.0.1]:80",
                                         "1.2.3:80"));

}  // namespace
}  // namespace quartet::net
