#include "common/app/server.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>

#include "common/app/log.h"
#include "common/app/routes.h"
#include "common/http/router.h"
#include "common/net/system.h"

namespace quartet::app {
namespace {

/// Touched memory that a fork has to map into the child.
class Ballast {
 public:
  explicit Ballast(std::size_t mebibytes) : size_(mebibytes << 20) {
    if (size_ == 0) return;
    memory_ = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory_ == MAP_FAILED) net::throw_errno(fmt::format("--ballast {}: mmap", mebibytes));
    // Huge pages would make page tables, and so fork, 512 times cheaper. EINVAL: a kernel without them.
    [[maybe_unused]] const int advised = ::madvise(memory_, size_, MADV_NOHUGEPAGE);
    std::memset(memory_, 0x5a, size_);
  }
  ~Ballast() {
    if (size_ > 0) ::munmap(memory_, size_);  // of a whole mapping: cannot fail
  }
  Ballast(const Ballast&) = delete;
  Ballast& operator=(const Ballast&) = delete;

 private:
  std::size_t size_;
  void* memory_ = nullptr;
};

/// Ten thousand connections need more than the usual soft limit of 1024; the hard limit is the
/// administrator's word.
void raise_descriptor_limit() {
  rlimit limit{};
  net::check(::getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
  limit.rlim_cur = limit.rlim_max;
  net::check(::setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
}

/// Two processes for each connection (fork per request), the workers, and a replacement while a dead one is
/// being reaped; and who is served out of turn in a drain. Generous: slots that nobody takes cost no memory.
std::size_t slot_count(const Options& options) {
  constexpr std::size_t kSpare = 3 * 4096;
  constexpr std::size_t kMostProcesses = 100'000;
  const std::size_t limit = options.limits.max_connections;
  const std::size_t connections = limit == 0 ? kMostProcesses : std::min(limit, kMostProcesses);
  return 2 * connections + 2 * options.workers + kSpare;
}

void add_routes(http::Router& router, const Options& options, const SlotTable& slots,
                SharedSessions& sessions) {
  add_demo_routes(router, slots);
  add_state_routes(router, sessions);
  add_layout_route(router);
  if (!options.root.empty()) add_file_route(router, options.root);
  if (options.enable_faults) add_fault_routes(router);
}

http::Service make_service(const http::Router& router, const Options& options) {
  http::Service service{router, options.limits};
  // There each answer is written by a process of its own, before the next request runs.
  if (options.mode == "per-request") service.batch_requests = 1;
  return service;
}

int run(const Options& options, const Serve& serve) {
  raise_descriptor_limit();
  std::signal(SIGPIPE, SIG_IGN);  // a client that left is EPIPE
  SlotTable slots(slot_count(options));
  SharedSessions sessions;
  http::Router router;
  add_routes(router, options, slots, sessions);
  const http::Service service = make_service(router, options);
  const Ballast ballast(options.ballast);
  net::Shutdown shutdown(options.limits.drain_timeout);
  net::Listener listener(options.listen);
  Server server{options, service, listener, shutdown, slots};
  return serve(server);
}

}  // namespace

void Server::announce() const {
  fmt::print("listening on {}\n", listener.address().to_string());
  std::fflush(stdout);  // whoever closed stdout does not want to know
}

int run_server(int argc, char** argv, const Model& model, const Serve& serve) try {
  set_log_name(model.name);
  const Options options = parse_options(argc, argv, model);
  return run(options, serve);
} catch (const std::exception& error) {
  fmt::print(stderr, "{}: {}\n", model.name, error.what());
  return kStartFailed;
}

int drained(const Server& server, std::size_t still_open) {
  std::uint64_t cut = still_open;
  for (const http::Slot& slot : server.slots.used()) cut += slot.cut.load(std::memory_order_relaxed);
  if (cut == 0) {
    log_line("drained");
    return kDrained;
  }
  log_line(fmt::format("drain timeout: {} connection{} cut", cut, cut == 1 ? "" : "s"));
  return kCut;
}

}  // namespace quartet::app
