#include "servers/fiber_scheduler.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <span>

#include "common/net/system.h"

namespace quartet {
namespace {

using http::TimePoint;
using std::chrono::milliseconds;

// A fiber's state. Whoever makes it suspended and notified puts it into a queue, and nobody else.
constexpr unsigned kSuspended = 1;  // completely: another thread may resume it
constexpr unsigned kNotified = 2;
constexpr unsigned kReadable = 4;
constexpr unsigned kReadToEnd = 8;

constexpr int kEventsInTurn = 256;
constexpr auto kForever = TimePoint::max().time_since_epoch().count();
/// Then all requests are at the top level again, so that none starves.
constexpr std::chrono::seconds kBoostInterval{1};
constexpr unsigned kLowestLevel = 3;

constexpr unsigned kTurnsOfItsOwn = 61;  // as Go has it

thread_local Fiber* running = nullptr;

/// Each level has twice as many slices as the one above it: 1, 2, 4, and the rest.
unsigned level_after(unsigned slices) {
  return std::min(static_cast<unsigned>(std::bit_width(slices + 1)) - 1, kLowestLevel);
}

unsigned state_of(std::uint32_t events) {
  constexpr std::uint32_t kUnusual = EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR;
  unsigned state = 0;
  if ((events & (EPOLLIN | kUnusual)) != 0) state |= kReadable;
  if ((events & kUnusual) != 0) state |= kReadToEnd;
  return state;
}

}  // namespace

FiberScheduler::FiberScheduler(const Settings& settings)
    : settings_(settings),
      stacks_(settings.stack_size, settings.guarded),
      epoll_(net::check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      bell_(net::check(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")),
      next_sleeper_(kForever) {
  control(EPOLL_CTL_ADD, bell_.get(), EPOLLIN, nullptr);
}

FiberWorker& FiberScheduler::add_worker(http::Slot& slot) {
  FiberWorker& worker = workers_.emplace_back(slot);
  worker.next_boost_ = std::chrono::steady_clock::now() + kBoostInterval;
  return worker;
}

// --- a worker

void FiberScheduler::work(FiberWorker& worker) {
  while (!stopped_) {
    Fiber* fiber = take(worker);
    if (fiber == nullptr) {
      idle(worker);
    } else {
      run(worker, *fiber);
    }
  }
  call_helper();  // the next one ends, too
}

void FiberScheduler::stop() {
  stopped_ = true;
  call_helper();
}

void FiberScheduler::run(FiberWorker& worker, Fiber& fiber) {
  if (idle_ > 0 && somebody_waits()) call_helper();  // this fiber may keep the thread for long
  // Who has given way is woken by nobody: what comes meanwhile ends the next wait.
  const unsigned events = fiber.gives_way_ ? fiber.state_.fetch_and(kNotified) : fiber.state_.exchange(0);
  fiber.readable |= (events & kReadable) != 0;
  fiber.reads_to_end |= (events & kReadToEnd) != 0;
  fiber.worker = &worker;
  if (fiber.connection != nullptr) fiber.connection->on_moved(worker.slot);
  running = &fiber;
  fiber.context_.resume();
  if (fiber.context_.ended()) {
    const std::lock_guard lock(fibers_mutex_);
    return spare_.push_back(&fiber);
  }
  if (fiber.gives_way_) {
    push(worker, fiber);
    const bool called = poll(worker, 0);  // whoever has come meanwhile may be first
    if (called) call_again();
    return;
  }
  // From here on another thread may run it.
  if ((fiber.state_.fetch_or(kSuspended) & kNotified) != 0)
    make_ready(worker, fiber, std::chrono::steady_clock::now());
}

void FiberScheduler::idle(FiberWorker& worker) {
  ++idle_;  // first: whoever puts a fiber into a queue from here on calls
  if (Fiber* fiber = take(worker)) {
    --idle_;
    return run(worker, *fiber);
  }
  if (!stopped_) poll(worker, patience());
  --idle_;
  called_ = false;
}

/// One idle worker, if there is one: to take what a busy one has in its queue.
void FiberScheduler::call_helper() {
  if (!stopped_ && (idle_ == 0 || called_.exchange(true))) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(bell_.get(), &one, sizeof one);  // EAGAIN: it rings for ever
}

/// The call was for an idle worker, and a busy one has heard it.
void FiberScheduler::call_again() {
  called_ = false;
  call_helper();
}

bool FiberScheduler::somebody_waits() const {
  return std::ranges::any_of(workers_, [](const FiberWorker& worker) { return worker.ready_ > 0; });
}

// --- queues

FiberWorker::Key FiberScheduler::key(FiberWorker& worker, const Fiber& fiber) const {
  const std::int64_t order = worker.pushed_++;
  const std::int64_t ready = fiber.ready_.time_since_epoch().count();
  switch (settings_.policy) {
    case Policy::fifo: return {ready, order};
    case Policy::lifo: return {-ready, -order};
    case Policy::mlfq: return {level_after(fiber.slices_), order};
    case Policy::edf: return {fiber.due_.time_since_epoch().count(), order};
  }
  return {};
}

void FiberScheduler::push(FiberWorker& worker, Fiber& fiber) {
  const std::lock_guard lock(worker.mutex_);
  worker.queue_.push_back({key(worker, fiber), &fiber});  // there is room: take_spare() has made it
  std::push_heap(worker.queue_.begin(), worker.queue_.end(), std::greater());
  worker.ready_ = worker.queue_.size();
}

Fiber* FiberScheduler::pop(FiberWorker& worker) {
  if (worker.ready_ == 0) return nullptr;
  const std::lock_guard lock(worker.mutex_);
  if (worker.queue_.empty()) return nullptr;
  std::pop_heap(worker.queue_.begin(), worker.queue_.end(), std::greater());
  Fiber* first = worker.queue_.back().fiber;
  worker.queue_.pop_back();
  worker.ready_ = worker.queue_.size();
  return first;
}

/// Its own first; the others' when it has none, and now and then: a worker may be blocked, and this one never
/// without work.
Fiber* FiberScheduler::take(FiberWorker& worker) {
  const bool steals_first = ++worker.turns_ % kTurnsOfItsOwn == 0;
  if (Fiber* stolen = steals_first ? steal(worker) : nullptr) return stolen;
  if (Fiber* own = pop(worker)) return own;
  return steals_first ? nullptr : steal(worker);
}

Fiber* FiberScheduler::steal(const FiberWorker& thief) {
  for (FiberWorker& other : workers_) {
    if (&other == &thief) continue;
    if (Fiber* stolen = pop(other)) return stolen;
  }
  return nullptr;
}

void FiberScheduler::boost(FiberWorker& worker, TimePoint now) {
  if (now < worker.next_boost_) return;
  worker.next_boost_ = now + kBoostInterval;
  const std::lock_guard lock(worker.mutex_);
  for (FiberWorker::Entry& entry : worker.queue_) {
    entry.fiber->slices_ = 0;
    entry.key.rank = 0;
  }
  std::ranges::make_heap(worker.queue_, std::greater());
}

// --- events

void FiberScheduler::control(int operation, int descriptor, std::uint32_t events, Fiber* fiber) {
  epoll_event event{.events = events | EPOLLET, .data = {.ptr = fiber}};
  net::check(epoll_ctl(epoll_.get(), operation, descriptor, &event), "epoll_ctl");
}

/// Milliseconds until somebody has to be woken, rounded up: nobody wakes too early.
int FiberScheduler::patience() const {
  const TimePoint until{TimePoint::duration(std::min(next_sleeper_.load(), next_sweep_.load()))};
  const auto left = std::chrono::ceil<milliseconds>(until - std::chrono::steady_clock::now());
  return static_cast<int>(std::max<std::int64_t>(0, left.count()));
}

/// Puts all into the queue for whom something has happened. @return whether an idle worker was called
bool FiberScheduler::poll(FiberWorker& worker, int timeout) {
  std::array<epoll_event, kEventsInTurn> events;
  const int count = epoll_wait(epoll_.get(), events.data(), kEventsInTurn, timeout);
  const auto now = std::chrono::steady_clock::now();
  bool called = false;
  for (const epoll_event& event : std::span(events.data(), static_cast<std::size_t>(std::max(0, count)))) {
    auto* fiber = static_cast<Fiber*>(event.data.ptr);
    if (fiber == nullptr) {
      called = true;
    } else {
      notify(*fiber, state_of(event.events), now, &worker);
    }
  }
  wake_sleepers(worker, now);
  sweep(worker, now);
  if (settings_.policy == Policy::mlfq) boost(worker, now);
  return called;
}

/// @param worker into whose queue; null: its own, which is known only when it is suspended
void FiberScheduler::notify(Fiber& fiber, unsigned events, TimePoint now, FiberWorker* worker) {
  const unsigned before = fiber.state_.fetch_or(kNotified | events);
  if ((before & (kSuspended | kNotified)) != kSuspended) return;  // it runs, or is in a queue already
  make_ready(worker != nullptr ? *worker : *fiber.worker, fiber, now);
}

void FiberScheduler::make_ready(FiberWorker& worker, Fiber& fiber, TimePoint now) {
  begin_request(fiber, now);
  push(worker, fiber);
}

void FiberScheduler::wake(Fiber& fiber) {
  notify(fiber, 0, std::chrono::steady_clock::now());
  call_helper();  // its worker may be busy
}

void FiberScheduler::wake_all() {
  {
    const std::lock_guard lock(fibers_mutex_);
    const auto now = std::chrono::steady_clock::now();
    for (Fiber& fiber : fibers_) notify(fiber, 0, now);
  }
  call_helper();
}

void FiberScheduler::wake_sleepers(FiberWorker& worker, TimePoint now) {
  if (now.time_since_epoch().count() < next_sleeper_) return;
  const std::lock_guard lock(sleepers_mutex_);
  while (!sleepers_.empty() && sleepers_.begin()->first <= now) {
    notify(*sleepers_.begin()->second, 0, now, &worker);
    sleepers_.erase(sleepers_.begin());
  }
  note_next_sleeper();
}

void FiberScheduler::note_next_sleeper() {
  next_sleeper_ = sleepers_.empty() ? kForever : sleepers_.begin()->first.time_since_epoch().count();
}

/// Wakes everyone who has waited long enough, ten times a second: waiting for a socket sets no timer.
void FiberScheduler::sweep(FiberWorker& worker, TimePoint now) {
  const auto time = now.time_since_epoch().count();
  auto due = next_sweep_.load();
  if (time < due || !next_sweep_.compare_exchange_strong(due, (now + net::kTick).time_since_epoch().count()))
    return;
  const std::lock_guard lock(fibers_mutex_);
  for (Fiber& fiber : fibers_) {
    if (fiber.patience_.load(std::memory_order_relaxed) <= time) notify(fiber, 0, now, &worker);
  }
}

// --- fibers

/// One that has ended, or a new one; and room for it in every queue.
Fiber& FiberScheduler::take_spare() {
  const std::lock_guard lock(fibers_mutex_);
  if (spare_.empty()) {
    spare_.reserve(fibers_.size() + 1);
    for (FiberWorker& worker : workers_) {
      const std::lock_guard queue_lock(worker.mutex_);
      if (worker.queue_.capacity() <= fibers_.size()) worker.queue_.reserve(2 * fibers_.size() + 1);
    }
    spare_.push_back(&fibers_.emplace_back());
  }
  Fiber& fiber = *spare_.back();
  spare_.pop_back();
  return fiber;
}

void FiberScheduler::spawn(const std::function<void(Fiber&)>& body, net::Fd socket) {
  Fiber& fiber = take_spare();
  try {
    fiber.context_.prepare(stacks_, [&fiber, &body] { body(fiber); });
  } catch (...) {
    const std::lock_guard lock(fibers_mutex_);
    spare_.push_back(&fiber);
    throw;
  }
  fiber.worker = running != nullptr ? running->worker : &workers_.front();
  fiber.socket = std::move(socket);
  fiber.connection = nullptr;
  fiber.readable = fiber.reads_to_end = fiber.watches_room_ = false;
  fiber.patience_ = kForever;
  fiber.state_ = kSuspended;
  wake(fiber);
}

void FiberScheduler::watch(Fiber& self, int descriptor) {
  control(EPOLL_CTL_ADD, descriptor, EPOLLIN | EPOLLPRI | EPOLLRDHUP, &self);
}

void FiberScheduler::watch_room(Fiber& self, int socket) {
  if (std::exchange(self.watches_room_, true)) return;
  control(EPOLL_CTL_MOD, socket, EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLOUT, &self);
}

void FiberScheduler::suspend(Fiber& self) {
  self.gives_way_ = false;
  self.context_.suspend();
}

void FiberScheduler::wait(Fiber& self, TimePoint until) {
  self.patience_.store(until.time_since_epoch().count(), std::memory_order_relaxed);
  suspend(self);
  self.patience_.store(kForever, std::memory_order_relaxed);
}

void FiberScheduler::sleep(Fiber& self, TimePoint until) {
  {
    const std::lock_guard lock(sleepers_mutex_);
    sleepers_.emplace(until, &self);
    note_next_sleeper();
  }
  call_helper();  // an idle worker may wait for a later one
  suspend(self);
  const std::lock_guard lock(sleepers_mutex_);
  sleepers_.erase({until, &self});
  note_next_sleeper();
}

void FiberScheduler::end_turn(Fiber& self) {
  self.ready_ = settings_.policy == Policy::lifo ? TimePoint() : std::chrono::steady_clock::now();
  self.due_ = TimePoint::max();
  self.slices_ = 1 << kLowestLevel;
  self.gives_way_ = true;
  self.context_.suspend();
}

void FiberScheduler::begin_request(Fiber& self, TimePoint now) {
  self.ready_ = now;
  self.due_ = {};
  self.slices_ = 0;
}

void FiberScheduler::give_way(Fiber& self, milliseconds deadline) {
  if (!settings_.preempts || settings_.policy == Policy::fifo) return;
  self.due_ = deadline == milliseconds::zero() ? TimePoint::max() : self.ready_ + deadline;
  http::FlightRecord request;  // what the worker shows is what it runs
  request.copy(self.worker->slot.running);
  self.worker->slot.running.end();
  self.gives_way_ = true;
  self.context_.suspend();
  self.worker->slot.running.copy(request);
  ++self.slices_;
}

[[gnu::noinline]] Fiber& FiberScheduler::current() { return *running; }

}  // namespace quartet
