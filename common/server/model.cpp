#include "common/server/model.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace quartet::app {

std::vector<std::string> options_of(const Mode& mode) {
  if (mode.name.empty()) return {};
  return {"--mode", std::string(mode.name)};
}

std::vector<Refusal> refusals(const Model& model, const Mode& mode) {
  std::vector<std::string> words = options_of(mode);
  words.insert(words.begin(), std::string(model.name));
  const auto who = fmt::format("{}", fmt::join(words, " "));

  std::vector<Refusal> found;
  if (model.modes.size() == 1) found.push_back({"--mode", who + " has only one mode"});
  if (!mode.many_workers())
    found.push_back({"--workers", fmt::format("{} takes only 1, because {}", who, mode.only_one_because)});
  if (mode.has_parent()) found.push_back({"--supervise", who + " has a parent of its own"});
  if (!mode.has_parent() || !mode.many_workers())
    found.push_back(
        {"--max-requests-per-worker", who + " has no worker processes that could be replaced one by one"});
  return found;
}

}  // namespace quartet::app
