// The faults as routes: a function for each entry of the catalogue that a handler can commit.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "common/faults/fault.h"
#include "common/routes/answers.h"

namespace quartet::app {
namespace {

using http::Method;
using http::Outcome;
using http::Request;
using http::Slot;
using Json = nlohmann::ordered_json;

/// A function without an entry would be a fault that nobody has described.
void check_entries(std::span<const CatalogueEntry> entries, std::span<const Fault> faults) {
  for (const Fault& fault : faults) {
    const auto found = std::ranges::find(entries, fault.id, &CatalogueEntry::id);
    if (found == entries.end() || found->kind != FaultKind::handler)
      throw std::logic_error(fmt::format("fault {} is not in the catalogue as one of a handler", fault.id));
  }
}

const Fault& function_of(const CatalogueEntry& entry, std::span<const Fault> faults) {
  const auto found = std::ranges::find(faults, std::string_view(entry.id), &Fault::id);
  if (found == faults.end())
    throw std::logic_error(fmt::format("fault {} of the catalogue has no function", entry.id));
  return *found;
}

std::string path_of(std::string_view id) { return fmt::format("/fault/{}", id); }

std::string summary(const CatalogueEntry& entry, const Fault& fault) {
  return fault.parameters.empty() ? entry.title : summary_of(entry.title + ".", fault.parameters);
}

Json to_json(const Number& number) {
  const Json fallback = number.fallback == kForEver ? Json() : Json(number.fallback);
  return {{"name", number.name}, {"default", fallback}, {"most", number.most}};
}

Json to_json(const Choice& choice) {
  return {{"name", choice.name}, {"default", choice.words.front()}, {"words", choice.words}};
}

Json to_json(const std::vector<Parameter>& parameters) {
  Json list = Json::array();
  for (const Parameter& parameter : parameters)
    list.push_back(std::visit([](const auto& each) { return to_json(each); }, parameter));
  return list;
}

Json to_json(const Expectation& expectation) {
  return {
      {"models", expectation.models}, {"verdicts", expectation.verdicts}, {"because", expectation.because}};
}

Json to_json(const FaultLimits& limits) {
  Json json = Json::object();
  if (limits.address_space_mib) json["address_space_mib"] = *limits.address_space_mib;
  if (limits.descriptors) json["descriptors"] = *limits.descriptors;
  return json;
}

Json to_json(const FaultCase& fault_case) {
  Json expected = Json::array();
  for (const Expectation& each : fault_case.expected) expected.push_back(to_json(each));
  return {{"query", fault_case.query},
          {"requests", fault_case.requests},
          {"limits", to_json(fault_case.limits)},
          {"expected", std::move(expected)}};
}

Json to_json(const CatalogueEntry& entry, const Fault& fault) {
  Json cases = Json::array();
  for (const FaultCase& each : entry.cases) cases.push_back(to_json(each));
  return {{"id", entry.id},           {"method", "POST"},   {"target", path_of(entry.id)},
          {"title", entry.title},     {"what", entry.what}, {"parameters", to_json(fault.parameters)},
          {"cases", std::move(cases)}};
}

void add_list(http::Router& router, http::Response list) {
  router.add({{Method::get},
              "/fault",
              "The faults of handlers, and what each is expected to do to each model",
              false,
              [list = std::move(list)](const Request&, const Slot&) -> Outcome { return list; }});
}

}  // namespace

std::vector<Fault> every_fault() {
  std::vector<Fault> all;
  for (auto* const faults : {dying_faults, hanging_faults, heap_faults, stack_faults, coroutine_faults,
                             shared_state_faults, lock_faults, exhaustion_faults})
    std::ranges::move(faults(), std::back_inserter(all));
  return all;
}

void add_fault_routes(http::Router& router, std::span<const CatalogueEntry> entries,
                      std::span<const Fault> faults) {
  check_entries(entries, faults);
  Json list = Json::array();
  for (const CatalogueEntry& entry : entries) {
    if (entry.kind != FaultKind::handler) continue;
    const Fault& fault = function_of(entry, faults);
    list.push_back(to_json(entry, fault));
    router.add({{Method::post}, path_of(entry.id), summary(entry, fault), false, fault.handler});
  }
  add_list(router, json_response({{"faults", std::move(list)}}));
}

void add_fault_routes(http::Router& router) {
  add_fault_routes(router, catalogue(), every_fault());
  add_cached_route(router);
  add_locked_route(router);
}

}  // namespace quartet::app
