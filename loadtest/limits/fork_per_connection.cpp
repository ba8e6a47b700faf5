// A process for each connection, as quartet-fork --mode per-connection. It pays a fork when a client comes,
// and then nothing that prefork does not.

#include "loadtest/limits/blocking_client.h"
#include "loadtest/limits/children.h"
#include "loadtest/limits/limit.h"

namespace quartet::limits {
namespace {

void fork_for_clients(Server& server) {
  fork_per_client(server, [&](const net::Fd& client) { serve_client(client, server.shutdown); });
}

const Limit kForkPerConnection{"limit-fork-per-connection",
                               "A process for each connection, a canned answer for each request."};

}  // namespace
}  // namespace quartet::limits

int main(int argc, char** argv) {
  return quartet::limits::run_limit(argc, argv, quartet::limits::kForkPerConnection,
                                    quartet::limits::fork_for_clients);
}
