#include "tests/http/invariants.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "tests/http/answer.h"
#include "tests/http/client.h"
#include "tests/http/mutator.h"

namespace quartet::test {
namespace {

constexpr int kMostRounds = 10'000;

void require(bool condition, const char* rule) {
  if (!condition) throw std::logic_error(rule);
}

/// FNV-1a: the bytes decide how they are played, so that a corpus of plain requests serves as seeds.
std::uint64_t hash(std::string_view bytes) {
  std::uint64_t result = 0xcbf29ce484222325;
  for (const char byte : bytes) result = (result ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  return result;
}

http::Limits some_limits(Random& random) {
  http::Limits limits;
  if (random.below(2) == 0) return limits;
  limits.max_request_line = 40;
  limits.max_header_bytes = 100;
  limits.max_headers = 4;
  limits.max_body = 12;
  limits.max_requests_per_connection = 3;
  return limits;
}

std::string_view take_piece(std::string_view& bytes, Random& random) {
  const auto size = std::min(bytes.size(), 1 + random.below(random.below(8) == 0 ? 64 : 8));
  const auto piece = bytes.substr(0, size);
  bytes.remove_prefix(size);
  return piece;
}

/// The answers, and whether more could come.
std::pair<std::string, bool> play_whole(std::string_view bytes, const Setup& setup) {
  Client client(setup);
  const auto answers = without_continue(client.exchange(bytes));
  return {answers, client.ended()};
}

std::pair<std::string, bool> play_in_parts(std::string_view bytes, const Setup& setup, Random& random) {
  Client client(setup);
  client.write_size = 1 + random.below(100);
  while (!bytes.empty()) {
    client.send(take_piece(bytes, random));
    client.play();
  }
  return {without_continue(client.take_received()), client.ended()};
}

void expect_half_close_to_end(std::string_view bytes, const Setup& setup) {
  Client client(setup);
  client.send(bytes);
  client.settle();
  if (client.want() != http::Want::close) client.half_close();
  client.play();
  require(client.want() != http::Want::read, "after EOF nothing is read");
}

void do_something(Client& client, Random& random) {
  switch (random.below(8)) {
    case 0: return client.pass(milliseconds{random.below(4000)});
    case 1: return random.below(40) == 0 ? client.shut_down() : client.pass(milliseconds{1});
    default: break;
  }
  switch (client.want()) {
    case http::Want::run: return client.run();
    case http::Want::write: return client.write(1 + random.below(200));
    case http::Want::sleep: return client.pass(client.patience() / (1 + static_cast<int>(random.below(2))));
    default: return;
  }
}

void expect_silence_to_end(Client& client) {
  for (int round = 0; client.want() != http::Want::close; ++round) {
    require(round < kMostRounds, "a silent client is rid of in the end");
    client.settle();
    if (client.want() != http::Want::close) client.pass(client.patience());
  }
}

/// Time passes, writes are short, the server drains: only the rules that always hold are checked.
void play_restlessly(std::string_view bytes, const Setup& setup, Random& random) {
  Client client(setup);
  for (int round = 0; !bytes.empty() && client.want() != http::Want::close; ++round) {
    require(round < kMostRounds + 100 * static_cast<int>(bytes.size()), "the connection makes progress");
    if (client.want() == http::Want::read) client.send(take_piece(bytes, random));
    do_something(client, random);
  }
  expect_silence_to_end(client);
  constexpr std::string_view kVersion = "HTTP/1.1 ";  // or the part of it that left before a timeout
  require(kVersion.starts_with(client.received.substr(0, kVersion.size())), "an answer starts with HTTP/1.1");
}

}  // namespace

void check_connection(std::string_view bytes) {
  Random random(hash(bytes));
  const Setup setup{.limits = some_limits(random), .batch_requests = 1 + random.below(64)};
  const auto whole = play_whole(bytes, setup);
  statuses(whole.first);
  require(play_in_parts(bytes, setup, random) == whole, "bytes in parts are answered like bytes in one");
  expect_half_close_to_end(bytes, setup);
  play_restlessly(bytes, setup, random);
}

}  // namespace quartet::test
