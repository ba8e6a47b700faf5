#include "loadtest/limits/limit.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cstdio>
#include <exception>
#include <string>

#include "common/net/system.h"
#include "common/program/command_line.h"

namespace quartet::limits {
namespace {

constexpr int kEnded = 0, kFailed = 1, kUsage = 2;
constexpr std::size_t kMostWorkers = 10'000;

struct Options {
  net::Address listen{"127.0.0.1", 8080};
  std::size_t workers = 0;
};

/// Exits after --help. @throws app::UsageError
Options parse_options(int argc, char** argv, const Limit& limit) {
  Options options{.workers = limit.default_workers};
  app::CommandLine command_line(
      {.name = std::string(limit.name),
       .summary = std::string(limit.summary),
       .footer = "Answers whatever ends in a blank line as GET /plaintext; see loadtest/limits/README.md."});
  command_line.add({.name = "--listen",
                    .metavariable = "ADDR:PORT",
                    .help = fmt::format("IPv4, [IPv6] or name; port 0: the kernel chooses (default {})",
                                        options.listen.to_string()),
                    .read = [&](const std::string& text) { options.listen = net::Address::parse(text); }});
  if (limit.default_workers > 0) {
    command_line.add({.name = "--workers",
                      .metavariable = "N",
                      .help = fmt::format("Processes, threads or loops (default {})", limit.default_workers),
                      .read = app::into(options.workers, 1, kMostWorkers)});
  }
  command_line.parse(argc, argv);
  return options;
}

int fail(int status, const Limit& limit, const std::exception& error) {
  net::print_error(fmt::format("{}: {}\n", limit.name, error.what()));
  return status;
}

/// As the servers do: ten thousand connections need more than the usual soft limit of 1024.
void raise_descriptor_limit() {
  rlimit limit{};
  net::check(::getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
  limit.rlim_cur = limit.rlim_max;
  net::check(::setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
}

}  // namespace

void Server::announce() const {
  fmt::print("listening on {}\n", listener.address().to_string());
  std::fflush(stdout);  // whoever closed stdout does not want to know
}

int run_limit(int argc, char** argv, const Limit& limit, Serve serve) try {
  net::reserve_standard_descriptors();
  const Options options = parse_options(argc, argv, limit);
  raise_descriptor_limit();
  net::Listener listener(options.listen);
  net::Shutdown shutdown(http::kForever);  // no alarm: nothing is drained
  Server server{listener, shutdown, options.workers};
  serve(server);
  return kEnded;
} catch (const app::UsageError& error) {
  return fail(kUsage, limit, error);
} catch (const std::exception& error) {
  return fail(kFailed, limit, error);
}

ssize_t send_once(int socket, std::string_view bytes) {
  return ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

}  // namespace quartet::limits
