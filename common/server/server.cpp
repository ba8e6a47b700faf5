#include "common/server/server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <system_error>

#include "common/faults/fault.h"
#include "common/http/router.h"
#include "common/net/system.h"
#include "common/net/systemd.h"
#include "common/program/log.h"
#include "common/routes/routes.h"
#include "common/scoreboard/scoreboard_files.h"
#include "common/server/shortage.h"
#include "common/server/supervisor.h"

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

/// Ten thousand connections need more than the usual soft limit of 1024. The hard limit is the one that an
/// administrator sets.
void raise_descriptor_limit() {
  rlimit limit{};
  net::check(::getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
  limit.rlim_cur = limit.rlim_max;
  net::check(::setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
}

/// Two processes for each connection (fork per request), the workers, and a replacement while a dead one is
/// being reaped; and the processes that serve the queue in a drain. Generous: slots that nobody takes cost no
/// memory.
std::size_t slot_count(const Options& options) {
  constexpr std::size_t kSpare = 3 * 4096;
  constexpr std::size_t kMostProcesses = 100'000;
  const std::size_t connections = std::min(options.limits.max_connections, kMostProcesses);
  return 2 * connections + 2 * options.workers + kSpare;
}

void add_routes(http::Router& router, const Options& options, const Scoreboard& scoreboard,
                SharedSessions& sessions) {
  add_demo_routes(router, scoreboard);
  add_state_routes(router, sessions);
  add_layout_route(router);
  if (!options.root.empty()) add_file_route(router, options.root);
  if (options.enable_faults) add_fault_routes(router);
}

http::Service make_service(const http::Router& router, const Options& options) {
  http::Service service{router, options.limits};
  // That process has written its answer before the next request runs.
  if (options.mode.process_per_request) service.batch_requests = 1;
  return service;
}

/// On the socket that a service manager has passed, or on our own.
net::Listener listen(const Options& options) {
  auto passed = net::passed_socket();
  net::Listener listener = passed ? net::Listener(std::move(*passed)) : net::Listener(options.listen);
  if (options.enable_faults && !listener.address().is_loopback()) {
    throw std::runtime_error(
        fmt::format("--enable-faults: anybody could crash a server on {}", listener.address().to_string()));
  }
  return listener;
}

Scoreboard make_scoreboard(const Options& options, const net::Address& address) {
  const std::size_t slots = slot_count(options);
  if (!options.scoreboard.empty()) return Scoreboard(options.scoreboard, slots);
  constexpr std::size_t kKeptForInspection = 8;
  remove_old_scoreboards(kKeptForInspection);
  try {
    return Scoreboard(default_scoreboard(address), slots);
  } catch (const std::runtime_error& error) {  // the user has not asked for this file
    const auto* system = dynamic_cast<const std::system_error*>(&error);
    if (system != nullptr && system->code() == std::errc::too_many_files_open)
      throw;  // the next one fails, too
    log_line(fmt::format("{}; only /stats will show the counters", error.what()));
    return Scoreboard(slots);
  }
}

void write(Board::Text& text, std::string_view content) {
  const auto end = std::copy_n(content.begin(), std::min(content.size(), text.size() - 1), text.begin());
  std::fill(end, text.end(), '\0');
}

void describe(Board& board, const Model& model, const Options& options, const net::Listener& listener) {
  write(board.model, model.name);
  write(board.mode, options.mode.name);
  write(board.address, listener.address().to_string());
  board.supervised = options.supervise ? 1 : 0;
}

/// A server that has no descriptor left for a client must not begin.
void check_descriptors(const net::Listener& listener) {
  const net::Fd spare(
      net::check(::fcntl(listener.descriptor(), F_DUPFD_CLOEXEC, 0), "no descriptor is left for a client"));
}

int run(const Model& model, const Options& options) {
  raise_descriptor_limit();
  std::signal(SIGPIPE, SIG_IGN);  // a client that left is EPIPE
  std::signal(SIGXFSZ, SIG_IGN);  // a file that ulimit -f keeps from growing is EFBIG
  net::Listener listener = listen(options);
  Scoreboard scoreboard = make_scoreboard(options, listener.address());
  describe(scoreboard.board(), model, options, listener);
  scoreboard.keep_description();
  SharedSessions sessions;  // before any fork, the supervisor's too
  http::Router router;
  add_routes(router, options, scoreboard, sessions);
  const http::Service service = make_service(router, options);
  const Ballast ballast(options.ballast);
  net::Shutdown shutdown(options.limits.drain_timeout);
  Server server{options, service, listener, shutdown, scoreboard};
  check_descriptors(listener);  // before the first fork
  const int status = options.supervise ? supervise(server) : options.mode.serve(server);
  if (status == kDrained) scoreboard.remove_file();  // after any other end somebody may want to read it
  return status;
}

/// As the default, but it does not wait for a reader of stderr.
[[noreturn]] void terminate() noexcept {
  try {
    if (const auto uncaught = std::current_exception()) std::rethrow_exception(uncaught);
  } catch (const std::exception& error) {
    log_line(fmt::format("nobody caught an exception: {}", error.what()));
  } catch (...) {
    log_line("nobody caught an exception");
  }
  std::abort();
}

/// What messages call this program: the model's name, or that of another program which links the model.
std::string_view program_name(char** argv, const Model& model) {
  const std::string_view path = argv[0] == nullptr ? "" : argv[0];
  const std::string_view name = path.substr(path.rfind('/') + 1);
  return name.empty() ? model.name : name;
}

void tell_supervisor(std::atomic<bool>& news) {
  news = true;
  ::kill(::getppid(), SIGCHLD);  // any signal wakes it; if it has died, nobody waits
}

}  // namespace

void Server::announce() const {
  check_descriptors(listener);  // again: by now a loop has its own
  if (supervised) return tell_supervisor(scoreboard.board().ready);
  // Without this line, if stdout is closed or full, the server serves all the same.
  write_now(STDOUT_FILENO, fmt::format("listening on {}\n", listener.address().to_string()));
  net::notify_service_manager("READY=1");
}

void Server::announce_drain() const {
  if (supervised) return tell_supervisor(scoreboard.board().handed_over);
  scoreboard.board().draining = net::now().steady.time_since_epoch().count();
  log_line("draining");
  net::notify_service_manager("STOPPING=1");
}

std::list<net::Fd> Server::begin_drain(int flags) const {
  announce_drain();
  auto clients = listener.accept_all(flags);
  const int error = errno;
  if (const auto left = net::is_exhausted(error) ? listener.unaccepted() : 0; left > 0)
    log_line(fmt::format("accept: {}; clients left in the queue: {}", std::strerror(error), left));
  return clients;
}

bool is_exhausted(int error) {
  if (!net::is_exhausted(error)) return false;
  log_seldom(fmt::format("accept: {}; clients wait", std::strerror(error)));
  return true;
}

int run_server(int argc, char** argv, const Model& model) try {
  net::reserve_standard_descriptors();
  keep_stderr_from_blocking();
  Model program = model;
  program.name = program_name(argv, model);
  set_log_name(program.name);
  std::set_terminate(terminate);
  const Options options = parse_options(argc, argv, program);
  return run(model, options);
} catch (const std::exception& error) {
  write_now(STDERR_FILENO, fmt::format("{}: {}\n", program_name(argv, model), explain(error)));
  return kStartFailed;
}

int drained(const Server& server, std::size_t still_open) {
  Board& board = server.scoreboard.board();
  board.cut += still_open;  // workers may do so at the same moment
  if (server.supervised) return kDrained;
  std::uint64_t cut = board.cut;
  for (const http::Slot& slot : server.scoreboard.used()) cut += slot.cut.load(std::memory_order_relaxed);
  if (cut == 0) {
    log_line("drained");
    return kDrained;
  }
  log_line(fmt::format("drain timeout: {} connection{} cut", cut, cut == 1 ? "" : "s"));
  return kCut;
}

}  // namespace quartet::app
