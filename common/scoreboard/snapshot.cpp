#include "common/scoreboard/snapshot.h"

#include <algorithm>
#include <numeric>

#include "common/program/log.h"

namespace quartet::app {
namespace {

using http::Phase;
using http::Slot;
using Json = nlohmann::ordered_json;
using http::TimePoint;
using std::chrono::nanoseconds;

constexpr std::array<Slot::Count Slot::*, Counts::kCounters.size()> kCounterMembers{
    &Slot::connections, &Slot::requests,       &Slot::errors,    &Slot::timeouts,
    &Slot::cut,         &Slot::bytes_received, &Slot::bytes_sent};

Counts read_counts(const Slot& slot) {
  Counts counts;
  for (std::size_t i = 0; i < kCounterMembers.size(); ++i)
    counts.counters[i] = (slot.*kCounterMembers[i]).load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < http::kPhases; ++i) counts.gauges[i] = slot.open(i);
  return counts;
}

State state_of(std::int32_t process, const Counts& counts, bool in_hand) {
  const auto has = [&](Phase phase) { return counts.gauges[static_cast<std::size_t>(phase)] > 0; };
  if (process == 0) return State::free;
  if (process < 0) return State::starting;
  if (in_hand || has(Phase::running)) return State::running;
  if (has(Phase::writing)) return State::writing;
  if (has(Phase::reading)) return State::reading;
  if (has(Phase::sleeping)) return State::sleeping;
  if (has(Phase::accepted)) return State::accepted;
  return has(Phase::idle) ? State::idle : State::ready;
}

/// What a client sent goes to terminals and into JSON.
std::string printable(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

/// Anybody may have written the file.
std::string read(const Board::Text& text) {
  return printable(std::string(text.begin(), std::ranges::find(text, '\0')));
}

std::optional<WorkerSnapshot::InHand> in_hand(const Slot& slot, TimePoint now) {
  const auto entry = slot.running.read();
  if (!entry) return std::nullopt;
  return WorkerSnapshot::InHand{printable(entry->request), std::max(now - entry->since, nanoseconds(0))};
}

std::optional<WorkerSnapshot::Death> last_death(const Slot& slot) {
  if (slot.death.count == 0) return std::nullopt;
  const auto request = slot.death.request.read();
  return WorkerSnapshot::Death{.count = slot.death.count,
                               .process = slot.death.process,
                               .generation = slot.death.generation,
                               .status = slot.death.status,
                               .manner = describe_exit(slot.death.status),
                               .unix_seconds = slot.death.unix_seconds,
                               .request = request ? printable(request->request) : ""};
}

WorkerSnapshot read(const Slot& slot, TimePoint now) {
  const std::int32_t process = slot.process;
  const Counts counts = read_counts(slot);
  auto running = in_hand(slot, now);
  const State state = state_of(process, counts, running.has_value());
  return {.worker = slot.worker,
          .generation = slot.generation,
          .process = process,
          .thread = slot.thread,
          .state = state,
          .counts = counts,
          .in_hand = std::move(running),
          .last_death = last_death(slot)};
}

double to_seconds(nanoseconds duration) { return std::chrono::duration<double>(duration).count(); }

Json describe(const WorkerSnapshot::Death& death) {
  return {{"count", death.count},
          {"pid", death.process},
          {"generation", death.generation},
          {"manner", death.manner},
          {"unix_time", death.unix_seconds},
          {"request", death.request.empty() ? Json() : Json(death.request)}};
}

void append(Json& json, const Counts& counts) {
  for (std::size_t i = 0; i < counts.counters.size(); ++i) json[Counts::kCounters[i]] = counts.counters[i];
  for (std::size_t i = 0; i < counts.gauges.size(); ++i)
    json["gauges"][Counts::kGauges[i]] = counts.gauges[i];
}

Json describe(const WorkerSnapshot& worker) {
  Json json{{"worker", worker.worker},
            {"pid", worker.process},
            {"tid", worker.thread},
            {"generation", worker.generation},
            {"state", to_string(worker.state)},
            {"in_hand", nullptr},
            {"last_death", nullptr}};
  if (worker.in_hand)
    json["in_hand"] = {{"request", worker.in_hand->request},
                       {"seconds", to_seconds(worker.in_hand->duration)}};
  if (worker.last_death) json["last_death"] = describe(*worker.last_death);
  append(json, worker.counts);
  return json;
}

Json describe_server(const Snapshot& snapshot) {
  return {{"model", snapshot.model},
          {"mode", snapshot.mode.empty() ? Json() : Json(snapshot.mode)},
          {"address", snapshot.address},
          {"pid", snapshot.process},
          {"supervised", snapshot.supervised},
          {"started_unix_time", snapshot.unix_seconds},
          {"uptime_seconds", to_seconds(snapshot.uptime)},
          {"draining_seconds", snapshot.draining ? Json(to_seconds(*snapshot.draining)) : Json()},
          {"replaced", snapshot.replaced},
          {"deaths", snapshot.deaths}};
}

}  // namespace

std::uint64_t Counts::open() const { return std::accumulate(gauges.begin(), gauges.end(), std::uint64_t{0}); }

Counts& Counts::operator+=(const Counts& other) {
  std::ranges::transform(counters, other.counters, counters.begin(), std::plus());
  std::ranges::transform(gauges, other.gauges, gauges.begin(), std::plus());
  return *this;
}

std::string_view to_string(State state) {
  switch (state) {
    case State::free: return "free";
    case State::starting: return "starting";
    case State::running: return "running";
    case State::writing: return "writing";
    case State::reading: return "reading";
    case State::sleeping: return "sleeping";
    case State::accepted: return "accepted";
    case State::idle: return "idle";
    case State::ready: return "ready";
  }
  return "";
}

Snapshot take_snapshot(const Board& board, std::span<const Slot> slots, TimePoint now) {
  const auto since = [&](TimePoint::rep then) { return now - TimePoint(TimePoint::duration(then)); };
  const auto draining = board.draining.load();
  Snapshot snapshot{.model = read(board.model),
                    .mode = read(board.mode),
                    .address = read(board.address),
                    .process = board.process,
                    .supervised = board.supervised != 0,
                    .pid_namespace = board.pid_namespace,
                    .unix_seconds = board.unix_seconds,
                    .uptime = since(board.started),
                    .draining = draining == 0 ? std::nullopt : std::optional<nanoseconds>(since(draining)),
                    .replaced = board.replaced,
                    .deaths = 0,
                    .totals = {},
                    .workers = {},
                    .incomplete = board.full};
  for (const Slot& slot : slots) {
    snapshot.workers.push_back(read(slot, now));
    snapshot.totals += snapshot.workers.back().counts;
    snapshot.deaths += slot.death.count;
  }
  return snapshot;
}

Json to_json(const Snapshot& snapshot) {
  Json json{{"server", describe_server(snapshot)}, {"totals", Json::object()}, {"workers", Json::array()}};
  append(json["totals"], snapshot.totals);
  for (const WorkerSnapshot& worker : snapshot.workers) json["workers"].push_back(describe(worker));
  return json;
}

}  // namespace quartet::app
