// Same bytes in, same bytes out: only the way a server waits may differ.
#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>

#include "tests/servers/configuration.h"
#include "tests/servers/exchanges.h"

namespace quartet::suite {
namespace {

using ConformanceTest = ServerTest;
QUARTET_EVERY_CONFIGURATION(ConformanceTest);

/// The same without the values of Date fields, which have one length (RFC 9110, 5.6.7).
std::string masked(std::string bytes) {
  constexpr std::string_view kDate = "\r\nDate: ", kValue = "Sun, 06 Nov 1994 08:49:37 GMT",
                             kEnd = " GMT\r\n";
  for (auto at = bytes.find(kDate); at != std::string::npos; at = bytes.find(kDate, at + 1)) {
    const auto value = at + kDate.size();
    EXPECT_EQ(bytes.find(kEnd, value) + kEnd.size(), value + kValue.size() + 2) << bytes.substr(at, 60);
    bytes.replace(value, kValue.size(), "*");
  }
  return bytes;
}

/// How the bytes of an exchange reach the server.
using Delivery = void (*)(TestClient&, const std::string&);

void in_one_go(TestClient& client, const std::string& bytes) {
  client.send(bytes);
  client.half_close();
}

/// The last request ends the connection, not the client.
void followed_by_a_last_request(TestClient& client, const std::string& bytes) {
  client.send(bytes + get("/healthz", {"Connection: close"}));
}

void byte_by_byte(TestClient& client, const std::string& bytes) {
  for (const char byte : bytes) {
    if (!client.offer({&byte, 1})) return;
  }
  client.half_close();
}

std::string transcript(const ServerProcess& server, const std::string& bytes, Delivery deliver) {
  TestClient client(server);
  deliver(client, bytes);
  const auto rest = client.read_to_end();
  EXPECT_EQ(rest.end, End::eof);
  return masked(rest.bytes);
}

void expect_equal_transcripts(const ServerProcess& server, const std::vector<Exchange>& list,
                              Delivery deliver) {
  const ServerProcess reference(reference_configuration().command());
  for (const auto& exchange : list) {
    SCOPED_TRACE(exchange.name);
    EXPECT_EQ(transcript(server, exchange.bytes, deliver), transcript(reference, exchange.bytes, deliver));
  }
}

TEST_P(ConformanceTest, EveryExchangeIsAnsweredWithTheStatusesThatItAsksFor) {
  const auto server = start();
  for (const auto& exchange : exchanges()) {
    SCOPED_TRACE(exchange.name);
    TestClient client(server);
    client.send(exchange.bytes);
    for (const int status : exchange.statuses) ASSERT_EQ(client.read_answer(exchange.head).status, status);
  }
}

TEST_P(ConformanceTest, TheSameBytesInGiveTheSameBytesOut) {
  expect_equal_transcripts(start(), exchanges(), in_one_go);
}

TEST_P(ConformanceTest, TheSameBytesOutWhenTheServerCloses) {
  expect_equal_transcripts(start(), exchanges(), followed_by_a_last_request);
}

TEST_P(ConformanceTest, TheSameBytesOutWhenTheyComeOneByOne) {
  auto list = exchanges();
  std::erase_if(list, [](const auto& each) { return each.whole || each.bytes.size() > 2'000; });
  expect_equal_transcripts(start(), list, byte_by_byte);
}

TEST_P(ConformanceTest, TheSameBytesOutForTheCorpusOfTheParser) {
  expect_equal_transcripts(start(), parser_corpus(), in_one_go);
}

TEST_P(ConformanceTest, AnsweringByteByByteGivesTheBytesOfOneGo) {
  const auto server = start();
  const auto pipeline =
      get("/json") + request("POST", "/echo", "between") + get("/stream?chunks=2&interval_ms=1");
  EXPECT_EQ(transcript(server, pipeline, byte_by_byte), transcript(server, pipeline, in_one_go));
}

TEST_P(ConformanceTest, HeadHasTheFieldsOfGetAndNoBody) {
  const auto server = start();
  for (const auto* target : {"/", "/plaintext", "/json", "/bytes?n=1000"}) {
    SCOPED_TRACE(target);
    const auto whole = transcript(server, get(target), in_one_go);
    const auto head = transcript(server, "HEAD" + get(target).substr(3), in_one_go);
    EXPECT_EQ(head, whole.substr(0, whole.find("\r\n\r\n") + 4));
  }
}

TEST_P(ConformanceTest, NotAllowedSaysWhatIs) {
  const auto server = start();
  TestClient client(server);
  const auto answer = client.exchange(request("DELETE", "/plaintext"));
  EXPECT_EQ(answer.status, 405);
  EXPECT_EQ(answer.header("Allow"), "GET, HEAD, OPTIONS");
}

TEST_P(ConformanceTest, ContinueIsSaidToAClientThatWaitsForIt) {
  const auto server = start();
  TestClient client(server);
  client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_answer().status, 100);
  client.send("hello");
  EXPECT_EQ(client.read_answer().body, "hello");
  EXPECT_EQ(client.get("/healthz").status, 200);
}

TEST_P(ConformanceTest, ARefusalTakesThePlaceOfContinue) {
  const auto server = start();
  for (const auto& [target, length, status] :
       {std::tuple{"/nowhere", "5", 404}, {"/plaintext", "5", 405}, {"/echo", "9999999", 413}}) {
    SCOPED_TRACE(target);
    TestClient client(server);
    client.send("POST " + std::string(target) + " HTTP/1.1\r\nHost: test\r\nContent-Length: " + length +
                "\r\nExpect: 100-continue\r\n\r\n");
    const auto answer = client.read_answer();
    EXPECT_EQ(answer.status, status);
    EXPECT_TRUE(answer.closes());
    EXPECT_EQ(client.read_to_end().end, End::eof);
  }
}

TEST_P(ConformanceTest, AnErrorClosesTheConnectionAndSaysSo) {
  const auto server = start();
  TestClient client(server);
  const auto answer = client.exchange("GARBAGE\r\n\r\n");
  EXPECT_EQ(answer.status, 400);
  EXPECT_TRUE(answer.closes());
  EXPECT_FALSE(answer.body.empty());
  EXPECT_EQ(client.read_to_end().end, End::eof);
}

TEST_P(ConformanceTest, KeepAliveServesOneConnectionOverAndOver) {
  const auto server = start();
  TestClient client(server);
  for (int i = 0; i < 500; ++i) ASSERT_EQ(client.get("/plaintext").body, "Hello, World!");
}

TEST_P(ConformanceTest, EveryClientOfACrowdIsAnswered) {
  const auto server = start();
  auto crowd = silent_clients(server, 200);
  for (auto& client : crowd) client.send(get("/bytes?n=5000", {"Connection: close"}));
  for (auto& client : crowd) EXPECT_EQ(client.read_answer().body.size(), 5000u);
}

TEST_P(ConformanceTest, AClientThatGoesAwayHarmsNobody) {
  const auto server = start();
  for (int i = 0; i < 50; ++i) TestClient(server).send(get("/stream?chunks=1000&interval_ms=1"));
  EXPECT_EQ(TestClient(server).get("/plaintext").status, 200);
}

TEST_P(ConformanceTest, IPv6IsServed) {
  auto command = GetParam().command();
  command.arguments[1] = "[::1]:0";
  const ServerProcess server(command);
  EXPECT_EQ(server.endpoint().host, "::1");
  EXPECT_NE(server.out().find("listening on [::1]:"), std::string::npos);
  EXPECT_EQ(TestClient(server).get("/plaintext").body, "Hello, World!");
}

}  // namespace
}  // namespace quartet::suite
