#include "common/http/serializer.h"

#include <gtest/gtest.h>

#include "tests/http/answer.h"
#include "tests/http/client.h"

namespace quartet::test {
namespace {

using http::append_chunk;
using http::append_head;
using http::Framing;
using http::Response;

Answer head_of(const http::Head& head) {
  std::string output;
  append_head(output, head, kSunday);
  return only_answer(output, Body::none);
}

TEST(Serializer, WritesStatusLineFieldsAndAnEmptyLine) {
  std::string output = "before";
  const Response response{.status = 404, .fields = {{"Allow", "GET"}}};
  append_head(output, {.response = response, .length = 7, .connection = "close"}, kSunday);
  EXPECT_TRUE(output.starts_with("beforeHTTP/1.1 404 Not Found\r\n")) << output;
  EXPECT_TRUE(output.ends_with("\r\n\r\n")) << output;
}

TEST(Serializer, WritesEveryField) {
  const Response response{.fields = {{"X-A", "1"}}};
  const auto head = head_of({.response = response, .length = 7, .connection = "close"});
  EXPECT_EQ(head.field("Server"), "quartet");
  EXPECT_EQ(head.field("Date"), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(head.field("Content-Type"), "text/plain; charset=utf-8");
  EXPECT_EQ(head.field("Content-Length"), "7");
  EXPECT_EQ(head.field("Connection"), "close");
  EXPECT_EQ(head.field("X-A"), "1");
}

TEST(Serializer, WritesOneFraming) {
  const Response response{.fields = {}};
  const auto chunked = head_of({.response = response, .framing = Framing::chunked, .connection = ""});
  EXPECT_EQ(chunked.field("Transfer-Encoding"), "chunked");
  EXPECT_EQ(chunked.field("Content-Length"), std::nullopt);
  const auto until_close = head_of({.response = response, .framing = Framing::until_close, .connection = ""});
  EXPECT_EQ(until_close.field("Transfer-Encoding"), std::nullopt);
  EXPECT_EQ(until_close.field("Content-Length"), std::nullopt);
  EXPECT_EQ(until_close.field("Connection"), std::nullopt);
}

TEST(Serializer, WritesAStatusLineWithoutAPhraseForAnUnknownStatus) {
  std::string output;
  const Response response{.status = 599, .fields = {}};
  append_head(output, {.response = response, .connection = ""}, kSunday);
  EXPECT_TRUE(output.starts_with("HTTP/1.1 599 \r\n")) << output;  // the space stays (RFC 9112, 4)
}

TEST(Serializer, WritesNoLengthForWhatHasNoBody) {
  for (const int status : {100, 204, 304}) {
    const Response response{.status = status, .fields = {}};
    EXPECT_EQ(head_of({.response = response, .connection = ""}).field("Content-Length"), std::nullopt)
        << status;
    EXPECT_FALSE(http::has_body(status));
  }
  EXPECT_TRUE(http::has_body(200));
  EXPECT_TRUE(http::has_body(404));
}

TEST(Serializer, WritesLargeLengths) {
  const Response response{.fields = {}};
  EXPECT_EQ(head_of({.response = response, .length = UINT64_MAX, .connection = ""}).field("Content-Length"),
            "18446744073709551615");
}

TEST(Serializer, WritesChunksInHexadecimal) {
  std::string output;
  append_chunk(output, std::string(26, 'x'));
  http::append_last_chunk(output);
  const auto size = output.substr(0, 2);
  EXPECT_TRUE(size == "1a" || size == "1A") << output;
  EXPECT_EQ(output.substr(2), "\r\n" + std::string(26, 'x') + "\r\n0\r\n\r\n");
}

}  // namespace
}  // namespace quartet::test
