#include "tests/servers/configuration.h"

namespace quartet::suite {

void PrintTo(const Configuration& configuration, std::ostream* stream) { *stream << configuration.name; }

Command Configuration::command(const std::vector<std::string>& more) const {
  std::vector<std::string> arguments{"--listen", "127.0.0.1:0"};
  arguments.insert(arguments.end(), options.begin(), options.end());
  arguments.insert(arguments.end(), more.begin(), more.end());
  return server_command(executable, std::move(arguments));
}

std::vector<Configuration> every_configuration() {
  std::vector<Configuration> all{
      {"prefork", "quartet-fork", {}, Model::prefork},
      {"per_connection", "quartet-fork", {"--mode", "per-connection"}, Model::per_connection},
      {"per_request", "quartet-fork", {"--mode", "per-request"}, Model::per_request},
      {"threads", "quartet-threads", {}, Model::threads},
      {"coroutines_1", "quartet-coroutines", {}, Model::coroutines},
      {"coroutines_2", "quartet-coroutines", {"--workers", "2"}, Model::coroutines},
      {"epoll", "quartet-epoll", {}, Model::epoll},
  };
  if (kSanitizers == "thread") {
    std::erase_if(all, [](const auto& each) { return each.forks() || each.model == Model::epoll; });
  }
  return all;
}

Configuration reference_configuration() { return every_configuration().back(); }

ServerProcess ServerTest::start_with_workers(int workers, std::vector<std::string> options) const {
  if (GetParam().pool()) options.insert(options.end(), {"--workers", std::to_string(workers)});
  return start(options);
}

}  // namespace quartet::suite
