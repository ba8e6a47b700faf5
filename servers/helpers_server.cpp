// One thread, one epoll, every client; and a pool of threads that helps with what may block. A blocking
// handler delays nobody until all helpers are busy, and then only those who need one. A crash takes down
// everyone.

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <list>
#include <mutex>

#include "common/server/shortage.h"
#include "common/server/threads.h"
#include "servers/event_loop.h"

namespace quartet {
namespace {

/// What may block: the handler, and a file that has to be read before it can be sent.
/// @return whether the client is still there, and whether it has to wait for room before the rest is sent
Client::Fate do_what_may_block(Client& client) {
  http::Connection& connection = client.connection;
  if (connection.want() == http::Want::run) connection.run(net::now());
  while (connection.want() == http::Want::write && connection.output().file != nullptr) {
    const auto sent = net::send_output(client.socket.get(), connection.output());
    if (sent < 0) return net::is_transient(errno) ? Client::Fate::waits_for_room : Client::Fate::is_gone;
    connection.on_written(static_cast<std::size_t>(sent), net::now());
  }
  return Client::Fate::goes_on;
}

/// The clients that the loop has lent: first in a queue, then with a helper, then on their way back.
class Pool final : public Helpers {
 public:
  Pool() : event_(net::check(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")) {}

  void lend(Client& client) override {
    const std::lock_guard lock(mutex_);
    lent_.push_back(&client);
    arrived_.notify_one();
  }

  int descriptor() const override { return event_.get(); }

  std::list<Client*> take_back() override {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto taken = read(event_.get(), &count, sizeof count);  // EAGAIN: it was 0 already
    const std::lock_guard lock(mutex_);
    return std::exchange(done_, {});
  }

  /// A helper: blocks until there is something to do, or until no more will come.
  void work(http::Slot& slot) {
    for (auto place = next(); !place.empty(); place = next()) {
      Client& client = *place.front();
      client.connection.on_lent(slot);
      const auto help = [&] { client.fate = do_what_may_block(client); };
      if (!app::spare_the_others(help)) client.fate = Client::Fate::is_gone;
      give_back(std::move(place));
    }
  }

  /// No more will come; those that nobody has begun with are left.
  /// @return whether a helper is still busy: after the loop has ended, with a client that it has cut
  bool close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    arrived_.notify_all();
    return busy_ > 0;
  }

 private:
  /// A list of one client, which takes its place in the lists with it: no memory is needed on the way back.
  std::list<Client*> next() {
    std::list<Client*> place;
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] { return closed_ || !lent_.empty(); });
    if (closed_) return place;
    place.splice(place.begin(), lent_, lent_.begin());
    ++busy_;
    return place;
  }

  void give_back(std::list<Client*> place) {
    const std::lock_guard lock(mutex_);
    --busy_;
    done_.splice(done_.end(), place);
    const std::uint64_t one = 1;
    if (done_.size() > 1) return;  // it is readable already
    [[maybe_unused]] const auto written =
        write(event_.get(), &one, sizeof one);  // cannot fail: far from its limit
  }

  net::Fd event_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::list<Client*> lent_;
  std::list<Client*> done_;
  std::size_t busy_ = 0;
  bool closed_ = false;
};

int serve_with_helpers(app::Server& server) {
  Pool pool;
  EventLoop loop(server, server.scoreboard.take(), {.helpers = &pool});
  app::Threads threads([&] { pool.close(); });
  const std::size_t workers = server.options.workers;
  for (std::size_t i = 0; i < workers; ++i)
    threads.start(workers, server.scoreboard.take(), [&](http::Slot& slot) { pool.work(slot); });
  threads.await_started();
  server.announce();
  const int status = loop.run();
  if (pool.close()) _exit(status);  // nobody can end a handler
  return status;
}

const app::Model kHelpers{.name = "quartet-helpers",
                          .summary = "One loop for every client, and threads for what may block.",
                          .modes = {{.worker = app::Worker::thread,
                                     .hands_over = true,
                                     .default_workers = 4,
                                     .serve = serve_with_helpers}}};

}  // namespace
}  // namespace quartet

int main(int argc, char** argv) { return quartet::app::run_server(argc, argv, quartet::kHelpers); }
