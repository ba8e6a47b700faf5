// A process for each connection, which forks another one for each request, as quartet-fork --mode
// per-request: the child sends, the parent waits for its end.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loadtest/limits/blocking_client.h"
#include "loadtest/limits/children.h"
#include "loadtest/limits/limit.h"

namespace quartet::limits {
namespace {

constexpr int kSent = 0, kCut = 1;

/// Blocks until the child has ended. @return its status, as from waitpid(2)
int wait_for(pid_t child, const net::Shutdown& shutdown) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (shutdown.requested()) ::kill(child, SIGTERM);  // not reaped yet: the pid is its own
  }
  return status;
}

/// @return whether the answer was sent, and so the connection goes on
bool answer_in_child(const net::Fd& client, std::string_view answer, net::Shutdown& shutdown) {
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return false;  // no process is left: the client notices
  if (child == 0) {
    shutdown.become_worker(parent, SIGKILL);  // nobody is left to go on with the connection
    _exit(send_all(client, answer, shutdown) ? kSent : kCut);
  }
  const int status = wait_for(child, shutdown);
  return WIFEXITED(status) && WEXITSTATUS(status) == kSent;
}

void serve_requests(const net::Fd& client, net::Shutdown& shutdown) {
  Conversation conversation;
  while (!shutdown.requested() && receive_step(client, conversation)) {
    for (auto answer = conversation.answer(); !answer.empty(); answer = conversation.answer()) {
      if (!answer_in_child(client, answer, shutdown)) return;
      conversation.on_written(answer.size());
    }
  }
}

void fork_for_clients(Server& server) {
  fork_per_client(server, [&](const net::Fd& client) { serve_requests(client, server.shutdown); });
}

const Limit kForkPerRequest{"limit-fork-per-request",
                            "A process for each request, which sends a canned answer."};

}  // namespace
}  // namespace quartet::limits

int main(int argc, char** argv) {
  return quartet::limits::run_limit(argc, argv, quartet::limits::kForkPerRequest,
                                    quartet::limits::fork_for_clients);
}
