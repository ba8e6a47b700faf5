#include "common/server/supervisor.h"

#include <stdexcept>

#include "common/net/system.h"
#include "common/server/children.h"

namespace quartet::app {

int supervise(Server& server) {
  Children children(server);
  const auto start = [&] {
    server.scoreboard.board().handed_over = false;  // an earlier child may have set it, in a drain of its own
    return children.fork_server([&] {
      server.supervised = true;
      return server.options.mode.serve(server);
    });
  };
  if (!start()) throw std::runtime_error(children.problem());
  for (bool announced = false; !server.shutdown.requested();) {
    wait_a_tick();
    children.reap();
    if (!announced && server.scoreboard.board().ready) {
      server.announce();
      announced = true;
    }
    if (!announced && children.start_failed()) return kStartFailed;  // the next try would fail as well
    if (children.alive() == 0 && children.may_replace()) {
      start() ? http::add(server.scoreboard.board().replaced) : children.complain();
    }
  }
  server.announce_drain();
  // The child answers the queue, or, if it dies, the next child: this process keeps the listener until one
  // has taken the queue.
  while (!server.scoreboard.board().handed_over) {
    if (children.alive() == 0) {
      const bool too_late = server.shutdown.repeated() || server.shutdown.overdue(net::now().steady);
      if (too_late || !children.may_replace()) break;
      if (!start()) children.complain();
    }
    children.tell_all();
    wait_a_tick();
    children.reap();
  }
  if (!server.scoreboard.board().handed_over)
    http::add(server.scoreboard.board().cut,
              server.listener.accept_all().size());  // nobody is left to answer
  server.listener.close();
  return children.drain();
}

}  // namespace quartet::app
