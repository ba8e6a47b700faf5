#include "tests/servers/differential.h"

#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <stdexcept>

#include "common/http/limits.h"
#include "common/program/number.h"
#include "common/routes/routes.h"

namespace quartet::suite {
namespace {

using test::Dues;
using test::Random;

/// Noise must not decide: no timeout of the servers ends before that of the client.
const std::vector<std::string> kPatient{"--header-timeout",     "0", "--body-timeout",  "0",
                                        "--keep-alive-timeout", "0", "--write-timeout", "0"};
constexpr std::chrono::milliseconds kPatienceOfClient = 10s;
constexpr std::size_t kMostPieces = 200;

void require(bool condition, const std::string& rule) {
  if (!condition) throw std::logic_error(rule);
}

bool depends_on_process(std::string_view path) {
  static constexpr std::array<std::string_view, 5> kRoutes{"/whoami", "/stats", "/layout", "/counter",
                                                           "/session/"};
  return std::ranges::find(kRoutes, path) != kRoutes.end();
}

/// A parameter that costs time, and what of it a fuzzer can afford.
struct Cost {
  std::string_view path, name;
  std::uint64_t fallback, most;
};
constexpr std::array<Cost, 6> kCosts{{{"/sleep", "ms", 100, 5},
                                      {"/block", "ms", 100, 5},
                                      {"/cpu", "units", 100, 20},
                                      {"/stream", "chunks", 5, 5},
                                      {"/stream", "interval_ms", 100, 2},
                                      {"/bytes", "n", 1024, 200'000}}};

bool takes_long(std::string_view path, const http::Request& request) {
  return std::ranges::any_of(kCosts, [&](const Cost& cost) {
    if (cost.path != path) return false;
    const auto text = request.parameter(cost.name);
    // What is no number is refused at once.
    return (text ? app::parse_digits(*text).value_or(0) : cost.fallback) > cost.most;
  });
}

/// libFuzzer's clock would interrupt system calls, which looks like the end of a connection.
class WithoutAlarm {
 public:
  WithoutAlarm() { mask(SIG_BLOCK); }
  ~WithoutAlarm() { mask(SIG_UNBLOCK); }
  WithoutAlarm(const WithoutAlarm&) = delete;
  WithoutAlarm& operator=(const WithoutAlarm&) = delete;

 private:
  static void mask(int how) {
    sigset_t alarm;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    ::pthread_sigmask(how, &alarm, nullptr);
  }
};

using Send = void (*)(TestClient&, std::string_view, Random&);

void send_whole(TestClient& client, std::string_view bytes, Random&) { client.offer(bytes); }

void send_in_pieces(TestClient& client, std::string_view bytes, Random& random) {
  const auto most = 1 + std::max(random.below(32), 2 * bytes.size() / kMostPieces);
  while (!bytes.empty()) {
    const auto size = std::min(bytes.size(), 1 + random.below(most));
    if (!client.offer(bytes.substr(0, size))) return;  // the server has said its last word
    bytes.remove_prefix(size);
    ::sched_yield();
  }
}

/// What comes back until the server has closed; a machine that was busy gets a second chance.
Rest converse(const ServerProcess& server, std::string_view bytes, Send send, const Random& random) {
  const WithoutAlarm quiet;  // not where a server starts: it would inherit that
  Rest rest;
  for (int attempt = 0; attempt < 2 && rest.end == End::none; ++attempt) {
    TestClient client(server);
    Random same = random;
    send(client, bytes, same);
    client.half_close();
    rest = client.read_to_end(kPatienceOfClient);
  }
  require(rest.end != End::none, "a client that half-closes sees the end in time");
  require(rest.end == End::eof, "no answer is followed by a reset, whatever the client has sent");
  return rest;
}

/// Without what may differ: the time, and who answers.
std::string normalized(std::string_view answers, const Dues& dues) {
  std::string text;
  for (std::size_t i = 0; !answers.empty(); ++i) {
    const auto answer =
        test::take_answer(answers, dues.answers[i].to_head ? test::Body::none : test::Body::expected);
    text += std::to_string(answer.status) + "\n";
    for (const auto& [name, value] : answer.fields) {
      if (name != "Date" && name != "Quartet-Worker") text += name + ": " + value + "\n";
    }
    text += "\n" + answer.body + "\n";
  }
  return text;
}

/// @return the final answers, normalized
std::string audited(const Rest& rest, const Dues& dues, std::size_t sent) {
  test::Audit audit(dues);
  audit.read(rest.bytes);
  audit.expect_all_of(sent);
  return normalized(audit.final_answers(), dues);
}

Configuration small(Configuration configuration) {
  if (configuration.pool()) configuration.options.insert(configuration.options.end(), {"--workers", "2"});
  return configuration;
}

std::vector<Configuration> small_configurations() {
  std::vector<Configuration> all;
  for (const auto& each : every_configuration()) all.push_back(small(each));
  return all;
}

}  // namespace

Oracle::Oracle(const std::string& root) {
  app::add_demo_routes(originals_, scoreboard_);
  app::add_state_routes(originals_, sessions_);
  app::add_layout_route(originals_);
  app::add_file_route(originals_, root);
  for (const auto& original : originals_.routes()) {
    auto route = original;
    route.handler = [this, &original](const http::Request& request, const http::Slot& slot) -> http::Outcome {
      comparable_ = comparable_ && !depends_on_process(original.path) && !takes_long(original.path, request);
      if (!comparable_) return http::Response{};
      return original.handler(request, slot);
    };
    router_.add(std::move(route));
  }
}

std::optional<Dues> Oracle::dues(std::string_view bytes) {
  comparable_ = true;
  auto dues = test::due_answers(bytes, http::Limits{}, router_);
  return comparable_ ? std::optional(std::move(dues)) : std::nullopt;
}

Differential::Differential() : configurations_(small_configurations()), oracle_(QUARTET_FUZZ_ROOT) {}

Differential::Pair Differential::choose(Random& random) const {
  const auto first = random.below(configurations_.size());
  const auto second = (first + 1 + random.below(configurations_.size() - 1)) % configurations_.size();
  const char* const chosen = std::getenv("QUARTET_FUZZ_PAIR");
  if (chosen == nullptr) return {&configurations_[first], &configurations_[second]};
  const std::string names(chosen);
  const auto named = [&](const std::string& name) {
    const auto found = std::ranges::find(configurations_, name, &Configuration::name);
    require(found != configurations_.end(), "QUARTET_FUZZ_PAIR: there is no configuration \"" + name + '"');
    return &*found;
  };
  const auto comma = std::min(names.find(','), names.size());
  return {named(names.substr(0, comma)), named(names.substr(std::min(comma + 1, names.size())))};
}

const Differential::Server& Differential::server(const Configuration& configuration) {
  const auto found = servers_.find(configuration.name);
  if (found != servers_.end()) return found->second;
  auto options = kPatient;
  options.insert(options.end(), {"--root", QUARTET_FUZZ_ROOT});
  return servers_.try_emplace(configuration.name, configuration.command(options)).first->second;
}

void Differential::Server::expect_calm() const {
  const auto says = process.err();  // of a sanitizer, or of a worker that died
  require(says == said, "a server complains:\n" + says.substr(said.size()));
}

void Differential::check(std::string_view bytes) {
  Random random(test::hash(bytes));
  const auto [one, other] = choose(random);
  const auto dues = oracle_.dues(bytes);
  if (!dues) return;
  const auto names = one->name + " and " + other->name + ": ";
  const auto whole = converse(server(*one).process, bytes, send_whole, random);
  const auto pieces = converse(server(*other).process, bytes, send_in_pieces, random);
  for (const auto* each : {one, other}) server(*each).expect_calm();
  try {
    require(audited(whole, *dues, bytes.size()) == audited(pieces, *dues, bytes.size()),
            "the answers differ");
  } catch (const std::exception& error) {
    throw std::logic_error(names + error.what() + "\n--- whole to the first:\n" + whole.bytes +
                           "\n--- in pieces to the second:\n" + pieces.bytes + "\n---");
  }
}

}  // namespace quartet::suite
