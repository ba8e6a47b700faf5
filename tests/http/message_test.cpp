#include "common/http/message.h"

#include <gtest/gtest.h>

namespace quartet::http {
namespace {

TEST(Method, IsReadAsItIsWritten) {
  for (const auto method : kMethods) EXPECT_EQ(parse_method(to_string(method)), method);
  EXPECT_EQ(to_string(Method::delete_), "DELETE");
}

TEST(Method, IsCaseSensitiveAndNothingElse) {
  for (const auto token : {"", "get", "Get", "GE", "GETS", "CONNECT", "TRACE", " GET", "GET "}) {
    EXPECT_EQ(parse_method(token), std::nullopt) << token;
  }
}

TEST(EqualsIgnoringCase, ComparesAsciiLetters) {
  EXPECT_TRUE(equals_ignoring_case("Content-Length", "cONTENT-lENGTH"));
  EXPECT_TRUE(equals_ignoring_case("", ""));
  EXPECT_FALSE(equals_ignoring_case("a", "ab"));
  EXPECT_FALSE(equals_ignoring_case("@[`{", "`{@["));  // a difference of 0x20, but no letters
  EXPECT_FALSE(equals_ignoring_case("\xc4", "\xe4"));
}

TEST(Trim, StripsSpacesAndTabsOnly) {
  EXPECT_EQ(trim(" \t a \t b\t "), "a \t b");
  EXPECT_EQ(trim(" \t "), "");
  EXPECT_EQ(trim(""), "");
  EXPECT_EQ(trim("\v\ra\n"), "\v\ra\n");
}

TEST(PercentDecode, DecodesTwoHexadecimalDigits) {
  EXPECT_EQ(percent_decode("a%20b%2Fc%2f"), "a b/c/");
  EXPECT_EQ(percent_decode("%c3%A9"), "\xc3\xa9");
  EXPECT_EQ(percent_decode("a+b"), "a+b");
  EXPECT_EQ(percent_decode("%2541"), "%41");
  EXPECT_EQ(percent_decode(""), "");
  EXPECT_EQ(percent_decode("%00"), std::string(1, '\0'));
}

TEST(PercentDecode, IsNothingWithoutTwoHexadecimalDigits) {
  for (const auto text : {"%", "a%", "%4", "%4g", "%g4", "%%41", "% 4", "%+4", "%-4", "%0x"}) {
    EXPECT_EQ(percent_decode(text), std::nullopt) << text;
  }
}

TEST(Header, IsFoundWithoutCaseAndTheFirstCounts) {
  const Field fields[] = {{"Host", "a"}, {"X-A", "1"}, {"x-a", "2"}, {"Empty", ""}};
  Request request;
  request.fields = fields;
  EXPECT_EQ(request.header("x-A"), "1");
  EXPECT_EQ(request.header("empty"), "");
  EXPECT_EQ(request.header("X"), std::nullopt);
}

std::optional<std::string> parameter(std::string_view query, std::string_view name) {
  Request request;
  request.query = query;
  return request.parameter(name);
}

TEST(Parameter, IsDecodedAndTheFirstCounts) {
  EXPECT_EQ(parameter("a=1&b=2", "a"), "1");
  EXPECT_EQ(parameter("a=1&b=2", "b"), "2");
  EXPECT_EQ(parameter("a=1&a=2", "a"), "1");
  EXPECT_EQ(parameter("a=x%3D%26y", "a"), "x=&y");
  EXPECT_EQ(parameter("a=b=c", "a"), "b=c");
}

TEST(Parameter, MayBeEmpty) {
  EXPECT_EQ(parameter("a=", "a"), "");
  EXPECT_EQ(parameter("a", "a"), "");
  EXPECT_EQ(parameter("b&a&c", "a"), "");
}

TEST(Parameter, IsNothingWhereItIsNot) {
  EXPECT_EQ(parameter("", "a"), std::nullopt);
  EXPECT_EQ(parameter("ab=1", "a"), std::nullopt);
  EXPECT_EQ(parameter("ba=1", "a"), std::nullopt);
  EXPECT_EQ(parameter("b=a", "a"), std::nullopt);
  EXPECT_EQ(parameter("A=1", "a"), std::nullopt);
  EXPECT_EQ(parameter("&&", "a"), std::nullopt);
}

TEST(TextResponse, CarriesStatusAndDetail) {
  const auto response = text_response(404, "no such route");
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.content_type, "text/plain; charset=utf-8");
  EXPECT_NE(response.body.find("no such route"), std::string::npos);
}

TEST(ReasonPhrase, IsThatOfTheRfc) {
  EXPECT_EQ(reason_phrase(100), "Continue");
  EXPECT_EQ(reason_phrase(200), "OK");
  EXPECT_EQ(reason_phrase(204), "No Content");
  EXPECT_EQ(reason_phrase(206), "Partial Content");
  EXPECT_EQ(reason_phrase(304), "Not Modified");
  EXPECT_EQ(reason_phrase(408), "Request Timeout");
  EXPECT_EQ(reason_phrase(413), "Content Too Large");
  EXPECT_EQ(reason_phrase(414), "URI Too Long");
  EXPECT_EQ(reason_phrase(416), "Range Not Satisfiable");
  EXPECT_EQ(reason_phrase(417), "Expectation Failed");
  EXPECT_EQ(reason_phrase(431), "Request Header Fields Too Large");
  EXPECT_EQ(reason_phrase(505), "HTTP Version Not Supported");
}

TEST(ReasonPhrase, IsEmptyForAnUnknownStatus) { EXPECT_EQ(reason_phrase(599), ""); }

}  // namespace
}  // namespace quartet::http
