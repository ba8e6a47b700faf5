#pragma once

#include <string>
#include <vector>

#include "tests/servers/server_process.h"

namespace quartet::suite {

/// One finished system call, as strace(1) writes it.
struct Call {
  pid_t thread = 0;
  std::string name;
  long result = 0;
};

/// strace on every process of a server.
class Tracer {
 public:
  explicit Tracer(const ServerProcess& server);

  bool attached() const { return attached_; }
  std::string err() const { return strace_.err(); }

  std::vector<Call> finish();

 private:
  ChildProcess strace_;
  bool attached_;
};

}  // namespace quartet::suite
