#include "tests/http/invariants.h"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>

#include "tests/http/answer.h"
#include "tests/http/client.h"
#include "tests/http/mutator.h"
#include "tests/http/reference.h"
#include "tests/http/require.h"

namespace quartet::test {
namespace {

constexpr int kMostRounds = 10'000;

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

struct Played {
  std::string answers;  ///< without interim ones
  bool ended = false;   ///< no more could come

  bool operator==(const Played&) const = default;
};

/// One client of a server that has all the time that it wants; each answer is looked at when it comes.
class Game {
 public:
  Game(const Setup& setup, const Dues& dues, std::size_t write_size = kAll) : client_(setup), audit_(dues) {
    client_.write_size = write_size;
  }

  void send(std::string_view bytes) {
    client_.send(bytes);
    sent_ += bytes.size();
    client_.play();
    look();
  }
  void send_in_pieces(std::string_view bytes, Random& random) {
    while (!bytes.empty()) send(take_piece(bytes, random));
  }
  void send_bytes(std::string_view bytes) {
    for (std::size_t i = 0; i < bytes.size(); ++i) send(bytes.substr(i, 1));
  }
  /// The client goes while its requests are being answered.
  void send_and_half_close(std::string_view bytes) {
    client_.send(bytes);
    sent_ += bytes.size();
    client_.settle();
    if (client_.want() != http::Want::close) client_.half_close();
    require(client_.gauge_fits(), "after EOF the slot shows what the connection is doing");
    client_.play();
    look();
    require(client_.want() != http::Want::read, "after EOF nothing is read");
  }

  const Audit& audit() const { return audit_; }
  Played played() const { return {audit_.final_answers(), client_.ended()}; }

 private:
  static constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

  void look() {
    audit_.read(client_.take_received());
    audit_.expect_all_of(sent_);
  }

  Client client_;
  Audit audit_;
  std::size_t sent_ = 0;
};

Played play_whole(std::string_view bytes, const Setup& setup, const Dues& dues) {
  Game game(setup, dues);
  game.send(bytes);
  game.audit().expect_continues_of_one_piece();
  require(game.played().ended == dues.closes(), "the connection ends with the answer that says so");
  const auto played = game.played();
  if (played.ended) game.send(get());
  require(game.played() == played, "nothing is answered behind the end");
  return played;
}

Played play_in_halves(std::string_view bytes, const Setup& setup, const Dues& dues, std::size_t at) {
  Game game(setup, dues);
  game.send(bytes.substr(0, at));
  game.send(bytes.substr(at));
  return game.played();
}

Played play_in_parts(std::string_view bytes, const Setup& setup, const Dues& dues, Random& random) {
  Game game(setup, dues, 1 + random.below(100));
  game.send_in_pieces(bytes, random);
  return game.played();
}

Played play_byte_by_byte(std::string_view bytes, const Setup& setup, const Dues& dues) {
  Game game(setup, dues, 1);
  game.send_bytes(bytes);
  game.audit().expect_continues_of_single_bytes();
  return game.played();
}

Played play_with_half_close(std::string_view bytes, const Setup& setup, const Dues& dues) {
  Game game(setup, dues);
  game.send_and_half_close(bytes);
  return {game.played().answers, dues.closes()};
}

/// The same bytes as the second request: what the first one leaves behind must not matter.
Played play_behind_another(std::string_view bytes, Setup setup) {
  const auto first = get("/plaintext");
  ++setup.limits.max_requests_per_connection;
  const auto together = first + std::string(bytes);
  const auto dues = due_answers(together, setup.limits, setup.router);
  Game game(setup, dues);
  game.send(together);
  auto played = game.played();
  std::string_view answers = played.answers;
  require(take_answer(answers).body == "Hello, World!", "the first request is answered first");
  return {std::string(answers), played.ended};
}

/// Where the client could go on, it can.
void expect_next_request_to_be_answered(std::string_view bytes, const Setup& setup, const Played& whole) {
  const auto together = std::string(bytes) + get("/plaintext");
  const auto dues = due_answers(together, setup.limits, setup.router);
  Game game(setup, dues);
  game.send(together);
  const auto played = game.played().answers;
  require(played.starts_with(whole.answers), "the next request changes no answer");
  require(only_answer(std::string_view(played).substr(whole.answers.size())).status == 200,
          "the next request is answered");
}

void expect_same_however_it_is_sent(std::string_view bytes, const Setup& setup, const Dues& dues,
                                    Random& random) {
  const auto whole = play_whole(bytes, setup, dues);
  require(play_in_parts(bytes, setup, dues, random) == whole,
          "bytes in parts are answered like bytes in one");
  const auto at = random.below(bytes.size());
  require(play_in_halves(bytes, setup, dues, at) == whole,
          "bytes in two parts are answered like bytes in one");
  if (bytes.size() <= kMostSingleBytes)
    require(play_byte_by_byte(bytes, setup, dues) == whole, "single bytes are answered like bytes in one");
  require(play_behind_another(bytes, setup) == whole, "bytes behind a request are answered like bytes alone");
  require(play_with_half_close(bytes, setup, dues) == whole, "who half-closes is still answered");
  if (!whole.ended && !dues.unfinished) expect_next_request_to_be_answered(bytes, setup, whole);
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

/// Whole answers, and the beginning of one that was cut.
void expect_answers_until_cut(std::string_view received, const Dues& dues) {
  Audit audit(dues, {.timeouts = true, .drain = true});
  try {
    audit.read(received);
  } catch (const Incomplete&) {
    const auto rest = received.substr(audit.taken());
    require(kVersion.starts_with(rest.substr(0, kVersion.size())), "an answer starts with HTTP/1.1");
  }
}

/// Time passes, writes are short, the server drains: what is answered is still what is due.
void play_restlessly(std::string_view bytes, const Setup& setup, const Dues& dues, Random& random) {
  Client client(setup);
  for (int round = 0; !bytes.empty() && client.want() != http::Want::close; ++round) {
    require(round < kMostRounds + 100 * static_cast<int>(bytes.size()), "the connection makes progress");
    if (client.want() == http::Want::read) client.send(take_piece(bytes, random));
    require(client.gauge_fits(), "after bytes the slot shows what the connection is doing");
    do_something(client, random);
    require(client.gauge_fits(), "after any event the slot shows what the connection is doing");
  }
  expect_silence_to_end(client);
  expect_answers_until_cut(client.received, dues);
}

}  // namespace

void check_connection(std::string_view bytes) {
  Random random(hash(bytes));
  const Setup setup{.limits = some_limits(random), .batch_requests = 1 + random.below(64)};
  const auto dues = due_answers(bytes, setup.limits, setup.router);
  expect_same_however_it_is_sent(bytes, setup, dues, random);
  play_restlessly(bytes, setup, dues, random);
}

}  // namespace quartet::test
