#include "tests/servers/configuration.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>

namespace quartet::suite {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

std::string ask(const std::string& executable) {
  const auto result = run(server_command(executable, {"--describe"}));
  if (result.ending != exited(0))
    throw std::runtime_error(executable + " --describe does not work: " + result.err);
  return result.out;
}

std::string read_file(const fs::path& path) {
  std::ostringstream content;
  content << std::ifstream(path).rdbuf();
  return content.str();
}

/// Each test is a process of its own, and starting four servers takes more than a second where they have a
/// sanitizer. So the answer is kept beside the server until that is built anew.
std::string remember(const std::string& executable) {
  const fs::path server = server_command(executable, {}).executable;
  const fs::path kept = server.string() + ".json";
  std::error_code error;  // not kept yet: the time is the earliest that there is
  if (fs::last_write_time(kept, error) > fs::last_write_time(server)) return read_file(kept);
  const std::string answer = ask(executable);
  const fs::path draft = kept.string() + "." + std::to_string(::getpid());
  std::ofstream(draft) << answer;
  fs::rename(draft, kept, error);  // nobody reads half of it; where it cannot be kept it is asked again
  return answer;
}

Json describe(const std::string& executable) { return Json::parse(remember(executable)); }

/// "per_connection"; of a model with one mode "epoll"
std::string name_of(const std::string& executable, std::string mode) {
  if (mode.empty()) return executable.substr(executable.find('-') + 1);
  std::ranges::replace(mode, '-', '_');
  return mode;
}

Configuration read(const Json& description, const Json& mode) {
  const std::string executable = description.at("executable");
  return {.name = name_of(executable, mode.at("name")),
          .executable = executable,
          .options = mode.at("options"),
          .sanitizers = description.at("sanitizers"),
          .has_parent = mode.at("has_parent"),
          .one_client_per_worker = mode.at("one_client_per_worker"),
          .process_per_request = mode.at("process_per_request"),
          .many_workers = mode.at("many_workers"),
          .hands_over = mode.at("hands_over"),
          .work_stealing = mode.at("work_stealing"),
          .refuses = mode.at("refuses")};
}

void add_modes(std::vector<Configuration>& all, const std::string& executable) {
  const auto first = all.size();
  const Json description = describe(executable);
  for (const auto& mode : description.at("modes")) {
    auto each = read(description, mode);
    const bool several = each.loop() && each.many_workers && !each.hands_over;
    each.several_loops = several && mode.at("default_workers") > 1;
    all.push_back(each);
    if (!several || each.several_loops) continue;
    all.back().name += "_1";
    each.name += "_2";
    each.several_loops = true;
    each.options.insert(each.options.end(), {"--workers", "2"});
    all.push_back(each);
  }
  all.at(first).options.clear();  // the default needs none
}

std::vector<Configuration> describe_all() {
  std::vector<Configuration> all;
  std::istringstream names(QUARTET_SERVERS);
  for (std::string executable; names >> executable;) add_modes(all, executable);
  std::erase_if(all, [](const auto& each) { return each.sanitizers == "thread" && !each.starts_threads(); });
  return all;
}

std::vector<Configuration> choose_asked() {
  auto asked = every_configuration();
  std::erase_if(asked, [](const auto& each) { return !is_asked(each.name); });
  return asked;
}

}  // namespace

void PrintTo(const Configuration& configuration, std::ostream* stream) { *stream << configuration.name; }

std::string Configuration::model() const {
  std::string model = name;
  std::ranges::replace(model, '_', '-');
  if (model.ends_with("-1")) model.resize(model.size() - 2);
  return model.starts_with("per-") ? "fork-" + model : model;
}

Command Configuration::command(const std::vector<std::string>& more) const {
  std::vector<std::string> arguments{"--listen", "127.0.0.1:0"};
  arguments.insert(arguments.end(), options.begin(), options.end());
  arguments.insert(arguments.end(), more.begin(), more.end());
  return server_command(executable, std::move(arguments));
}

const std::vector<Configuration>& every_configuration() {
  static const std::vector<Configuration> all = describe_all();
  return all;
}

const Configuration& reference_configuration() {
  const auto& all = every_configuration();
  const auto simplest =
      std::ranges::find_if(all, [](const auto& each) { return !each.many_workers && each.loop(); });
  return simplest == all.end() ? all.back() : *simplest;  // ThreadSanitizer's servers are all others
}

bool is_asked(const std::string& parameter) {
  const std::string filter = GTEST_FLAG_GET(filter);
  const bool is_pattern = filter.find_first_of("*?:-") != std::string::npos;
  return is_pattern || filter.ends_with("/" + parameter);
}

const std::vector<Configuration>& asked_configurations() {
  static const std::vector<Configuration> asked = choose_asked();
  return asked;
}

ServerProcess ServerTest::start_with_workers(int workers, std::vector<std::string> options) const {
  if (GetParam().pool()) options.insert(options.end(), {"--workers", std::to_string(workers)});
  return start(options);
}

}  // namespace quartet::suite
