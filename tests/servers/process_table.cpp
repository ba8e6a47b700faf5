#include "tests/servers/process_table.h"

#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <system_error>

namespace quartet::suite {
namespace {

namespace fs = std::filesystem;

/// The first line, or "" when the process has gone: also between open and read.
std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::optional<pid_t> pid_of(const fs::path& directory) {
  const auto name = directory.filename().string();
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
  if (error != std::errc{} || end != name.data() + name.size()) return std::nullopt;
  return pid;
}

std::optional<ProcessEntry> read_entry(pid_t pid) {
  const auto text = first_line("/proc/" + std::to_string(pid) + "/stat");
  const auto name_end = text.rfind(')');  // the name may contain anything
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(name_end + 1));
  ProcessEntry entry{.pid = pid};
  std::string skipped;
  fields >> entry.state >> entry.parent >> skipped >> entry.session;
  for (int field = 7; field < 14; ++field) fields >> skipped;
  long user = 0, system = 0;
  fields >> user >> system;
  entry.cpu = std::chrono::milliseconds((user + system) * 1000 / ::sysconf(_SC_CLK_TCK));
  return entry;
}

/// The value of "Name:   value" in a status file.
std::uint64_t status_number(const fs::path& path, const std::string& name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name + ":")) return std::stoull(line.substr(name.size() + 1));
  }
  return 0;
}

/// "S", or "" when the thread has gone.
std::string state_of_thread(const fs::path& thread) {
  const auto stat = first_line(thread / "stat");
  const auto name_end = stat.rfind(") ");
  return name_end == std::string::npos ? "" : stat.substr(name_end + 2, 1);
}

}  // namespace

std::vector<ProcessEntry> session_members(pid_t session) {
  std::vector<ProcessEntry> members;
  for (const auto& directory : fs::directory_iterator("/proc")) {
    const auto pid = pid_of(directory.path());
    const auto entry = pid ? read_entry(*pid) : std::nullopt;  // it may have gone meanwhile
    if (entry && entry->session == session) members.push_back(*entry);
  }
  return members;
}

PortQueues port_queues(int port) {
  constexpr unsigned kListen = 0x0a;
  PortQueues queues;
  std::set<unsigned long> connections;  // the table is read by pages: rows repeat when sockets come and go
  char port_in_hex[8];
  std::snprintf(port_in_hex, sizeof port_in_hex, ":%04X ", static_cast<unsigned>(port));
  std::ifstream table("/proc/net/tcp");
  std::string line;
  std::getline(table, line);  // the heading
  while (std::getline(table, line)) {
    if (line.find(port_in_hex) == std::string::npos) continue;  // thousands of others, in TIME_WAIT
    unsigned local_port = 0, state = 0, unread = 0;
    unsigned long inode = 0;  // 0: no process has the socket
    if (std::sscanf(line.c_str(), " %*u: %*x:%x %*x:%*x %x %*x:%x %*x:%*x %*x %*u %*u %lu", &local_port,
                    &state, &unread, &inode) != 4) {
      continue;
    }
    if (local_port != static_cast<unsigned>(port)) continue;
    if (state == kListen) {
      queues.unaccepted += unread;
    } else {
      queues.unread_bytes += unread;
      if (inode != 0) connections.insert(inode);
    }
  }
  queues.connections = connections.size();
  return queues;
}

std::uint64_t resident_memory(pid_t pid) {
  return status_number("/proc/" + std::to_string(pid) + "/status", "VmRSS") * 1024;
}

std::string describe_threads(pid_t pid) {
  std::string text;
  std::error_code gone;
  for (const auto& thread : fs::directory_iterator("/proc/" + std::to_string(pid) + "/task", gone)) {
    text += (text.empty() ? "" : ", ") + state_of_thread(thread.path()) + " " +
            first_line(thread.path() / "wchan");
  }
  return text;
}

bool is_traced(pid_t pid) {
  for (const auto& thread : fs::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
    if (status_number(thread.path() / "status", "TracerPid") == 0) return false;
  }
  return true;
}

bool is_asleep(pid_t pid) {
  for (const auto& thread : fs::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
    if (state_of_thread(thread.path()) != "S") return false;
  }
  return true;
}

}  // namespace quartet::suite
