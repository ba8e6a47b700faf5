// Lines of RFC 9112; the corpus has the same cases from outside.
#include "common/http/grammar.h"

#include <gtest/gtest.h>

namespace quartet::http {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

TEST(RequestLine, HasThreeParts) {
  const auto line = parse_request_line("GET /a?b HTTP/1.0");
  ASSERT_TRUE(line.has_value());
  EXPECT_EQ(line->method, "GET");
  EXPECT_EQ(line->target, "/a?b");
  EXPECT_EQ(line->major_version, 1);
  EXPECT_EQ(line->minor_version, 0);
}

TEST(RequestLine, IsNothingElse) {
  for (const auto line : {""sv, "GET"sv, "GET /"sv, "GET / "sv, "GET /  HTTP/1.1"sv, " GET / HTTP/1.1"sv,
                          "GET / HTTP/1.1 "sv, "GET\t/ HTTP/1.1"sv, "GET / HTTP/1.10"sv, "GET / http/1.1"sv,
                          "G(T / HTTP/1.1"sv, "GET / HTTP/1"sv, "GET / HTTP/ 1.1"sv, "GET /\0 HTTP/1.1"sv}) {
    EXPECT_EQ(parse_request_line(line), std::nullopt) << line;
  }
}

TEST(RequestLine, MayStillBecomeOneWhileItsMethodIsAToken) {
  EXPECT_TRUE(may_be_request_line("GE"));
  EXPECT_TRUE(may_be_request_line("M-SEARCH"));
  EXPECT_FALSE(may_be_request_line("\x16\x03"));
  EXPECT_FALSE(may_be_request_line(" GET"));
}

std::pair<std::string, std::string> target(std::string_view text, Method method = Method::get) {
  const auto parsed = parse_target(method, text);
  return parsed ? std::pair(std::string(parsed->path), std::string(parsed->query))
                : std::pair(std::string("none"), std::string());
}

TEST(Target, HasPathAndQuery) {
  using Parts = std::pair<std::string, std::string>;
  EXPECT_EQ(target("/a/b?c=d?e"), Parts("/a/b", "c=d?e"));
  EXPECT_EQ(target("/a?"), Parts("/a", ""));
  EXPECT_EQ(target("http://a:80/b?c"), Parts("/b", "c"));
  EXPECT_EQ(target("http://a"), Parts("/", ""));
  EXPECT_EQ(target("http://a?b"), Parts("/", "b"));
  EXPECT_EQ(target("*", Method::options), Parts("*", ""));
}

// The path and query percent-encode sets of WHATWG's URL standard.
TEST(Target, HoldsRawWhatBrowsersSendRaw) {
  using Parts = std::pair<std::string, std::string>;
  EXPECT_EQ(target("/a[1]|b"), Parts("/a[1]|b", ""));
  EXPECT_EQ(target("/a?b[]={c}|d^e`f\\g"), Parts("/a", "b[]={c}|d^e`f\\g"));
  EXPECT_EQ(target("http://h?a|b"), Parts("/", "a|b"));
}

TEST(Target, HoldsNothingElse) {
  for (const char c : "\\^`{}\"<>#\x80\xff"sv) EXPECT_EQ(target("/a"s + c + "b").first, "none") << c;
  for (const char c : "\"<>#\x80\xff"sv) EXPECT_EQ(target("/a?b"s + c + "c").first, "none") << c;
  for (const char c : "\\^`{}|\"<>#"sv) EXPECT_EQ(target("http://a"s + c + "b/").first, "none") << c;
}

TEST(FieldLine, HasNameAndTrimmedValue) {
  const auto field = parse_field_line("A-b:\t c d \t");
  ASSERT_TRUE(field.has_value());
  EXPECT_EQ(field->name, "A-b");
  EXPECT_EQ(field->value, "c d");
}

TEST(FieldLine, IsNothingElse) {
  for (const auto line : {""sv, ":"sv, ": a"sv, "a"sv, "a : b"sv, "a b: c"sv, "a: \0"sv, "a: \r"sv, "a: \n"sv,
                          "a: \x7f"sv, "\xe4: b"sv, " a: b"sv}) {
    EXPECT_EQ(parse_field_line(line), std::nullopt) << line;
  }
}

TEST(Host, MayBeANameOrAnAddressWithAPort) {
  for (const auto host :
       {"", "a", "example.com", "example.com:", "example.com:80", "1.2.3.4:5", "[::1]", "[::1]:80",
        "[::ffff:1.2.3.4]", "[2001:db8:0:1:2:3:4:5]", "[v1.a:b]", "a%41", "a_b", "!$&'()*+,;="}) {
    EXPECT_TRUE(is_host(host)) << host;
  }
}

TEST(Host, HasNothingElse) {
  for (const auto host : {"a b", "a/b", "a@b", "a:b", "a:80:80", "[::1", "::1", "[]", "[g::]", "[::1]a",
                          "[::1]:a", "a%4", "a%4g", "\xe4", "a?b", "a#b", "<a>", "a\\b"}) {
    EXPECT_FALSE(is_host(host)) << host;
  }
}

TEST(ChunkSize, IsHexadecimal) {
  EXPECT_EQ(parse_chunk_size("1aF").value().bytes, 0x1afU);
  EXPECT_EQ(parse_chunk_size("0").value().bytes, 0U);
  EXPECT_EQ(parse_chunk_size("FFFFFFFFFFFFFFFF").value().bytes, UINT64_MAX);
  EXPECT_EQ(parse_chunk_size("000000000000000000001").value().bytes, 1U);
  EXPECT_EQ(parse_chunk_size("5;a=\"b;c\"").value().bytes, 5U);
}

TEST(ChunkSize, IsNothingElse) {
  for (const auto line : {"", "g", "0x1", "+1", "-1", " 1", "1 ", "1\t", "1 1", ";a", "1;", "1;a=", "1;a=\"b",
                          "1;a b", "10000000000000000"}) {
    EXPECT_FALSE(parse_chunk_size(line).has_value()) << line;
  }
}

// RFC 9110, 5.6.4
TEST(ChunkSize, HasExtensionsWhoseBackslashMakesNoControlCharacterValid) {
  for (int octet = 0; octet < 256; ++octet) {
    const bool valid = octet == '\t' || (octet >= ' ' && octet != 0x7f);
    const auto line = "5;a=\"x\\"s + static_cast<char>(octet) + "y\"";
    EXPECT_EQ(parse_chunk_size(line).has_value(), valid) << octet;
  }
  EXPECT_FALSE(parse_chunk_size("5;a=\"x\\").has_value());
  EXPECT_FALSE(parse_chunk_size("5;a=\"x\\\"").has_value());
}

TEST(List, IsTakenElementByElement) {
  std::string_view list = " ,a\t,\t, b c ,,";
  EXPECT_EQ(next_element(list), "a");
  EXPECT_EQ(next_element(list), "b c");
  EXPECT_EQ(next_element(list), "");
}

}  // namespace
}  // namespace quartet::http
