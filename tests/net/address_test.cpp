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

TEST(Address, IsLoopbackHoweverItIsWritten) {
  for (const auto* text : {"[0:0:0:0:0:0:0:1]:80", "[0::0001]:80", "[::0.0.0.1]:80", "[::ffff:127.0.0.1]:80",
                           "[::ffff:7f01:203]:80", "localhost:80"}) {
    EXPECT_TRUE(Address::parse(text).is_loopback()) << text;
  }
  EXPECT_TRUE((Address{"0:0:0:0:0:0:0:1", 80}).is_loopback());
  for (const auto* text :
       {"[::ffff:10.0.0.1]:80", "[::ffff:0:127.0.0.1]:80", "[::127.0.0.1]:80", "[1::1]:80", "12.7.0.1:80"}) {
    EXPECT_FALSE(Address::parse(text).is_loopback()) << text;
  }
}

TEST(Address, IsPrintedAsTheKernelDoes) {
  EXPECT_EQ(Address::parse("[0:0:0:0:0:0:0:1]:80").to_string(), "[::1]:80");
  EXPECT_EQ(Address::parse("[2001:DB8::0]:80").to_string(), "[2001:db8::]:80");
  EXPECT_EQ(Address::parse("localhost:80").to_string(), "127.0.0.1:80");
}

std::string complaint(const std::string& text) {
  try {
    return "accepted as " + Address::parse(text).to_string();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
}

TEST(Address, ThatIsIncompleteIsRefusedWithWhatToWriteInstead) {
  const std::string no_address =
      " names no address: write 127.0.0.1:8080, or 0.0.0.0:8080 for all of this machine's";
  EXPECT_EQ(complaint(":8080"), "\":8080\"" + no_address);
  EXPECT_EQ(complaint("8080"), "\"8080\"" + no_address);
  EXPECT_EQ(complaint("localhost"), "\"localhost\" has no port: write localhost:8080");
  EXPECT_EQ(complaint("127.0.0.1"), "\"127.0.0.1\" has no port: write 127.0.0.1:8080");
  EXPECT_EQ(complaint("::1"), "\"::1\" is an IPv6 address without brackets: write [::1]:8080");
  EXPECT_EQ(complaint("[fe80::1%eth0]:80"), "\"[fe80::1%eth0]:80\" has a scope, which is not supported");
  EXPECT_EQ(complaint("http://127.0.0.1:80"), "\"http://127.0.0.1:80\" is a URL: write only its ADDR:PORT");
}

TEST(Address, WithANameThatHasNoneSaysSo) {
  const std::string name(64, 'a');  // longer than a label may be: no resolver is asked
  EXPECT_TRUE(complaint(name + ":80").starts_with("\"" + name + ":80\" has a host that cannot be found: "))
      << complaint(name + ":80");
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
                                         "127.0.0.1:65536", "127.0.0.1:80x", "127.0.0.1: 80", "localhost",
                                         "localhost:", "::1:80", "[::1]", "[::1]80", "[]:80",
                                         "[127.0.0.1]:80", "1.2.3:80", "127.1:80", "0x7f.1:80", "a b:80",
                                         "localhost:80:80", "[localhost]:80", "*:80", "[::1%lo]:80"));

}  // namespace
}  // namespace quartet::net
