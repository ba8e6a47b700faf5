#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace quartet::app {

/// What a fault is expected to do to each of these models.
struct Expectation {
  std::vector<std::string> models;
  std::vector<std::string> verdicts;  ///< "server lost"; several where chance decides
  std::string because;
};

/// Models that a fault cannot apply to.
struct Exclusion {
  std::vector<std::string> models;
  std::string because;
};

/// Resource limits that a server is started with (setrlimit(2)).
struct FaultLimits {
  std::optional<std::uint64_t> address_space_mib;
  std::optional<std::uint64_t> descriptors;
};

/// One way to commit a fault.
struct FaultCase {
  std::string query;                  ///< without the "?"
  std::vector<std::string> requests;  ///< queries that are posted at the same moment; at least one
  std::string load;                   ///< what the others ask for meanwhile
  FaultLimits limits;
  std::vector<Expectation> expected;
  std::vector<Expectation> expected_asan;  ///< with AddressSanitizer; none: as without it
  std::vector<Exclusion> excluded;
  std::map<std::string, std::string> sanitizers;  ///< "address" or "thread", and why it differs there

  /// Null where the fault cannot apply to the model.
  const Expectation* expectation(std::string_view model, bool asan = false) const;
};

/// How a process ends: by a signal, or with an exit status.
struct FaultEnding {
  int signal = 0;  ///< 0: none
  int status = 0;
};

enum class FaultKind { handler, worker, client, environment };

struct CatalogueEntry {
  std::string id;
  FaultKind kind;
  std::string title;                       ///< one line
  std::string what;                        ///< a paragraph
  std::optional<FaultEnding> ending;       ///< of the process that commits it; nothing where it goes on
  std::optional<FaultEnding> ending_asan;  ///< where AddressSanitizer reports it; else nothing
  std::vector<FaultCase> cases;            ///< at least one; the first is the default
};

/// faults.json as it is in the repository.
std::string_view faults_json();
/// @throws std::runtime_error for what is no catalogue, also for a key that is not known
std::vector<CatalogueEntry> parse_catalogue(std::string_view json);
/// faults.json, parsed once.
const std::vector<CatalogueEntry>& catalogue();

}  // namespace quartet::app
