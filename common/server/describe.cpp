#include "common/server/describe.h"

#include <nlohmann/json.hpp>

namespace quartet::app {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const std::vector<Refusal>& refusals) {
  Json json = Json::object();
  for (const auto& [option, why] : refusals) json[std::string(option)] = why;
  return json;
}

/// Its words, the default first; or its number.
Json to_json(const OwnOption& option) {
  if (!option.words.empty()) return option.words;
  return {{"unit", option.unit}, {"default", option.number}, {"least", option.least}, {"most", option.most}};
}

Json to_json(const Model& model, const Mode& mode) {
  return {{"name", mode.name},
          {"options", options_of(mode)},
          {"worker", mode.worker == Worker::process ? "process" : "thread"},
          {"one_client_per_worker", mode.one_client_per_worker},
          {"process_per_request", mode.process_per_request},
          {"hands_over", mode.hands_over},
          {"work_stealing", mode.work_stealing},
          {"default_workers", mode.default_workers},
          {"many_workers", mode.many_workers()},
          {"has_parent", mode.has_parent()},
          {"refuses", to_json(refusals(model, mode))}};
}

}  // namespace

std::string describe(const Model& model) {
  Json own_options = Json::object();
  for (const OwnOption& option : model.own_options) own_options[std::string(option.name)] = to_json(option);
  Json modes = Json::array();
  for (const Mode& mode : model.modes) modes.push_back(to_json(model, mode));
  const Json json{{"executable", model.name},
                  {"summary", model.summary},
                  {"sanitizers", QUARTET_SANITIZE},
                  {"own_options", own_options},
                  {"modes", modes}};
  return json.dump(2);
}

}  // namespace quartet::app
