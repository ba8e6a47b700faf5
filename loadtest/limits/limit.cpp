#include "loadtest/limits/limit.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>

#include "common/net/system.h"

namespace quartet::limits {
namespace {

constexpr int kEnded = 0, kFailed = 1, kUsage = 2;
constexpr std::size_t kMostWorkers = 10'000;

struct Options {
  net::Address listen{"127.0.0.1", 8080};
  std::size_t workers = 0;
};

[[noreturn]] void exit_usage(const Limit& limit, std::string_view sentence) {
  net::print_error(fmt::format("{}: {}\n", limit.name, sentence));
  std::exit(kUsage);
}

/// @return the options; or exits: 0 after --help, 2 with one sentence for a usage error
Options parse_options(int argc, char** argv, const Limit& limit) {
  Options options{.workers = limit.default_workers};
  std::string listen = options.listen.to_string();
  CLI::App app(std::string(limit.summary), std::string(limit.name));
  app.set_help_flag("-h,--help", "Print this and exit");
  app.get_formatter()->column_width(38);
  app.footer("Answers whatever ends in a blank line as GET /plaintext; see loadtest/limits/README.md.");
  app.add_option("--listen", listen,
                 fmt::format("IPv4, [IPv6] or name; port 0: the kernel chooses (default {})", listen))
      ->type_name("ADDR:PORT");
  if (limit.default_workers > 0) {
    app.add_option("--workers", options.workers,
                   fmt::format("Processes, threads or loops (default {})", limit.default_workers))
        ->type_name("N")
        ->check(CLI::Range(std::size_t{1}, kMostWorkers).description(""));
  }
  try {
    app.parse(argc, argv);
    options.listen = net::Address::parse(listen);
  } catch (const CLI::Success& request) {
    std::exit(app.exit(request));
  } catch (const CLI::ParseError& error) {
    exit_usage(limit, error.what());
  } catch (const std::invalid_argument& error) {
    exit_usage(limit, fmt::format("--listen: {}", error.what()));
  }
  return options;
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
  net::Shutdown shutdown(std::chrono::milliseconds(0));  // no alarm: nothing is drained
  Server server{listener, shutdown, options.workers};
  serve(server);
  return kEnded;
} catch (const std::exception& error) {
  net::print_error(fmt::format("{}: {}\n", limit.name, error.what()));
  return kFailed;
}

ssize_t send_once(int socket, std::string_view bytes) {
  return ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

}  // namespace quartet::limits
