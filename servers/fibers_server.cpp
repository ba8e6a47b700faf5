// One fiber per client: a thread in user space, with a stack of its own. Its code reads like the blocking
// loop's, but what waits is suspended by a call, and the --workers threads run whoever is ready. Who is next
// is decided here, not in the kernel (--scheduler). A handler that blocks keeps its kernel thread from all
// others, and a crash takes down everyone.

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <mutex>

#include "common/http/connection.h"
#include "common/net/system.h"
#include "common/server/server.h"
#include "common/server/shortage.h"
#include "common/server/threads.h"
#include "servers/fiber_loop.h"
#include "servers/fiber_scheduler.h"

namespace quartet {
namespace {

/// The clients that there are, against their limit.
class Room {
 public:
  explicit Room(std::size_t limit) : limit_(limit) {}

  void enter() {
    const std::lock_guard lock(mutex_);
    ++open_;
  }
  void leave() {
    const std::lock_guard lock(mutex_);
    --open_;
    moved_.notify_one();
  }
  bool full() {
    const std::lock_guard lock(mutex_);
    return open_ >= limit_;
  }
  /// No more will enter.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    moved_.notify_one();
  }
  /// Blocks for a tick at most. @return how many are open, or may still come
  std::size_t wait_until_gone() {
    std::unique_lock lock(mutex_);
    moved_.wait_for(lock, net::kTick, [&] { return closed_ && open_ == 0; });
    return closed_ ? open_ : std::max<std::size_t>(open_, 1);
  }

 private:
  const std::size_t limit_;
  std::mutex mutex_;
  std::condition_variable moved_;  // only the main thread waits for it
  std::size_t open_ = 0;
  bool closed_ = false;
};

/// Lets clients in: a fiber as well.
class Acceptor {
 public:
  Acceptor(app::Server& server, FiberScheduler& scheduler, Room& room)
      : server_(server), scheduler_(scheduler), room_(room) {}

  void accept_clients(Fiber& self) {
    server_.listener.set_blocking(false);
    scheduler_.watch(self, server_.listener.descriptor());
    scheduler_.watch(self, server_.shutdown.descriptor());
    for (int accepted = 0; !server_.shutdown.requested();) {
      waiting_ = &self;  // first: who leaves from here on makes room
      const int error = room_.full() ? EMFILE : accept();
      if (error != 0 && error != EAGAIN) scheduler_.wait(self, std::chrono::steady_clock::now() + net::kTick);
      waiting_ = nullptr;
      if (error == EAGAIN) scheduler_.wait(self, http::TimePoint::max());  // for the listener's next event
      if (error == 0 && ++accepted % kAcceptsInTurn == 0) scheduler_.end_turn(self);
    }
    begin_drain();
  }

 private:
  static constexpr int kAcceptsInTurn = 256;

  /// Looks at errno, and so does not suspend. @return why nobody was accepted, or 0
  [[gnu::noinline]] int accept() {
    net::Fd socket = server_.listener.accept(SOCK_NONBLOCK);
    if (!socket) return app::is_exhausted(errno) ? EMFILE : errno;
    welcome(std::move(socket));
    return 0;
  }

  void welcome(net::Fd socket) {
    room_.enter();
    if (!app::spare_the_others([&] { scheduler_.spawn(body_, std::move(socket)); })) room_.leave();
  }

  void begin_drain() {
    for (net::Fd& socket : server_.begin_drain(SOCK_NONBLOCK)) welcome(std::move(socket));
    server_.listener.close();
    room_.close();
    scheduler_.wake_all();
  }

  void serve(Fiber& fiber) {
    app::spare_the_others([&] { serve_client(scheduler_, fiber, server_.service, server_.shutdown); });
    room_.leave();
    if (Fiber* acceptor = waiting_.exchange(nullptr)) scheduler_.wake(*acceptor);
  }

  app::Server& server_;
  FiberScheduler& scheduler_;
  Room& room_;
  const std::function<void(Fiber&)> body_ = [this](Fiber& fiber) { serve(fiber); };
  std::atomic<Fiber*> waiting_{nullptr};
};

/// For handlers.
class Below final : public app::UserScheduler {
 public:
  explicit Below(FiberScheduler& scheduler) : scheduler_(scheduler) { app::user_scheduler = this; }
  ~Below() { app::user_scheduler = nullptr; }

  void give_way(std::chrono::milliseconds deadline) override {
    scheduler_.give_way(FiberScheduler::current(), deadline);
  }
  app::Stack stack() const override { return FiberScheduler::stack_of(FiberScheduler::current()); }

 private:
  FiberScheduler& scheduler_;
};

// In the order of Policy.
constexpr std::array<std::string_view, 4> kPolicies{"fifo", "lifo", "mlfq", "edf"};

FiberScheduler::Settings settings_of(const app::Options& options) {
  const auto chosen = std::ranges::find(kPolicies, options.own.at("--scheduler"));
  return {.policy = static_cast<Policy>(chosen - kPolicies.begin()),
          .preempts = options.own.at("--preempt") == "cooperative",
          .stack_size = options.own_numbers.at("--stack-size") << 10,
          .guarded = options.own.at("--guard-page") == "on"};
}

/// Blocks until the drain begins, in the main thread: it runs no fiber.
void wait_for_shutdown(const net::Shutdown& shutdown) {
  pollfd entry{.fd = shutdown.descriptor(), .events = POLLIN, .revents = 0};
  while (!shutdown.requested()) poll(&entry, 1, -1);  // EINTR: the flag is set
}

int serve_with_fibers(app::Server& server) {
  FiberScheduler scheduler(settings_of(server.options));
  const Below below(scheduler);
  Room room(server.service.limits.max_connections);
  Acceptor acceptor(server, scheduler, room);
  const std::function<void(Fiber&)> accept = [&](Fiber& self) { acceptor.accept_clients(self); };

  app::Threads threads([&] { scheduler.stop(); });
  const std::size_t workers = server.options.workers;
  for (std::size_t i = 0; i < workers; ++i) scheduler.add_worker(server.scoreboard.take());
  for (FiberWorker& worker : scheduler.workers())
    threads.start(workers, worker.slot, [&](http::Slot&) { scheduler.work(worker); });
  threads.await_started();
  server.announce();
  scheduler.spawn(accept);

  wait_for_shutdown(server.shutdown);
  while (const auto open = room.wait_until_gone()) {
    const auto now = std::chrono::steady_clock::now();
    if (server.shutdown.overdue(now)) scheduler.wake_all();  // each cuts itself, if its thread is free
    if (now >= server.shutdown.deadline() + 2 * net::kTick) _exit(app::drained(server, open));
  }
  scheduler.stop();
  threads.join();
  return app::drained(server);
}

const app::Model kFibers{
    .name = "quartet-fibers",
    .summary = "One fiber per client: a thread in user space, with a stack of its own.",
    .modes = {{.worker = app::Worker::thread, .work_stealing = true, .serve = serve_with_fibers}},
    .own_options = {{.name = "--scheduler",
                     .words = {kPolicies.begin(), kPolicies.end()},
                     .help = "Which of the fibers that are ready runs next"},
                    {.name = "--preempt",
                     .words = {"cooperative", "off"},
                     .help = "Whether /cpu gives way to others, every millisecond"},
                    {.name = "--stack-size",
                     .unit = "KiB",
                     .number = 256,
                     .least = 16,
                     .most = 64 << 10,
                     .help = "Of each fiber; a page is in memory when it was touched"},
                    {.name = "--guard-page",
                     .words = {"on", "off"},
                     .help = "Whether who leaves his stack by small steps dies of it"}}};

}  // namespace
}  // namespace quartet

int main(int argc, char** argv) { return quartet::app::run_server(argc, argv, quartet::kFibers); }
