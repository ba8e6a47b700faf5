#include "tests/servers/exchanges.h"

#include "tests/http/corpus.h"
#include "tests/servers/test_client.h"

namespace quartet::suite {
namespace {

std::string repeat(std::string_view text, int count) {
  std::string result;
  for (int i = 0; i < count; ++i) result += text;
  return result;
}

std::string post(const std::string& field, const std::string& body) {
  return "POST /echo HTTP/1.1\r\nHost: test\r\n" + field + "\r\n\r\n" + body;
}

const char* const kCloses = "GET /healthz HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";

std::vector<Exchange> routes() {
  std::vector<Exchange> list;
  for (const auto* target :
       {"/", "/plaintext", "/json", "/bytes?n=0", "/bytes?n=1", "/bytes?n=200000", "/sleep?ms=0",
        "/sleep?ms=20", "/block?ms=20", "/cpu?units=1", "/stream?chunks=3&interval_ms=10",
        "/stream?chunks=1&interval_ms=0", "/healthz"}) {
    list.push_back({std::string("GET ") + target, get(target), {200}});
    list.push_back({std::string("HEAD ") + target, request("HEAD", target), {200}, /*head=*/true});
  }
  for (const auto* target : {"/bytes?n=", "/bytes?n=x", "/bytes?n=-1", "/bytes?n=99999999999999999999",
                             "/bytes?n=5x", "/sleep?ms=x", "/block?ms=-5", "/cpu?units=1.5",
                             "/counter?sync=x", "/session/a%20b", "/session/a?store=x", "/layout?format=x",
                             "/stream?chunks=x&interval_ms=1", "/stream?chunks=1&interval_ms=x"}) {
    list.push_back({std::string("bad parameter ") + target, get(target), {400}});
  }
  return list;
}

std::vector<Exchange> methods() {
  return {
      {"not found", get("/nowhere"), {404}},
      {"not found with a body", request("POST", "/nowhere", "body"), {404}},
      {"method not allowed", request("POST", "/plaintext", "body"), {405}},
      {"GET where only POST is", get("/echo"), {405}},
      {"DELETE", request("DELETE", "/plaintext"), {405}},
      {"PATCH", request("PATCH", "/echo", "x"), {405}},
      {"TRACE", request("TRACE", "/plaintext"), {501}},
      {"PROPFIND", request("PROPFIND", "/plaintext"), {501}},
      {"unknown method", request("BREW", "/plaintext"), {501}},
      {"lower case is another method", request("get", "/plaintext"), {501}},
      {"OPTIONS", request("OPTIONS", "/echo"), {}},
      {"OPTIONS *", request("OPTIONS", "*"), {}},
  };
}

std::vector<Exchange> bodies() {
  return {
      {"POST", request("POST", "/echo", "hello"), {200}},
      {"PUT", request("PUT", "/echo", "hello"), {200}},
      {"POST without a byte", request("POST", "/echo", ""), {200}},
      {"POST of 100,000 bytes", request("POST", "/echo", std::string(100'000, 'b')), {200}},
      {"chunked", post("Transfer-Encoding: chunked", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), {200}},
      {"chunked with extension and trailer",
       post("Transfer-Encoding: chunked", "5;a=b\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n"),
       {200}},
      {"body on GET", request("GET", "/plaintext", "ignored"), {200}},
      {"body expected and there",
       request("POST", "/echo", "hello", {"Expect: 100-continue"}),
       {200},
       false,
       /*whole=*/true},
      {"bad chunk size", post("Transfer-Encoding: chunked", "xyz\r\nhello\r\n0\r\n\r\n"), {400}},
      {"length and chunked", post("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), {400}},
      {"two lengths", post("Content-Length: 5\r\nContent-Length: 6", "hello!"), {400}},
      {"bad length", post("Content-Length: five", "hello"), {400}},
      {"body too large", post("Content-Length: 1048577", "hello"), {413}},
  };
}

std::vector<Exchange> versions() {
  return {
      {"HTTP/1.0", "GET /plaintext HTTP/1.0\r\n\r\n", {200}, false, /*whole=*/true},
      {"HTTP/1.0 that stays", "GET /plaintext HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", {200}},
      {"HTTP/1.0 stream",
       "GET /stream?chunks=3&interval_ms=5 HTTP/1.0\r\n\r\n",
       {200},
       false,
       /*whole=*/true},
      {"HTTP/1.1 that leaves", get("/plaintext", {"Connection: close"}), {200}, false, /*whole=*/true},
      {"HTTP/2.0", "GET / HTTP/2.0\r\nHost: test\r\n\r\n", {505}},
      {"HTTP/0.9", "GET /plaintext\r\n\r\n", {400}},
      {"no version that is one", "GET / HTCPCP/1.0\r\nHost: test\r\n\r\n", {400}},
  };
}

std::vector<Exchange> heads() {
  return {
      {"absolute form", get("http://test/plaintext"), {200}},
      {"percent-encoded path", get("/%70laintext"), {200}},
      {"percent-encoded query", get("/bytes?n=%35"), {200}},
      {"bad percent-encoding", get("/%zz"), {400}},
      {"empty line first", "\r\n" + get("/plaintext"), {200}},
      {"white space around values", get("/plaintext", {"X-Space: \t a \t "}), {200}},
      {"tab after Content-Length", post("Content-Length:\t5\t", "hello"), {200}},
      {"unknown expectation", request("POST", "/echo", "hello", {"Expect: miracles"}), {417}},
      {"no Host", "GET /plaintext HTTP/1.1\r\n\r\n", {400}},
      {"two Hosts", get("/plaintext", {"Host: other"}), {400}},
      {"bad Host", "GET /plaintext HTTP/1.1\r\nHost: a b\r\n\r\n", {400}},
      {"folded line", get("/plaintext", {"X-Folded: a\r\n b"}), {400}},
      {"white space before the colon", get("/plaintext", {"X-Space : a"}), {400}},
      {"bare LF", "GET /plaintext HTTP/1.1\nHost: test\n\n", {400}},
      {"bare CR", get("/plaintext", {"X-Bare: a\rb"}), {400}},
      {"no field name", get("/plaintext", {": a"}), {400}},
      {"two spaces", "GET  /plaintext HTTP/1.1\r\nHost: test\r\n\r\n", {400}},
      {"not HTTP", "\x16\x03\x01\x02 hello\r\n\r\n", {400}},
      {"long target", get("/" + std::string(9'000, 'x')), {414}},
      {"long head", get("/plaintext", {"X-Long: " + std::string(40'000, 'x')}), {431}},
      {"many fields", get("/plaintext", std::vector<std::string>(120, "X-Field: 1")), {431}},
  };
}

std::vector<Exchange> pipelines() {
  const auto echo = request("POST", "/echo", "between");
  return {
      {"pipeline", repeat(get("/plaintext"), 5), std::vector<int>(5, 200)},
      {"long pipeline", repeat(get("/plaintext"), 300), std::vector<int>(300, 200)},
      {"quick, slow, quick", get("/plaintext") + get("/sleep?ms=30") + get("/json"), {200, 200, 200}},
      {"stream in a pipeline",
       get("/json") + get("/stream?chunks=2&interval_ms=5") + get("/json"),
       {200, 200, 200}},
      {"body in a pipeline", get("/json") + echo + get("/plaintext"), {200, 200, 200}},
      {"not found in a pipeline", get("/json") + get("/nowhere") + get("/plaintext"), {200, 404, 200}},
      {"nothing after an error", get("/json") + "GARBAGE\r\n\r\n" + get("/plaintext"), {200, 400}},
      {"nothing after close", get("/json") + kCloses + get("/plaintext"), {200, 200}, false, /*whole=*/true},
  };
}

}  // namespace

std::vector<Exchange> exchanges() {
  std::vector<Exchange> all;
  for (const auto& group : {routes(), methods(), bodies(), versions(), heads(), pipelines()}) {
    all.insert(all.end(), group.begin(), group.end());
  }
  return all;
}

std::vector<Exchange> parser_corpus() {
  std::vector<Exchange> list;
  for (const auto& conversation : test::corpus()) {
    const auto& bytes = conversation.bytes;
    const bool slow = bytes.find("/sleep") != std::string::npos || bytes.find("/stream") != std::string::npos;
    if (!slow) list.push_back({conversation.name, bytes, {}});
  }
  return list;
}

}  // namespace quartet::suite
