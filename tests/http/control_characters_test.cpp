// Octets that belong nowhere outside a body: whoever lets one through may end a line where others do not.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "tests/http/client.h"

namespace quartet::test {
namespace {

constexpr std::string_view kChunkedRequest =
    "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A request before and after the place.
struct Place {
  const char* name;
  std::string before;
  std::string after;
};

void PrintTo(const Place& place, std::ostream* out) { *out << place.name; }

const std::string kAfterSize = "\r\nhello\r\n0\r\n\r\n";
const std::string kChunk = std::string(kChunkedRequest) + "5";
const std::string kLastChunk = std::string(kChunkedRequest) + "5\r\nhello\r\n0";

const std::array kPlaces{
    Place{"Method", "GE", "T / HTTP/1.1\r\nHost: h\r\n\r\n"},
    Place{"Path", "GET /a", "b HTTP/1.1\r\nHost: h\r\n\r\n"},
    Place{"Query", "GET /a?b", "c HTTP/1.1\r\nHost: h\r\n\r\n"},
    Place{"Version", "GET /plaintext HTTP/1.", "1\r\nHost: h\r\n\r\n"},
    Place{"FieldName", "GET /plaintext HTTP/1.1\r\nHost: h\r\nA", "b: c\r\n\r\n"},
    Place{"FieldValue", "GET /plaintext HTTP/1.1\r\nHost: h\r\nA: b", "c\r\n\r\n"},
    Place{"QuotedFieldValue", "GET /plaintext HTTP/1.1\r\nHost: h\r\nA: \"b\\", "c\"\r\n\r\n"},
    Place{"ChunkSize", kChunk, kAfterSize},
    Place{"ExtensionName", kChunk + ";a", "b=c" + kAfterSize},
    Place{"ExtensionValue", kChunk + ";a=b", "c" + kAfterSize},
    Place{"ExtensionQuotedString", kChunk + ";a=\"b", "c\"" + kAfterSize},
    Place{"ExtensionQuotedPair", kChunk + ";a=\"b\\", "c\"" + kAfterSize},
    Place{"LastChunksQuotedPair", kLastChunk + ";a=\"b\\", "c\"\r\n\r\n"},
    Place{"TrailerName", kLastChunk + "\r\nA", "b: c\r\n\r\n"},
    Place{"TrailerValue", kLastChunk + "\r\nA: b", "c\r\n\r\n"},
    Place{"QuotedTrailerValue", kLastChunk + "\r\nA: \"b\\", "c\"\r\n\r\n"},
};

/// 0x00 to 0x1f without HTAB, and DEL.
std::string control_characters() {
  std::string all;
  for (char c = '\0'; c < ' '; ++c) all += c;
  std::erase(all, '\t');
  return all + '\x7f';
}

void expect_refused(Client& client, int code) {
  EXPECT_TRUE(client.received.starts_with("HTTP/1.1 400 ")) << code << ": " << client.received;
  EXPECT_TRUE(client.ended()) << code;
}

class ControlCharacters : public testing::TestWithParam<Place> {
 protected:
  void expect_refused_in(const std::string& before, const auto& play) {
    for (const char c : control_characters()) {
      Client client;
      play(client, before + c + GetParam().after);
      expect_refused(client, c);
    }
  }
};

TEST_P(ControlCharacters, AreRefused) {
  expect_refused_in(GetParam().before, [](Client& client, const std::string& bytes) {
    client.send(bytes);
    client.play();
  });
}

TEST_P(ControlCharacters, AreRefusedWhereTheBytesAreSplitThere) {
  const std::size_t at = GetParam().before.size();
  for (const std::size_t length : {std::size_t{0}, std::size_t{1}}) {
    expect_refused_in(GetParam().before, [&](Client& client, const std::string& bytes) {
      for (const auto& part : {bytes.substr(0, at + length), bytes.substr(at + length)}) {
        client.send(part);
        client.play();
      }
    });
  }
}

TEST_P(ControlCharacters, AreRefusedByteByByte) {
  expect_refused_in(GetParam().before, [](Client& client, const std::string& bytes) {
    for (const char byte : bytes) {
      client.send({&byte, 1});
      client.play();
    }
  });
}

TEST_P(ControlCharacters, AreRefusedBehindAnotherRequest) {
  expect_refused_in(get() + GetParam().before, [](Client& client, const std::string& bytes) {
    client.send(bytes);
    client.play();
    EXPECT_TRUE(client.received.starts_with("HTTP/1.1 200 "));
    client.received.erase(0, client.received.find("HTTP/1.1 ", 1));
  });
}

INSTANTIATE_TEST_SUITE_P(In, ControlCharacters, testing::ValuesIn(kPlaces),
                         [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace quartet::test
