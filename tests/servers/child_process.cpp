#include "tests/servers/child_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include "tests/servers/process_table.h"

namespace quartet::suite {
namespace {

int check(int result, const std::string& what) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), what);
  return result;
}

/// The test's own environment must not configure a server.
std::vector<std::string> environment_of(const Command& command) {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!std::string_view(*variable).starts_with("QUARTET_")) variables.emplace_back(*variable);
  }
  variables.insert(variables.end(), command.environment.begin(), command.environment.end());
  return variables;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (auto& text : strings) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

void limit(__rlimit_resource resource, rlim_t value) {
  const rlimit both{.rlim_cur = value, .rlim_max = value};
  ::setrlimit(resource, &both);  // a failure shows in the test that needs it
}

std::string read_all(int file) {
  std::string text;
  char buffer[4096];
  for (;;) {
    const auto count = ::pread(file, buffer, sizeof buffer, static_cast<off_t>(text.size()));
    if (count <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(count));
  }
}

Ending ending_of(int status) {
  return WIFSIGNALED(status) ? killed_by(WTERMSIG(status)) : exited(WEXITSTATUS(status));
}

}  // namespace

void PrintTo(const Ending& ending, std::ostream* stream) {
  if (ending.signal != 0) {
    *stream << "killed by " << ::strsignal(ending.signal);
  } else {
    *stream << "exited with status " << ending.code;
  }
}

Command after(const std::string& line, const Command& command) {
  Command shell = command;
  shell.executable = "/bin/bash";
  shell.arguments = {"-c", line + R"(; exec "$0" "$@")", command.executable};
  shell.arguments.insert(shell.arguments.end(), command.arguments.begin(), command.arguments.end());
  return shell;
}

ChildProcess::ChildProcess(const Command& command)
    : name_(command.executable),
      out_(check(::memfd_create("stdout", MFD_CLOEXEC), "memfd_create")),
      err_(check(::memfd_create("stderr", MFD_CLOEXEC), "memfd_create")) {
  auto words = command.arguments;
  words.insert(words.begin(), command.executable);
  auto variables = environment_of(command);
  const auto argv = pointers(words);
  const auto envp = pointers(variables);
  check(::prctl(PR_SET_CHILD_SUBREAPER, 1), "prctl");
  pid_ = check(::fork(), "fork");
  if (pid_ != 0) return;
  ::setsid();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a killed test leaves no server
  ::dup2(out_, STDOUT_FILENO);
  ::dup2(err_, STDERR_FILENO);
  limit(RLIMIT_CORE, 0);
  if (command.descriptors) limit(RLIMIT_NOFILE, *command.descriptors);
  if (command.address_space) limit(RLIMIT_AS, *command.address_space);
  ::execvpe(argv[0], argv.data(), envp.data());
  ::dprintf(STDERR_FILENO, "exec %s: %s\n", argv[0], std::strerror(errno));
  ::_exit(127);
}

ChildProcess::~ChildProcess() {
  end_session();
  if (testing::Test::HasFailure() || std::uncaught_exceptions() > 0) {
    std::cerr << "--- stderr of " << name_ << " [" << pid_ << "]\n" << err() << "---\n";
  }
  ::close(out_);
  ::close(err_);
}

bool ChildProcess::running() {
  if (ending_) return false;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) != pid_) return true;
  ending_ = ending_of(status);
  return false;
}

Ending ChildProcess::wait_exit(std::chrono::milliseconds patience) {
  if (!eventually([this] { return !running(); }, patience))
    throw std::runtime_error(name_ + " does not end: " + describe_threads(pid_));
  return *ending_;
}

void ChildProcess::signal(int number) const { check(::kill(pid_, number), "kill"); }

void ChildProcess::signal_group(int number) const { check(::kill(-pid_, number), "kill"); }

void ChildProcess::freeze() const {
  signal_group(SIGSTOP);
  const auto stands_still = [](const ProcessEntry& entry) { return entry.stopped() || entry.zombie(); };
  if (!eventually([&] { return std::ranges::all_of(session_members(pid_), stands_still); }))
    throw std::runtime_error(name_ + " does not stop");
}

std::string ChildProcess::out() const { return read_all(out_); }

std::string ChildProcess::err() const { return read_all(err_); }

std::vector<pid_t> ChildProcess::processes() const {
  std::vector<pid_t> live;
  for (const auto& member : session_members(pid_)) {
    if (!member.zombie()) live.push_back(member.pid);
  }
  return live;
}

std::vector<pid_t> ChildProcess::children() const {
  std::vector<pid_t> live;
  for (const auto& member : session_members(pid_)) {
    if (member.parent == pid_ && !member.zombie()) live.push_back(member.pid);
  }
  return live;
}

std::chrono::milliseconds ChildProcess::cpu_time() const {
  std::chrono::milliseconds sum{0};
  for (const auto& member : session_members(pid_)) sum += member.cpu;
  return sum;
}

void ChildProcess::end_session() {
  eventually([this] {
    const auto members = session_members(pid_);
    for (const auto& member : members) {
      ::kill(member.pid, SIGKILL);
      ::waitpid(member.pid, nullptr, WNOHANG);  // ours, or an orphan that has become ours
    }
    return members.empty();
  });
}

void insist(ChildProcess& process, int number) {
  const bool ended = eventually([&] {
    if (!process.running()) return true;
    process.signal(number);
    return false;
  });
  if (!ended) throw std::runtime_error("it does not end, however often it is told to");
}

}  // namespace quartet::suite
