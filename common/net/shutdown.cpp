#include "common/net/shutdown.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "common/net/fd.h"
#include "common/net/system.h"

namespace quartet::net {
namespace {

enum class Role { alone, parent, worker };

// Signal handlers reach nothing but statics. Lock-free atomics are async-signal-safe (signal-safety(7)).
std::atomic<int> signals{0};
std::atomic<Role> role{Role::alone};
std::atomic<std::int64_t> alarm_seconds{0};
std::atomic<std::int64_t> requested_at{0};  // steady_clock, its own unit
std::atomic<int> event_descriptor{-1};

constexpr int kImmediateExit = 3;  // as after a cut

void wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = write(event_descriptor, &one, sizeof one);  // a worker may have none
}

void on_signal(int) {
  const int saved = errno;
  if (signals > 0 && role == Role::alone) _exit(kImmediateExit);
  if (signals == 0) requested_at = std::chrono::steady_clock::now().time_since_epoch().count();
  if (++signals == 1) {  // from here on requested(): whoever the eventfd wakes must see it
    wake();
    alarm(static_cast<unsigned>(alarm_seconds));
  }
  errno = saved;
}

std::int64_t seconds_to_alarm(std::chrono::milliseconds drain_timeout) {
  if (drain_timeout.count() == 0) return 0;  // alarm(0) sets none
  return std::chrono::ceil<std::chrono::seconds>(drain_timeout).count() + 1;
}

void handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;  // no SA_RESTART: blocking calls return EINTR and look at the flag
  check(sigaction(signal, &action, nullptr), "sigaction");
}

}  // namespace

Shutdown::Shutdown(std::chrono::milliseconds drain_timeout) : drain_timeout_(drain_timeout) {
  event_descriptor = check(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd");
  alarm_seconds = seconds_to_alarm(drain_timeout);
  for (const int signal : {SIGTERM, SIGINT, SIGQUIT}) handle(signal, on_signal);
}

void Shutdown::become_parent() {
  role = Role::parent;
  alarm_seconds = 0;  // its workers have the alarm; it outlives them to say how they ended
}

void Shutdown::become_worker(pid_t parent, int on_its_death) {
  role = Role::worker;
  event_descriptor = -1;  // the parent's: a worker told to leave must not wake it
  alarm_seconds = seconds_to_alarm(drain_timeout_);
  if (requested())
    alarm(static_cast<unsigned>(alarm_seconds));  // forked amid a drain; alarms are not inherited
  handle(SIGINT, SIG_IGN);
  handle(SIGQUIT, SIG_IGN);
  check(prctl(PR_SET_PDEATHSIG, on_its_death), "prctl");
  if (getppid() != parent) raise(on_its_death);  // it died before prctl
}

void Shutdown::renew_event() {
  event_descriptor = check(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd");
  if (requested()) wake();
}

bool Shutdown::requested() const { return signals.load(std::memory_order_relaxed) > 0; }

bool Shutdown::repeated() const { return signals > 1; }

http::TimePoint Shutdown::deadline() const {
  if (!requested() || drain_timeout_.count() == 0) return http::TimePoint::max();
  return http::TimePoint(http::TimePoint::duration(requested_at)) + drain_timeout_;
}

bool Shutdown::overdue(http::TimePoint now) const { return now >= deadline(); }

int Shutdown::descriptor() const { return event_descriptor; }

}  // namespace quartet::net
