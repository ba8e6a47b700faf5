#include "common/app/supervisor.h"

#include "common/app/children.h"

namespace quartet::app {

int supervise(Server& server, const Serve& serve) {
  Children children(server);
  const auto start = [&] {
    children.fork_server([&] {
      server.supervised = true;
      return serve(server);
    });
  };
  start();
  for (bool announced = false; !server.shutdown.requested();) {
    wait_a_tick();
    children.reap();
    if (!announced && server.scoreboard.board().ready) {
      server.announce();
      announced = true;
    }
    if (children.alive() == 0 && children.may_replace()) {
      start();
      http::add(server.scoreboard.board().replaced);
    }
  }
  server.announce_drain();
  if (children.alive() == 0 && children.may_replace()) start();  // for those who wait in the queue
  server.listener.close();  // before the child closes its own: what comes later is refused, not lost
  return children.drain();
}

}  // namespace quartet::app
