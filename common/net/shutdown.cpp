#include "common/net/shutdown.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <initializer_list>

#include "common/net/fd.h"
#include "common/net/orphan.h"
#include "common/net/system.h"

namespace quartet::net {
namespace {

enum class Role { alone, parent, worker };

constexpr std::chrono::seconds kSameWish{1};
constexpr int kImmediateExit = 3;  // as after a cut

// Signal handlers reach nothing but statics. Lock-free atomics are async-signal-safe (signal-safety(7)).
std::atomic<std::int64_t> requested_at{0};  // steady_clock, its own unit; 0: not
std::atomic<bool> requested_again{false};
std::atomic<Role> role{Role::alone};
std::atomic<pid_t> parent_process{0};
std::atomic<std::int64_t> alarm_seconds{0};
std::atomic<int> event_descriptor{-1};

void handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;  // no SA_RESTART: blocking calls return EINTR and look at the flag
  check(sigaction(signal, &action, nullptr), "sigaction");
}

bool is_ignored(int signal) {
  struct sigaction action {};
  check(sigaction(signal, nullptr, &action), "sigaction");
  return action.sa_handler == SIG_IGN;
}

void unblock(const std::initializer_list<int>& signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  check(sigprocmask(SIG_UNBLOCK, &set, nullptr), "sigprocmask");
}

void wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = write(event_descriptor, &one, sizeof one);  // a worker may have none
}

void set_alarm() {
  if (alarm_seconds == 0) return;
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  sigaction(SIGALRM, &action, nullptr);  // cannot fail: the signal exists
  alarm(static_cast<unsigned>(alarm_seconds));
}

void request(http::TimePoint::duration now) {
  std::int64_t first = 0;
  if (requested_at.compare_exchange_strong(first, now.count())) {  // first: a thread that wakes looks at it
    wake();
    set_alarm();
  } else if (now - http::TimePoint::duration(first) >= kSameWish) {
    if (role == Role::alone) _exit(kImmediateExit);
    requested_again = true;
  }
}

void on_signal(int) {
  const int saved = errno;
  // First: a thread that sees that a drain is requested takes over the clients that this accepts.
  if (role == Role::worker && getppid() != parent_process) rescue_queue();
  request(std::chrono::steady_clock::now().time_since_epoch());
  errno = saved;
}

std::int64_t seconds_to_alarm(std::chrono::milliseconds drain_timeout) {
  if (drain_timeout == http::kForever) return 0;  // none, for alarm(2)
  return std::chrono::ceil<std::chrono::seconds>(drain_timeout).count() + 1;
}

}  // namespace

Shutdown::Shutdown(std::chrono::milliseconds drain_timeout) : drain_timeout_(drain_timeout) {
  event_descriptor = check(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd");
  alarm_seconds = seconds_to_alarm(drain_timeout);
  for (const int signal : {SIGTERM, SIGINT, SIGQUIT}) handle(signal, on_signal);
  if (!is_ignored(SIGHUP)) handle(SIGHUP, on_signal);
  // By default they would kill; an alarm may have been set before exec.
  for (const int signal : {SIGUSR1, SIGUSR2, SIGALRM}) handle(signal, SIG_IGN);
  unblock({SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGALRM, SIGCHLD});
}

void Shutdown::become_parent() {
  role = Role::parent;
  alarm_seconds = 0;  // its workers have the alarm; it outlives them to say how they ended
}

void Shutdown::become_worker(pid_t parent, int on_its_death) {
  parent_process = parent;
  role = Role::worker;
  event_descriptor = -1;  // the parent's: a signal to the worker must not wake the parent
  alarm_seconds = seconds_to_alarm(drain_timeout_);
  if (requested()) set_alarm();  // forked amid a drain; alarms are not inherited
  for (const int signal : {SIGINT, SIGQUIT, SIGHUP}) handle(signal, SIG_IGN);
  check(prctl(PR_SET_PDEATHSIG, on_its_death), "prctl");
  if (getppid() != parent) raise(on_its_death);  // it died before prctl
}

void Shutdown::renew_event() {
  event_descriptor = check(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd");
  if (requested()) wake();
}

bool Shutdown::requested() const { return requested_at.load(std::memory_order_relaxed) != 0; }

bool Shutdown::repeated() const { return requested_again; }

http::TimePoint Shutdown::deadline() const {
  if (!requested()) return http::TimePoint::max();
  return http::TimePoint(http::TimePoint::duration(requested_at)) + drain_timeout_;
}

bool Shutdown::overdue(http::TimePoint now) const { return now >= deadline(); }

bool Shutdown::alarm_has_passed(http::TimePoint now) const {
  const std::chrono::seconds alarm_after(seconds_to_alarm(drain_timeout_));
  if (!requested() || alarm_after.count() == 0) return false;
  constexpr auto kDelivery = 5 * kTick;  // a parent passes the shutdown on once a tick
  return now >= http::TimePoint(http::TimePoint::duration(requested_at)) + alarm_after + kDelivery;
}

int Shutdown::descriptor() const { return event_descriptor; }

}  // namespace quartet::net
