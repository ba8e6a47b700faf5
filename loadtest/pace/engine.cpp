// One thread, one epoll, an absolute schedule. Nothing on the way of a request may allocate, and nothing may
// wait for a server: a request that is due is sent, or waits in its lane's queue for a connection.
#include "loadtest/pace/engine.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <deque>
#include <limits>
#include <stdexcept>
#include <utility>

#include "common/net/system.h"
#include "loadtest/pace/client_socket.h"
#include "loadtest/pace/lane.h"
#include "loadtest/pace/session_clients.h"

namespace quartet::pace {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

/// Requests taken up, and events handled, before the clock is looked at again: neither may starve the other.
constexpr std::size_t kBatch = 32;
/// How often timeouts and the interruption are looked at.
constexpr Nanoseconds kTick = 10ms;
/// Sleeps end later than asked, by what the machine needs to wake up; at most so much is spun away instead.
constexpr Nanoseconds kMostSpin = 200us;
/// Between two attempts to connect after a failure: 1 ms, 2 ms, ... A server that is back is found within
/// this time.
constexpr Nanoseconds kLongestPause = 20ms;
constexpr int kDoublings = 5;  // 32 ms is longer than that already
/// Held connections that are being opened at a time: fewer than any server's queue.
constexpr std::size_t kOpening = 64;
constexpr Nanoseconds kPatienceAtStart = 10s;
/// Before a client that has lost a request asks again.
constexpr Nanoseconds kRetryPause = 10ms;

std::uint32_t saturate(std::uint64_t number) {
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(number, std::numeric_limits<std::uint32_t>::max()));
}

Nanoseconds cpu_time() {
  timespec time{};
  net::check(::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time), "clock_gettime");
  return std::chrono::seconds(time.tv_sec) + Nanoseconds(time.tv_nsec);
}

/// Of pipelined requests behind one with which their connection ended.
Outcome outcome_behind(Outcome outcome) {
  const bool same = outcome == Outcome::timed_out || outcome == Outcome::reset || outcome == Outcome::refused;
  return same ? outcome : Outcome::eof;
}

void end_gap(Tally& tally, Nanoseconds time) {
  if (time - tally.last_ok > tally.gap_end - tally.gap_begin) {
    tally.gap_begin = tally.last_ok;
    tally.gap_end = time;
  }
  tally.last_ok = time;
}

class Engine {
 public:
  Engine(const Plan& plan, const volatile std::sig_atomic_t& interrupted);

  Ledger run(const std::function<void(const Ledger&)>& on_open);

 private:
  // --- time
  Nanoseconds now() const { return steady_clock::now() - start_; }
  Nanoseconds next_wake() const;
  void wait(Nanoseconds until);
  void turn();

  // --- before the schedule, and after it
  void invite_rude();
  void count_rude();
  void watch(int descriptor);
  Nanoseconds patience_at_start() const;
  void open_held();
  void store_sessions();
  void open_lanes();
  bool all_opened() const;
  void start_schedule();

  // --- requests
  void take_due();
  Lane* next_due();
  void take(Lane& lane, Nanoseconds time);
  std::size_t note(Lane& lane, Nanoseconds time);
  void serve_waiting();
  void serve_waiting(Lane& lane, Nanoseconds time);
  Client* free_client(Lane& lane, Nanoseconds time);
  void start(Client& client, std::size_t record);
  bool asks(const Lane& lane, Nanoseconds time) const;
  bool has_work(const Lane& lane, Nanoseconds time) const;
  void ask(Client& client, Nanoseconds time);
  bool over(Nanoseconds time) const;
  void retry(Lane& lane, const Record& lost);
  void end_records(Nanoseconds time);

  // --- connections
  void open(Client& client);
  void on_open_failed(Client& client, int error);
  void note_local_failures(std::uint64_t count, int first);
  void on_connected(Client& client);
  void send(Client& client, Nanoseconds time);
  void send_rest(Client& client);
  void on_event(Client* client, std::uint32_t events);
  void on_event(Client& client, std::uint32_t events);
  void on_input(Client& client, bool to_the_end);
  void finish(Client& client, Outcome outcome);
  void record_end(Client& client, Outcome outcome);
  bool goes_on(Client& client, Outcome outcome);
  void tally(Client& client, Outcome outcome, Nanoseconds time);
  void tally_rest(Client& client, Outcome outcome, Nanoseconds time);
  void close(Client& client, bool failed);
  void become_idle(Client& client);
  void expire(Nanoseconds time);
  void expire(Client& client, Nanoseconds time);
  Record* record_of(Client& client) {
    return client.record == kNoRecord ? nullptr : &ledger_.records[client.record];
  }

  const Plan& plan_;
  const volatile std::sig_atomic_t& interrupted_;
  net::Fd epoll_;
  steady_clock::time_point start_ = steady_clock::now();
  std::deque<Lane> lanes_;
  std::deque<Client> held_;
  std::size_t held_opening_ = 0;
  std::optional<RudeClients> rude_;
  std::optional<SessionClients> sessions_;
  Ledger ledger_;
  std::size_t in_hand_ = 0;
  bool started_ = false;
  Nanoseconds tick_{0};
  Nanoseconds oversleep_{0};  // what sleeps take longer than asked, smoothed
  std::uint32_t last_number_ = 0;
  std::array<char, 64 * 1024> buffer_;
};

Engine::Engine(const Plan& plan, const volatile std::sig_atomic_t& interrupted)
    : plan_(plan),
      interrupted_(interrupted),
      epoll_(net::check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {
  constexpr std::size_t kOthers = 16;  // standard streams, epoll, files
  std::size_t connections = plan.hold + plan.sessions;
  for (const LanePlan& lane : plan.lanes) connections += lane.connections;
  for (const RudePlan& rude : plan.rude) connections += rude.connections;
  raise_descriptor_limit(connections + kOthers);
  held_.resize(plan.hold);
  std::uint64_t requests = 0;
  for (const LanePlan& lane : plan.lanes) {
    lanes_.emplace_back(lane, static_cast<std::uint8_t>(lanes_.size()));
    requests += lanes_.back().schedule.expected() + (lane.fault ? lane.fault->retries : 0);
  }
  ledger_.connections_answered.resize(lanes_.size());
  ledger_.fault_tries.resize(lanes_.size());
  ledger_.tallies.resize(lanes_.size());
  ledger_.records.reserve(requests + requests / 16);  // a Poisson process may bring a few more
  if (!plan.rude.empty()) invite_rude();
  // Without it the kernel lets a sleep take 50 us longer, to save power.
  net::check(::prctl(PR_SET_TIMERSLACK, 1UL), "prctl(PR_SET_TIMERSLACK)");
}

void Engine::invite_rude() {
  rude_.emplace(plan_.server, plan_.rude, plan_.sources);
  watch(rude_->descriptor());
}

/// An epoll instance of clients that are none of the engine's.
void Engine::watch(int descriptor) {
  epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};  // as no client has
  net::check(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event), "epoll_ctl");
}

Ledger Engine::run(const std::function<void(const Ledger&)>& on_open) {
  open_held();
  store_sessions();
  open_lanes();
  if (on_open) on_open(ledger_);
  start_schedule();
  const auto cpu_before = cpu_time();
  while (!over(now())) turn();
  ledger_.interrupted = interrupted_ != 0;
  ledger_.elapsed = now();
  ledger_.cpu_time = cpu_time() - cpu_before;
  end_records(ledger_.elapsed);
  if (rude_) count_rude();
  if (sessions_) ledger_.state = sessions_->counts();
  return std::move(ledger_);
}

void Engine::turn() {
  take_due();
  serve_waiting();
  if (const auto time = now(); time >= tick_) expire(time);
  if (rude_) rude_->on_time(now());
  if (sessions_ && now() >= plan_.duration) sessions_->ask();
  wait(next_wake());
}

// --- time

Nanoseconds Engine::next_wake() const {
  Nanoseconds wake = tick_;
  if (rude_) wake = std::min(wake, rude_->next_wake().value_or(wake));
  const auto time = now();
  for (const Lane& lane : lanes_) {
    if (const auto due = lane.due(); started_ && due) wake = std::min(wake, *due);
    const bool has_work = this->has_work(lane, time);
    if (has_work && !lane.idle.empty()) return time;  // more than one batch
    const bool wanted = !lane.plan.fresh || has_work;
    if (wanted && !lane.closed.empty()) wake = std::min(wake, lane.closed.top().end);
  }
  return wake;
}

/// Handles what comes until then, or what is there already. The last stretch, in which a sleep would be late,
/// is spent looking.
void Engine::wait(Nanoseconds until) {
  std::array<epoll_event, kBatch> events;
  const auto left = until - now() - oversleep_;
  const auto sleep = std::max(left, Nanoseconds(0));
  const timespec timeout{.tv_sec = sleep / 1s, .tv_nsec = (sleep % 1s).count()};
  const int count = ::epoll_pwait2(epoll_.get(), events.data(), events.size(), &timeout, nullptr);
  if (count < 0 && errno != EINTR) net::throw_errno("epoll_pwait2");
  for (int i = 0; i < count; ++i)
    on_event(static_cast<Client*>(events[static_cast<std::size_t>(i)].data.ptr),
             events[static_cast<std::size_t>(i)].events);
  if (count != 0 || sleep == 0ns) return;
  const auto late = now() - (until - oversleep_);
  oversleep_ = std::clamp(oversleep_ + (late - oversleep_) / 8, Nanoseconds(0), kMostSpin);
}

// --- before the schedule

Nanoseconds Engine::patience_at_start() const {
  return plan_.timeout == 0ns ? kPatienceAtStart : plan_.timeout;
}

void Engine::open_held() {
  if (held_.empty()) return;
  const auto patience = patience_at_start();
  auto next = held_.begin();
  for (auto progress = now(); now() < progress + patience && interrupted_ == 0;) {
    const auto served = ledger_.held_served;
    for (; next != held_.end() && held_opening_ < kOpening; ++next) {
      ++held_opening_;
      open(*next);
    }
    if (next == held_.end() && held_opening_ == 0) return;
    wait(now() + kTick);
    if (ledger_.held_served > served) progress = now();
  }
}

/// Before the load: what it does to the server is no matter of theirs.
void Engine::store_sessions() {
  if (plan_.sessions == 0) return;
  sessions_.emplace(plan_.server, plan_.sessions);
  watch(sessions_->descriptor());
  sessions_->store();
  const auto deadline = now() + patience_at_start();
  while (sessions_->waiting() && now() < deadline && interrupted_ == 0) wait(now() + kTick);
}

void Engine::open_lanes() {
  const auto deadline = now() + kPatienceAtStart;
  while (!all_opened() && interrupted_ == 0) {
    serve_waiting();
    wait(now() + 1ms);
    if (now() > deadline)
      throw std::runtime_error(fmt::format("{}: cannot open all connections within {} s",
                                           plan_.server.to_string(), kPatienceAtStart / 1s));
  }
}

/// Each kept connection was open once. What does not open ends the run before it begins.
bool Engine::all_opened() const {
  const auto opened = [](const Client& client) {
    return client.number > 0 && client.state != State::connecting;
  };
  return std::ranges::all_of(
      lanes_, [&](const Lane& lane) { return lane.plan.fresh || std::ranges::all_of(lane.clients, opened); });
}

/// From here on time counts from the schedule's start.
void Engine::start_schedule() {
  ledger_.start = std::chrono::system_clock::now().time_since_epoch();
  start_ = steady_clock::now();
  tick_ = kTick;
  started_ = true;
  for (Lane& lane : lanes_) lane.end_pauses();  // in the time before
}

// --- requests

Lane* Engine::next_due() {
  Lane* first = nullptr;
  for (Lane& lane : lanes_)
    if (lane.due() && (first == nullptr || *lane.due() < *first->due())) first = &lane;
  return first;
}

void Engine::take_due() {
  for (std::size_t taken = 0; taken < kBatch; ++taken) {
    Lane* lane = next_due();
    const auto time = now();
    if (lane == nullptr || *lane->due() > time) return;
    take(*lane, time);
  }
}

void Engine::take(Lane& lane, Nanoseconds time) {
  const std::size_t record = note(lane, time);
  ++in_hand_;
  Client* client = lane.waiting.empty() ? free_client(lane, time) : nullptr;
  client == nullptr ? lane.waiting.push(record) : start(*client, record);
}

/// Makes a record of the lane's next request. @return which one
std::size_t Engine::note(Lane& lane, Nanoseconds time) {
  const auto due = lane.due().value();
  const bool is_retry = lane.retry == due;
  const std::size_t record = ledger_.records.size();
  ledger_.records.push_back({.due = due.count(),
                             .lateness = saturate(static_cast<std::uint64_t>((time - due).count())),
                             .lane = lane.index});
  if (is_retry || (lane.plan.fault && lane.plan.fault->time == due)) {
    lane.fault_record = record;
    ledger_.fault_tries[lane.index].push_back(record);
  }
  is_retry ? lane.retry.reset() : void(lane.scheduled = lane.schedule.next());
  return record;
}

/// Of a fault whose try is over: its client asks again when that try was lost, and the schedule is not over.
void Engine::retry(Lane& lane, const Record& lost) {
  const Nanoseconds due = Nanoseconds(lost.done) + kRetryPause;
  const bool may = ledger_.fault_tries[lane.index].size() <= lane.plan.fault->retries;
  if (is_broken(lost.outcome) && may && due < plan_.duration) lane.retry = due;
}

void Engine::serve_waiting() {
  for (Lane& lane : lanes_) serve_waiting(lane, now());
}

void Engine::serve_waiting(Lane& lane, Nanoseconds time) {
  for (std::size_t served = 0; served < kBatch && has_work(lane, time); ++served) {
    Client* client = free_client(lane, time);
    if (client == nullptr) return;
    lane.plan.closed ? ask(*client, time) : start(*client, lane.waiting.pop());
  }
  if (lane.plan.fresh) return;
  // A pool is to stay as large as it was asked to be.
  while (!lane.closed.empty() && lane.closed.top().end <= time) {
    Client* client = lane.closed.top().client;
    lane.closed.pop();
    open(*client);
  }
}

/// Takes a client out of those that can have a request now.
Client* Engine::free_client(Lane& lane, Nanoseconds time) {
  while (!lane.idle.empty()) {
    Client* client = lane.idle.pop();
    if (client->state == State::idle) return client;  // it may have been closed since
  }
  if (lane.closed.empty() || lane.closed.top().end > time) return nullptr;
  Client* client = lane.closed.top().client;
  lane.closed.pop();
  return client;
}

void Engine::start(Client& client, std::size_t record) {
  client.record = record;
  client.state == State::idle ? send(client, now()) : open(client);
}

/// A closed loop, and it is not over yet.
bool Engine::asks(const Lane& lane, Nanoseconds time) const {
  return lane.plan.closed && started_ && time < plan_.duration;
}

/// There is a request for the next client that is free.
bool Engine::has_work(const Lane& lane, Nanoseconds time) const {
  return !lane.waiting.empty() || asks(lane, time);
}

void Engine::ask(Client& client, Nanoseconds time) {
  client.in_hand = client.lane->plan.pipeline;
  client.asked = time;
  in_hand_ += client.in_hand;
  client.state == State::idle ? send(client, time) : open(client);
}

bool Engine::over(Nanoseconds time) const {
  if (interrupted_ != 0) return true;
  if (time < plan_.duration) return false;
  const bool all_taken =
      std::ranges::none_of(lanes_, [](const Lane& lane) { return lane.due().has_value(); });
  const bool all_told = !sessions_ || (sessions_->asked() && !sessions_->waiting());
  return (all_taken && in_hand_ == 0 && all_told) || time >= plan_.duration + plan_.grace;
}

/// What is due by now was asked for, whether or not this program got around to it.
void Engine::end_records(Nanoseconds time) {
  const auto end = std::min(time, plan_.duration);
  for (Lane* lane = next_due(); lane != nullptr && *lane->due() < end; lane = next_due()) note(*lane, time);
  for (Lane& lane : lanes_) {
    for (Client& client : lane.clients) tally_rest(client, Outcome::unanswered, time);
    end_gap(ledger_.tallies[lane.index], time);
  }
}

void Engine::count_rude() {
  ledger_.rude = rude_->counts();
  note_local_failures(rude_->local_failures(), rude_->local_failure());
}

// --- connections

void Engine::open(Client& client) {
  client.state = State::connecting;
  client.since = now();
  client.served = false;
  std::optional<std::size_t> source;
  if (plan_.sources > 0) source = last_number_ % plan_.sources;
  client.number = ++last_number_;
  if (Record* record = record_of(client)) record->connection = client.number;
  if (const int error = client.connection.open(plan_.server, source)) return on_open_failed(client, error);
  // Edge-triggered and added once: no system call per request but send, recv and epoll_pwait2.
  epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.ptr = &client}};
  net::check(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, client.connection.descriptor(), &event), "epoll_ctl");
}

void Engine::on_open_failed(Client& client, int error) {
  if (!started_ && client.lane != nullptr)
    throw std::runtime_error(fmt::format("connect {}: {}", plan_.server.to_string(), std::strerror(error)));
  switch (error) {
    case ECONNREFUSED: return finish(client, Outcome::refused);
    case ECONNRESET: return finish(client, Outcome::reset);
    case ETIMEDOUT: return finish(client, Outcome::timed_out);
    default: break;
  }
  note_local_failures(1, error);
  finish(client, Outcome::refused);
}

void Engine::note_local_failures(std::uint64_t count, int first) {
  if (count > 0 && ledger_.local_failures == 0)
    ledger_.local_failure = fmt::format("connect: {}", std::strerror(first));
  ledger_.local_failures += count;
}

void Engine::on_connected(Client& client) {
  if (const int error = client.connection.finish_open()) return on_open_failed(client, error);
  ++ledger_.connections_opened;
  if (client.lane == nullptr) ++ledger_.held;
  if (client.lane == nullptr || client.record != kNoRecord || client.in_hand > 0) return send(client, now());
  become_idle(client);
}

void Engine::become_idle(Client& client) {
  client.state = State::idle;
  if (client.lane != nullptr) client.lane->idle.push(&client);
}

void Engine::send(Client& client, Nanoseconds time) {
  client.state = State::busy;
  client.since = time;
  if (Record* record = record_of(client)) {
    record->sent = client.since.count();
    record->connection = client.number;
  }
  if (client.lane == nullptr) {
    client.connection.begin({.bytes = plan_.hold_request});
  } else {
    const Lane& lane = *client.lane;
    client.connection.begin(client.record == lane.fault_record ? lane.fault : lane.ordinary);
  }
  send_rest(client);
}

void Engine::send_rest(Client& client) {
  if (const auto outcome = client.connection.send()) finish(client, *outcome);
}

/// @param client null: one of the rude ones, or of those with sessions
void Engine::on_event(Client* client, std::uint32_t events) {
  if (client != nullptr) return on_event(*client, events);
  if (rude_) rude_->on_events(now());
  if (sessions_) sessions_->on_events();
}

void Engine::on_event(Client& client, std::uint32_t events) {
  const bool ended = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  if (client.state == State::connecting) on_connected(client);  // there may be input already, or an end
  if (client.state == State::busy && (events & EPOLLOUT) != 0 && !client.connection.sent_all())
    send_rest(client);
  if (client.state == State::busy && (ended || (events & EPOLLIN) != 0)) return on_input(client, ended);
  // Nobody asked for anything: the server closes, or says why it will.
  if (client.state == State::idle && (ended || (events & EPOLLIN) != 0)) close(client, !client.served);
}

void Engine::on_input(Client& client, bool to_the_end) {
  do {
    const auto outcome = client.connection.receive(buffer_, to_the_end);
    Record* record = record_of(client);
    if (record != nullptr && record->first_byte == Record::kNever && client.connection.response().started())
      record->first_byte = now().count();
    if (!outcome) return;
    finish(client, *outcome);
  } while (client.state == State::busy && client.connection.has_more());
}

void Engine::finish(Client& client, Outcome outcome) {
  if (client.record != kNoRecord) record_end(client, outcome);
  if (client.in_hand > 0 && goes_on(client, outcome)) return;
  const bool answered = is_answer(outcome);
  if (client.lane == nullptr) {
    --held_opening_;
    if (answered) ++ledger_.held_served;
  }
  if (answered) {
    client.served = true;
    client.failures = 0;
  }
  const bool fresh = client.lane != nullptr && client.lane->plan.fresh;
  if (answered && client.connection.reusable() && !fresh) return become_idle(client);
  close(client, !answered);
}

/// Of a closed loop. @return whether it has more to be answered, be it a new request
bool Engine::goes_on(Client& client, Outcome outcome) {
  const auto time = now();
  const bool reusable = is_answer(outcome) && client.connection.reusable();
  tally(client, outcome, time);
  if (reusable && client.in_hand > 0) return true;
  tally_rest(client, outcome_behind(outcome), time);
  if (!reusable || client.lane->plan.fresh || !asks(*client.lane, time)) return false;
  client.state = State::idle;
  client.served = true;
  client.failures = 0;
  ask(client, time);
  return true;
}

void Engine::tally(Client& client, Outcome outcome, Nanoseconds time) {
  Tally& tally = ledger_.tallies[client.lane->index];
  const auto index = static_cast<std::size_t>(outcome);
  ++tally.outcomes[index];
  if (time < plan_.duration) ++tally.in_time[index];
  --client.in_hand;
  --in_hand_;
  if (outcome != Outcome::ok) return;
  tally.latency.add((time - client.asked).count());
  end_gap(tally, time);
  if (!std::exchange(client.had_ok, true)) ++ledger_.connections_answered[client.lane->index];
}

void Engine::tally_rest(Client& client, Outcome outcome, Nanoseconds time) {
  while (client.in_hand > 0) tally(client, outcome, time);
}

void Engine::record_end(Client& client, Outcome outcome) {
  Record& record = *record_of(client);
  record.outcome = outcome;
  record.done = now().count();
  const bool was_fault = client.record == client.lane->fault_record;
  client.record = kNoRecord;
  --in_hand_;
  if (outcome == Outcome::ok && !std::exchange(client.had_ok, true))
    ++ledger_.connections_answered[client.lane->index];
  if (was_fault) retry(*client.lane, record);
  if (record.first_byte == Record::kNever) return;
  const auto& response = client.connection.response();
  record.body_bytes = saturate(response.body_bytes());
  if (!response.complete()) return;
  record.status = static_cast<std::uint16_t>(response.status());
  record.worker_process = response.worker().process;
  record.worker_slot = response.worker().slot;
}

/// @param failed it may be opened again only after a pause, which grows from failure to failure
void Engine::close(Client& client, bool failed) {
  client.connection.close();
  client.state = State::closed;
  if (client.lane == nullptr) {
    if (client.served) ++ledger_.held_lost;
    return;
  }
  Nanoseconds pause{0};
  if (failed) {
    pause = std::min<Nanoseconds>(1ms * (1 << std::min(client.failures, kDoublings)), kLongestPause);
    ++client.failures;
  }
  client.lane->closed.push({.end = now() + pause, .client = &client});
}

void Engine::expire(Nanoseconds time) {
  tick_ = time + kTick;
  if (plan_.timeout == 0ns) return;
  for (Lane& lane : lanes_)
    for (Client& client : lane.clients) expire(client, time);
}

void Engine::expire(Client& client, Nanoseconds time) {
  const bool waits = client.state == State::connecting || client.state == State::busy;
  if (waits && time - client.since >= plan_.timeout) finish(client, Outcome::timed_out);
}

}  // namespace

Ledger run(const Plan& plan, const volatile std::sig_atomic_t& interrupted,
           const std::function<void(const Ledger&)>& on_open) {
  return Engine(plan, interrupted).run(on_open);
}

}  // namespace quartet::pace
