// A pool of processes over one inherited listener, one client each, as quartet-fork --mode prefork.

#include <cerrno>
#include <stdexcept>

#include "common/net/system.h"
#include "loadtest/limits/blocking_client.h"
#include "loadtest/limits/children.h"
#include "loadtest/limits/limit.h"

namespace quartet::limits {
namespace {

/// A pool worker: whoever is free takes the next client.
void accept_clients(Server& server) {
  while (!server.shutdown.requested()) {
    if (const net::Fd client = server.listener.accept()) {
      serve_client(client, server.shutdown);
    } else if (net::is_exhausted(errno)) {
      wait_a_tick();
    }
  }
}

void prefork(Server& server) {
  Children children(server.shutdown);
  for (std::size_t i = 0; i < server.workers; ++i) children.fork_worker([&] { accept_clients(server); });
  server.announce();
  for (; !server.shutdown.requested() && children.alive() == server.workers; children.reap()) wait_a_tick();
  children.end();
  // A smaller pool would measure something else.
  if (!server.shutdown.requested()) throw std::runtime_error("a worker process has died");
}

const Limit kPrefork{"limit-prefork", "A pool of processes, a canned answer for each request.", 16};

}  // namespace
}  // namespace quartet::limits

int main(int argc, char** argv) {
  return quartet::limits::run_limit(argc, argv, quartet::limits::kPrefork, quartet::limits::prefork);
}
