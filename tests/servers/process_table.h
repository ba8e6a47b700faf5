#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace quartet::suite {

/// One process, as proc(5) tells about it.
struct ProcessEntry {
  pid_t pid = 0;
  pid_t parent = 0;
  pid_t session = 0;
  char state = 0;
  std::chrono::milliseconds cpu{0};  ///< user and system, in steps of 10 ms

  bool stopped() const { return state == 'T'; }
  bool zombie() const { return state == 'Z' || state == 'X'; }
};

/// Every process of a session, zombies included.
std::vector<ProcessEntry> session_members(pid_t session);

/// The kernel's view of a server's port (IPv4).
struct PortQueues {
  std::size_t unaccepted = 0;      ///< connections in the accept queue
  std::size_t connections = 0;     ///< sockets that the server has accepted and not closed
  std::uint64_t unread_bytes = 0;  ///< received, not yet read by the server
};
PortQueues port_queues(int port);

/// Resident memory in bytes (VmRSS).
std::uint64_t resident_memory(pid_t pid);

/// What each thread of the process is waiting for in the kernel: "S do_epoll_wait, S futex_wait_queue"; for
/// the message of a test that waited in vain.
std::string describe_threads(pid_t pid);

/// Every thread of the process has a tracer.
bool is_traced(pid_t pid);

/// Every thread of the process sleeps in a system call, seen one after the other.
bool is_asleep(pid_t pid);

}  // namespace quartet::suite
