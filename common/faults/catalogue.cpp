#include "common/faults/catalogue.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace quartet::app {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kModels[] = {"fork-per-request",
                                        "fork-per-connection",
                                        "prefork",
                                        "threads",
                                        "coroutines",
                                        "coroutines-2",
                                        "epoll",
                                        "multiprocess",
                                        "helpers",
                                        "fibers",
                                        "fibers-2"};

/// A misspelt key would say nothing, and nobody would notice.
void check_keys(const Json& object, std::initializer_list<std::string_view> known) {
  for (const auto& item : object.items()) {
    if (std::ranges::find(known, item.key()) == known.end())
      throw std::runtime_error(fmt::format("unknown key \"{}\"", item.key()));
  }
}

template <typename Element>
std::vector<Element> read_list(const Json& list, Element (*read)(const Json&)) {
  std::vector<Element> elements;
  for (const Json& each : list) elements.push_back(read(each));
  return elements;
}

Expectation read_expectation(const Json& json) {
  check_keys(json, {"models", "verdicts", "because"});
  return {json.at("models"), json.at("verdicts"), json.at("because")};
}

Exclusion read_exclusion(const Json& json) {
  check_keys(json, {"models", "because"});
  return {json.at("models"), json.at("because")};
}

std::optional<std::uint64_t> read_limit(const Json& json, const char* name) {
  if (!json.contains(name)) return std::nullopt;
  return json.at(name).get<std::uint64_t>();
}

FaultLimits read_limits(const Json& json) {
  check_keys(json, {"address_space_mib", "descriptors"});
  return {read_limit(json, "address_space_mib"), read_limit(json, "descriptors")};
}

/// Each model is in one group, so that nobody asks in vain what happens to it.
void check_models(const FaultCase& fault_case, const std::vector<Expectation>& expected) {
  std::vector<std::string> named;
  const auto add = [&](const auto& groups) {
    for (const auto& group : groups) named.insert(named.end(), group.models.begin(), group.models.end());
  };
  add(expected);
  add(fault_case.excluded);
  std::vector<std::string> models(std::begin(kModels), std::end(kModels));
  std::ranges::sort(named);
  std::ranges::sort(models);
  if (named != models)
    throw std::runtime_error(fmt::format("case \"{}\": not each model once", fault_case.query));
}

FaultCase read_case(const Json& json) {
  check_keys(json, {"query", "requests", "load", "limits", "expected", "expected_asan", "not", "sanitizers"});
  FaultCase fault_case{
      .query = json.at("query"),
      .requests = json.value("requests", std::vector<std::string>{json.at("query")}),
      .load = json.value("load", "/fault/cached"),
      .limits = read_limits(json.value("limits", Json::object())),
      .expected = read_list(json.at("expected"), read_expectation),
      .expected_asan = read_list(json.value("expected_asan", Json::array()), read_expectation),
      .excluded = read_list(json.value("not", Json::array()), read_exclusion),
      .sanitizers = json.value("sanitizers", std::map<std::string, std::string>{})};
  check_models(fault_case, fault_case.expected);
  if (!fault_case.expected_asan.empty()) check_models(fault_case, fault_case.expected_asan);
  return fault_case;
}

FaultKind read_kind(const std::string& word) {
  if (word == "handler") return FaultKind::handler;
  if (word == "worker") return FaultKind::worker;
  if (word == "client") return FaultKind::client;
  if (word == "environment") return FaultKind::environment;
  throw std::runtime_error(fmt::format("unknown kind \"{}\"", word));
}

std::optional<FaultEnding> read_ending(const std::string& words) {
  if (words.empty()) return std::nullopt;
  if (words == "SIGSEGV") return FaultEnding{.signal = SIGSEGV};
  if (words == "SIGABRT") return FaultEnding{.signal = SIGABRT};
  if (words == "exit 1") return FaultEnding{.status = 1};
  throw std::runtime_error(fmt::format("unknown ending \"{}\"", words));
}

CatalogueEntry read_entry(const Json& json) {
  try {
    check_keys(json, {"id", "kind", "title", "what", "ending", "ending_asan", "cases"});
    CatalogueEntry entry{.id = json.at("id"),
                         .kind = read_kind(json.at("kind")),
                         .title = json.at("title"),
                         .what = json.at("what"),
                         .ending = read_ending(json.value("ending", "")),
                         .ending_asan = read_ending(json.value("ending_asan", "")),
                         .cases = read_list(json.at("cases"), read_case)};
    if (entry.cases.empty()) throw std::runtime_error("it has no case");
    return entry;
  } catch (const std::exception& error) {
    throw std::runtime_error(fmt::format("fault {}: {}", json.value("id", "without id"), error.what()));
  }
}

}  // namespace

const Expectation* FaultCase::expectation(std::string_view model, bool asan) const {
  const auto& groups = asan && !expected_asan.empty() ? expected_asan : expected;
  const auto found = std::ranges::find_if(groups, [&](const Expectation& each) {
    return std::ranges::find(each.models, model) != each.models.end();
  });
  return found == groups.end() ? nullptr : &*found;
}

std::vector<CatalogueEntry> parse_catalogue(std::string_view json) {
  try {
    const Json document = Json::parse(json);
    check_keys(document, {"faults"});
    return read_list(document.at("faults"), read_entry);
  } catch (const std::exception& error) {
    throw std::runtime_error(fmt::format("faults.json: {}", error.what()));
  }
}

const std::vector<CatalogueEntry>& catalogue() {
  static const std::vector<CatalogueEntry> entries = parse_catalogue(faults_json());
  return entries;
}

}  // namespace quartet::app
