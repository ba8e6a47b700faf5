// One thread, one epoll, every client. Nothing may block: a slow handler delays everyone, a crash takes down
// everyone.

#include "servers/event_loop.h"

namespace quartet {
namespace {

int serve_with_epoll(app::Server& server) {
  EventLoop loop(server, server.scoreboard.take(), {});
  server.announce();
  return loop.run();
}

const app::Model kEpoll{.name = "quartet-epoll",
                        .summary = "One thread, one epoll, every client.",
                        .modes = {{.worker = app::Worker::thread,
                                   .only_one_because = "one thread serves every client",
                                   .serve = serve_with_epoll}}};

}  // namespace
}  // namespace quartet

int main(int argc, char** argv) { return quartet::app::run_server(argc, argv, quartet::kEpoll); }
