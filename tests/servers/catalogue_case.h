#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/faults/catalogue.h"
#include "tests/servers/configuration.h"

namespace quartet::suite {

/// Why the fault cannot apply to the configuration, in the catalogue's words; "" where it can.
/// @throws std::runtime_error when the catalogue has no such case
std::string why_not(const Configuration& configuration, std::string_view id, std::string_view query = "");

/// One case of a fault of the catalogue, and what it is expected to do to one configuration.
class CatalogueCase {
 public:
  /// @throws std::runtime_error when the catalogue has no such case, or the fault cannot apply
  CatalogueCase(const Configuration& configuration, std::string_view id, std::string_view query = "");

  /// A server that the fault may be committed in, under the limits of the case.
  Command command(std::vector<std::string> options = {}) const;
  /// POST /fault/ID?QUERY, or of the request that the case names; `more` are further parameters.
  std::string post(const std::string& more = "") const { return posts(more).front(); }
  /// Those that are posted at the same moment.
  std::vector<std::string> posts(const std::string& more = "") const;
  /// "GET" of what the others ask for meanwhile.
  std::string load() const { return get(case_.load); }

  /// Of the process that commits the fault; nothing where it goes on.
  std::optional<Ending> ending() const;
  /// Why it is not the same under the sanitizer that the server is built with; "" where it is.
  std::string sanitizer() const;
  /// Whether a verdict, such as "server lost", is an expected one; if not, what is expected.
  testing::AssertionResult expects(std::string_view verdict) const;

 private:
  std::string target_of(const std::string& query, const std::string& more) const;

  const Configuration& configuration_;
  std::string id_;
  const app::CatalogueEntry& entry_;
  const app::FaultCase& case_;
  const app::Expectation& expectation_;
};

}  // namespace quartet::suite
