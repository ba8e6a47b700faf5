#include "tests/http/response_invariants.h"

#include <algorithm>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "common/http/response_parser.h"
#include "common/http/serializer.h"
#include "tests/http/answer.h"
#include "tests/http/mutator.h"
#include "tests/http/require.h"

namespace quartet::test {
namespace {

using http::Method;
using http::ResponseParser;

constexpr int kSwitchingProtocols = 101;

/// How the next size of a piece is chosen.
using PieceSize = std::function<std::size_t()>;

/// What became of one response.
struct Read {
  enum class End { complete, at_eof, incomplete, malformed };

  End end = End::incomplete;
  std::size_t position = 0;  ///< of the first byte behind it; not known of a malformed one
  int status = 0;            ///< known once complete, like the next two
  bool keep_alive = false;
  ResponseParser::Worker worker;
  std::string body;
  std::uint64_t body_bytes = 0;

  bool whole() const { return end == End::complete || end == End::at_eof; }
  bool operator==(const Read&) const = default;
};

/// HEAD for one in four, the same ones in every way of reading.
Method method_of(std::size_t index, std::uint64_t seed) {
  return Random(seed + index).below(4) == 0 ? Method::head : Method::get;
}

void check_end(ResponseParser& parser, const Read& read) {
  require(!(parser.complete() && parser.malformed()), "a response is not both complete and malformed");
  require(parser.started(), "a byte has come");
  const bool ended = parser.complete() || parser.malformed();
  require(!ended || parser.feed("HTTP/1.1 200 OK\r\n\r\n") == 0, "what has ended takes nothing");
  parser.on_eof();
  require(parser.complete() == read.whole(), "EOF changes nothing where a response has ended");
}

void check_whole(const Read& read, Method method) {
  require(read.status >= 200 || read.status == kSwitchingProtocols, "interim responses are skipped");
  const bool bodiless = method == Method::head || !http::has_body(read.status);
  require(!bodiless || read.body_bytes == 0, "HEAD, 1xx, 204 and 304 have no body");
  require(read.end == Read::End::complete || !read.keep_alive, "who closes does not keep alive");
}

/// Reads a server's bytes in pieces.
class Reader {
 public:
  Reader(std::string_view bytes, std::uint64_t seed, bool keeps_bodies) : bytes_(bytes), seed_(seed) {
    if (keeps_bodies) parser_.keep_bodies();
  }

  /// Up to the first response that is not complete.
  std::vector<Read> read_all(const PieceSize& piece_size) {
    std::vector<Read> all;
    while (position_ < bytes_.size()) {
      all.push_back(read(method_of(all.size(), seed_), piece_size));
      if (all.back().end != Read::End::complete) break;
    }
    return all;
  }

 private:
  Read read(Method method, const PieceSize& piece_size) {
    parser_.begin(method);
    require(!parser_.started() && !parser_.complete() && !parser_.malformed() && parser_.body_bytes() == 0,
            "begin() forgets the last response");
    const auto begin = position_;
    while (position_ < bytes_.size() && !parser_.complete() && !parser_.malformed()) feed(piece_size());
    require(parser_.body_bytes() <= position_ - begin, "a body has no more bytes than were fed");
    const auto read = describe();
    check_end(parser_, read);
    if (read.whole()) check_whole(read, method);
    return read;
  }

  void feed(std::size_t size) {
    // A copy of its own size: AddressSanitizer sees who reads beyond it.
    const auto part = bytes_.substr(position_, size);
    const std::vector<char> piece(part.begin(), part.end());
    const auto taken = parser_.feed({piece.data(), piece.size()});
    require(taken <= piece.size(), "a parser takes no more than it was given");
    require(taken == piece.size() || parser_.complete() || parser_.malformed(), "only an end leaves bytes");
    position_ += taken;
  }

  Read describe() {
    Read read;
    read.body_bytes = parser_.body_bytes();
    if (parser_.malformed()) return read.end = Read::End::malformed, read;
    const bool before = parser_.complete();
    parser_.on_eof();
    read.position = position_;
    if (!parser_.complete()) return read;
    read.end = before ? Read::End::complete : Read::End::at_eof;
    read.status = parser_.status();
    read.keep_alive = parser_.keep_alive();
    read.worker = parser_.worker();
    read.body = parser_.body();
    return read;
  }

  std::string_view bytes_;
  std::uint64_t seed_;
  ResponseParser parser_;
  std::size_t position_ = 0;
};

std::vector<Read> read_whole(std::string_view bytes, std::uint64_t seed, bool keeps_bodies = true) {
  return Reader(bytes, seed, keeps_bodies).read_all([&] { return bytes.size(); });
}

std::vector<Read> read_in_parts(std::string_view bytes, std::uint64_t seed) {
  Random random(seed);
  return Reader(bytes, seed, true).read_all([&] { return 1 + random.below(random.below(8) == 0 ? 64 : 8); });
}

std::vector<Read> read_byte_by_byte(std::string_view bytes, std::uint64_t seed) {
  return Reader(bytes, seed, true).read_all([] { return 1; });
}

void expect_bodies_to_be_counted(std::vector<Read> reads, std::string_view bytes, std::uint64_t seed) {
  for (auto& read : reads) {
    require(!read.whole() || read.body.size() == read.body_bytes, "a body has as many bytes as were counted");
    read.body.clear();
  }
  require(read_whole(bytes, seed, false) == reads, "who keeps no bodies reads the same");
}

/// What the response before leaves behind must not matter.
void expect_same_behind_another(const std::vector<Read>& reads, std::string_view bytes, std::uint64_t seed) {
  static const std::string kFirst =
      "HTTP/1.1 200 OK\r\nQuartet-Worker: 1/2\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
      "2\r\nab\r\n0\r\nTrailer: x\r\n\r\n";
  ResponseParser parser;
  parser.begin(Method::get);
  require(parser.feed(kFirst + std::string(bytes)) == kFirst.size(), "a response ends where it ends");
  if (reads.empty()) return;
  parser.begin(method_of(0, seed));
  parser.feed(bytes);
  if (!parser.malformed()) parser.on_eof();
  require(parser.complete() == reads[0].whole(), "a response behind another ends as it does alone");
  if (!parser.complete()) return;
  require(parser.status() == reads[0].status && parser.keep_alive() == reads[0].keep_alive &&
              parser.worker() == reads[0].worker && parser.body_bytes() == reads[0].body_bytes,
          "a response behind another says what it says alone");
}

/// The first final answer, to the tests' reader.
Answer take_final_answer(std::string_view& bytes, Method method) {
  for (;;) {
    auto answer = take_answer(bytes, method == Method::head ? Body::none : Body::expected);
    if (answer.status >= 200 || answer.status == kSwitchingProtocols) return answer;
  }
}

/// The tests' reader refuses more; where it accepts, there is nothing to argue about.
void expect_agreement(const std::vector<Read>& reads, std::string_view bytes, std::uint64_t seed) {
  auto rest = bytes;
  try {
    for (std::size_t i = 0; i < reads.size(); ++i) {
      const auto answer = take_final_answer(rest, method_of(i, seed));
      if (!reads[i].whole()) return;
      require(reads[i].status == answer.status, "two readers see the same status");
      require(reads[i].body == answer.body, "two readers see the same body");
      require(reads[i].position == bytes.size() - rest.size(), "two readers see the same end");
    }
  } catch (const Malformed&) {
  } catch (const Incomplete&) {
  }
}

}  // namespace

void check_responses(std::string_view bytes) {
  const auto seed = hash(bytes);
  const auto reads = read_whole(bytes, seed);
  require(read_in_parts(bytes, seed) == reads, "bytes in parts are read like bytes in one");
  if (bytes.size() <= kMostSingleBytes)
    require(read_byte_by_byte(bytes, seed) == reads, "single bytes are read like bytes in one");
  expect_bodies_to_be_counted(reads, bytes, seed);
  expect_same_behind_another(reads, bytes, seed);
  expect_agreement(reads, bytes, seed);
}

}  // namespace quartet::test
