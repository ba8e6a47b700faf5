#include "tests/servers/catalogue_case.h"

#include <algorithm>
#include <stdexcept>

namespace quartet::suite {
namespace {

const app::CatalogueEntry& find_entry(std::string_view id) {
  const auto found = std::ranges::find(app::catalogue(), id, &app::CatalogueEntry::id);
  if (found == app::catalogue().end()) throw std::runtime_error("the catalogue has no " + std::string(id));
  return *found;
}

const app::FaultCase& find_case(std::string_view id, std::string_view query) {
  const auto& cases = find_entry(id).cases;
  const auto found = std::ranges::find(cases, query, &app::FaultCase::query);
  if (found != cases.end()) return *found;
  throw std::runtime_error("the catalogue has no " + std::string(id) + "?" + std::string(query));
}

const app::Expectation& find_expectation(const app::FaultCase& fault_case,
                                         const Configuration& configuration) {
  const auto* expectation = fault_case.expectation(configuration.model(), configuration.asan());
  if (expectation == nullptr) throw std::runtime_error("the fault cannot apply to " + configuration.model());
  return *expectation;
}

}  // namespace

std::string why_not(const Configuration& configuration, std::string_view id, std::string_view query) {
  for (const auto& group : find_case(id, query).excluded) {
    if (std::ranges::find(group.models, configuration.model()) != group.models.end()) return group.because;
  }
  return "";
}

CatalogueCase::CatalogueCase(const Configuration& configuration, std::string_view id, std::string_view query)
    : configuration_(configuration),
      id_(id),
      entry_(find_entry(id)),
      case_(find_case(id, query)),
      expectation_(find_expectation(case_, configuration)) {}

Command CatalogueCase::command(std::vector<std::string> options) const {
  options.emplace_back("--enable-faults");
  Command command = configuration_.command(options);
  command.descriptors = case_.limits.descriptors;
  if (const auto mebibytes = case_.limits.address_space_mib) command.address_space = *mebibytes << 20;
  return command;
}

std::string CatalogueCase::target_of(const std::string& query, const std::string& more) const {
  if (query.starts_with('/')) return query;  // another fault's
  const std::string both = query.empty() || more.empty() ? query + more : query + "&" + more;
  return "/fault/" + id_ + (both.empty() ? "" : "?" + both);
}

std::vector<std::string> CatalogueCase::posts(const std::string& more) const {
  std::vector<std::string> all;
  for (const auto& query : case_.requests) all.push_back(request("POST", target_of(query, more)));
  return all;
}

std::optional<Ending> CatalogueCase::ending() const {
  const auto& ending = configuration_.asan() && entry_.ending_asan ? entry_.ending_asan : entry_.ending;
  if (!ending) return std::nullopt;
  return Ending{.code = ending->status, .signal = ending->signal};
}

std::string CatalogueCase::sanitizer() const {
  for (const auto& [name, why] : case_.sanitizers) {
    if (configuration_.sanitizers.find(name) != std::string::npos) return why;
  }
  return "";
}

testing::AssertionResult CatalogueCase::expects(std::string_view verdict) const {
  if (std::ranges::find(expectation_.verdicts, verdict) != expectation_.verdicts.end())
    return testing::AssertionSuccess();
  return testing::AssertionFailure() << id_ << "?" << case_.query << ": \"" << verdict << "\", but expected "
                                     << testing::PrintToString(expectation_.verdicts) << ": "
                                     << expectation_.because;
}

}  // namespace quartet::suite
