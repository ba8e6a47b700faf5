// A client's side: what a response is, where it ends, and whether it is whole.
#include "common/http/response_parser.h"

#include <gtest/gtest.h>

#include <string>

namespace quartet::test {
namespace {

using http::Method;
using http::ResponseParser;

constexpr std::string_view kSized = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
constexpr std::string_view kChunked =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nT: 1\r\n\r\n";
constexpr std::string_view kUntilClose = "HTTP/1.1 200 OK\r\n\r\nhello";

struct Reader {
  explicit Reader(Method method = Method::get) {
    parser.keep_bodies();
    parser.begin(method);
  }
  explicit Reader(std::string_view bytes, Method method = Method::get) : Reader(method) {
    taken = parser.feed(bytes);
  }

  ResponseParser parser;
  std::size_t taken = 0;
};

TEST(ResponseParser, ReadsABodyOfGivenLength) {
  const Reader reader(kSized);
  EXPECT_TRUE(reader.parser.complete());
  EXPECT_EQ(reader.parser.status(), 200);
  EXPECT_EQ(reader.parser.body(), "hello");
  EXPECT_EQ(reader.parser.body_bytes(), 5U);
  EXPECT_TRUE(reader.parser.keep_alive());
}

/// The hash of the body, fed in two parts.
std::uint64_t hash_of(std::string_view response, std::size_t split) {
  ResponseParser parser;
  parser.hash_bodies();
  parser.begin(Method::get);
  parser.feed(response.substr(0, split));
  if (split < response.size()) parser.feed(response.substr(split));
  EXPECT_TRUE(parser.complete());
  return parser.body_hash();
}

TEST(ResponseParser, HashesABodyHoweverItComes) {
  constexpr std::uint64_t kHello = 0xa430d84680aabd0b;  // FNV-1a of "hello"
  for (const auto response : {kSized, kChunked})
    for (std::size_t split = 1; split < response.size(); ++split)
      EXPECT_EQ(hash_of(response, split), kHello) << split;
}

TEST(ResponseParser, HashesEachBodyByItself) {
  ResponseParser parser;
  parser.hash_bodies();
  parser.begin(Method::get);
  parser.feed(kSized);
  const auto first = parser.body_hash();
  parser.begin(Method::get);
  parser.feed(kSized);
  EXPECT_EQ(parser.body_hash(), first);
}

TEST(ResponseParser, PutsChunksTogether) {
  const Reader reader(kChunked);
  EXPECT_TRUE(reader.parser.complete());
  EXPECT_EQ(reader.parser.body(), "hello");
  EXPECT_TRUE(reader.parser.keep_alive());
}

TEST(ResponseParser, ReadsUntilTheEndWhereNothingElseDelimitsTheBody) {
  Reader reader(kUntilClose);
  EXPECT_FALSE(reader.parser.complete());
  reader.parser.on_eof();
  EXPECT_TRUE(reader.parser.complete());
  EXPECT_EQ(reader.parser.body(), "hello");
  EXPECT_FALSE(reader.parser.keep_alive());
}

TEST(ResponseParser, DoesNotCareWhereTheBytesAreSplit) {
  for (const auto response : {kSized, kChunked}) {
    for (std::size_t split = 1; split < response.size(); ++split) {
      Reader reader(response.substr(0, split));
      EXPECT_FALSE(reader.parser.complete()) << split;
      EXPECT_EQ(reader.parser.feed(response.substr(split)), response.size() - split);
      EXPECT_TRUE(reader.parser.complete()) << split;
      EXPECT_EQ(reader.parser.body(), "hello") << split;
    }
  }
}

TEST(ResponseParser, TakesNoByteBeyondTheResponse) {
  for (const auto response : {kSized, kChunked}) {
    const Reader reader(std::string(response) + "HTTP/1.1 500 X\r\n\r\n");
    EXPECT_TRUE(reader.parser.complete());
    EXPECT_EQ(reader.parser.status(), 200);
    EXPECT_EQ(reader.taken, response.size());
  }
}

TEST(ResponseParser, ReadsOneResponseAfterTheOther) {
  Reader reader(kSized);
  for (const auto response : {kChunked, kSized}) {
    reader.parser.begin(Method::get);
    EXPECT_FALSE(reader.parser.started());
    EXPECT_EQ(reader.parser.feed(response), response.size());
    EXPECT_TRUE(reader.parser.complete());
    EXPECT_EQ(reader.parser.body(), "hello");
  }
}

TEST(ResponseParser, ExpectsNoBodyAfterHead) {
  const Reader reader("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Method::head);
  EXPECT_TRUE(reader.parser.complete());
  EXPECT_TRUE(reader.parser.keep_alive());
}

TEST(ResponseParser, ExpectsNoBodyOfStatusesThatHaveNone) {
  for (const auto* status : {"204 No Content", "304 Not Modified"}) {
    for (const auto* length : {"", "Content-Length: 5\r\n"}) {
      const Reader reader("HTTP/1.1 " + std::string(status) + "\r\n" + length + "\r\n");
      EXPECT_TRUE(reader.parser.complete()) << status << ' ' << length;
      EXPECT_TRUE(reader.parser.keep_alive()) << status << ' ' << length;
    }
  }
}

TEST(ResponseParser, SkipsInterimResponses) {
  const auto bytes =
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + std::string(kSized);
  for (std::size_t split = 1; split < bytes.size(); ++split) {
    Reader reader(std::string_view(bytes).substr(0, split));
    reader.parser.feed(std::string_view(bytes).substr(split));
    EXPECT_TRUE(reader.parser.complete()) << split;
    EXPECT_EQ(reader.parser.status(), 200) << split;
    EXPECT_EQ(reader.parser.body(), "hello") << split;
  }
}

TEST(ResponseParser, EndsWithSwitchingProtocols) {
  const std::string head = "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
  const Reader reader(head + "\x01\x02");
  EXPECT_TRUE(reader.parser.complete());
  EXPECT_EQ(reader.parser.status(), 101);
  EXPECT_FALSE(reader.parser.keep_alive());
  EXPECT_EQ(reader.taken, head.size());
}

TEST(ResponseParser, KnowsWhichConnectionsPersist) {
  const auto keep_alive = [](const std::string& version, const std::string& field) {
    return Reader("HTTP/" + version + " 200 OK\r\nContent-Length: 0\r\n" + field + "\r\n")
        .parser.keep_alive();
  };
  EXPECT_TRUE(keep_alive("1.1", ""));
  EXPECT_FALSE(keep_alive("1.1", "Connection: close\r\n"));
  EXPECT_FALSE(keep_alive("1.0", ""));
  EXPECT_TRUE(keep_alive("1.0", "Connection: keep-alive\r\n"));
}

TEST(ResponseParser, IsNotCompleteAfterAnEarlyEnd) {
  for (const auto response : {kSized, kChunked}) {
    for (std::size_t length = 1; length < response.size(); ++length) {
      Reader reader(response.substr(0, length));
      reader.parser.on_eof();
      EXPECT_TRUE(reader.parser.started());
      EXPECT_FALSE(reader.parser.complete()) << length;
    }
  }
}

TEST(ResponseParser, HasNotStartedWithoutAByte) {
  Reader reader;
  reader.parser.on_eof();
  EXPECT_FALSE(reader.parser.started());
  EXPECT_FALSE(reader.parser.complete());
}

TEST(ResponseParser, CallsMalformedWhatIsNoResponse) {
  for (const auto* bytes : {"SSH-2.0-x\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/2.0 200 OK\r\n\r\n",
                            "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n",
                            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"}) {
    Reader reader{std::string_view(bytes)};
    EXPECT_TRUE(reader.parser.malformed()) << bytes;
    reader.parser.on_eof();
    EXPECT_FALSE(reader.parser.complete()) << bytes;
  }
}

// What llhttp 8.1 and 9.2 see differently.
TEST(ResponseParser, CallsMalformedWhatIsNoLine) {
  const std::string head = "HTTP/1.1 200 OK\r\n";
  const std::string chunked = head + "Transfer-Encoding: chunked\r\n\r\n";
  const std::string rest = "Content-Length: 1\r\n\r\nx";
  for (const auto& bytes : {"HTTP/1.1 200 OK\n" + rest,
                            "HTTP/1.1 200 OK\r\r" + rest,
                            "HTTP/1.1 0200 OK\r\n" + rest,
                            "HTTP/1.1 20 OK\r\n" + rest,
                            "HTTP/1.1 2000 OK\r\n" + rest,
                            "HTTP/1.1  200 OK\r\n" + rest,
                            "HTTP/1.1 200OK\r\n" + rest,
                            "\n" + head + rest,
                            head + "A: b\r\n c\r\n" + rest,
                            head + " A: b\r\n" + rest,
                            head + "A: b\r\n\tc\r\n" + rest,
                            head + ": b\r\n" + rest,
                            head + "A: b\n" + rest,
                            head + "A: b\rc\r\n" + rest,
                            head + "Content-Length: 1\r\n\nx",
                            head + "Content-Length: 1\n\nx",
                            chunked + "1\nx\r\n0\r\n\r\n",
                            chunked + "1\r\nx\n0\r\n\r\n",
                            chunked + "1\r\nx\r\n0\r\nA: b\r\n c\r\n\r\n",
                            chunked + "1\r\nx\r\n0\r\n: b\r\n\r\n",
                            chunked + "1\r\nx\r\n0\r\n\n",
                            "HTTP/1.1 100 Continue\n\r\n" + head + rest}) {
    for (std::size_t split = 0; split < bytes.size(); ++split) {
      Reader reader(std::string_view(bytes).substr(0, split));
      reader.parser.feed(std::string_view(bytes).substr(split));
      reader.parser.on_eof();
      EXPECT_TRUE(reader.parser.malformed()) << bytes << "split at " << split;
      EXPECT_FALSE(reader.parser.complete()) << bytes << "split at " << split;
    }
  }
}

TEST(ResponseParser, MindsNoLineEndsInABody) {
  const std::string_view body = "\n\r\r \n\t:\n ";
  for (const auto& bytes :
       {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" + std::string(body),
        "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n" + std::string(body) + "\r\n0\r\n\r\n",
        "\r\n\r\nHTTP/1.0 200 \r\n\r\n" + std::string(body)}) {
    for (std::size_t split = 0; split < bytes.size(); ++split) {
      Reader reader(std::string_view(bytes).substr(0, split));
      reader.parser.feed(std::string_view(bytes).substr(split));
      reader.parser.on_eof();
      EXPECT_TRUE(reader.parser.complete()) << bytes << "split at " << split;
      EXPECT_EQ(reader.parser.body(), body) << "split at " << split;
    }
  }
}

TEST(ResponseParser, ReadsTheWorkerWhereverItIsSplit) {
  const std::string_view bytes =
      "HTTP/1.1 200 OK\r\nA:\r\nquartet-worker: 1234/5\r\nContent-Length: 0\r\nB: c\r\n\r\n";
  for (std::size_t split = 1; split < bytes.size(); ++split) {
    Reader reader(bytes.substr(0, split));
    reader.parser.feed(bytes.substr(split));
    EXPECT_EQ(reader.parser.worker(), (ResponseParser::Worker{1234, 5})) << split;
  }
}

TEST(ResponseParser, KnowsNoWorkerWhereTheFieldMakesNoSense) {
  for (const auto* value :
       {"", "?", "12", "12/", "/3", "12/3x", "99999999999/1", "1/2222222222222222222222222222222222"}) {
    const Reader reader("HTTP/1.1 200 OK\r\nQuartet-Worker: " + std::string(value) +
                        "\r\nContent-Length: 0\r\n\r\n");
    EXPECT_TRUE(reader.parser.complete()) << value;
    EXPECT_EQ(reader.parser.worker(), ResponseParser::Worker{}) << value;
  }
}

TEST(ResponseParser, ForgetsTheWorkerOfTheLastResponse) {
  Reader reader("HTTP/1.1 200 OK\r\nQuartet-Worker: 1/2\r\nContent-Length: 0\r\n\r\n");
  reader.parser.begin(Method::get);
  reader.parser.feed(kSized);
  EXPECT_EQ(reader.parser.worker(), ResponseParser::Worker{});
}

}  // namespace
}  // namespace quartet::test
