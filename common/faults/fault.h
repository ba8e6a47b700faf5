#pragma once

#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "common/faults/catalogue.h"
#include "common/http/router.h"
#include "common/routes/parameters.h"

namespace quartet::app {

/// A fault that a handler commits: the function to an entry of the catalogue. It is bounded: in time where it
/// has a parameter for that, and in memory always.
struct Fault {
  /// @param answer what with_parameters takes: a function of the values, or of values, request and slot
  template <typename Answer>
  Fault(std::string_view name, std::vector<Parameter> with, Answer answer)
      : id(name), parameters(std::move(with)), handler(with_parameters(parameters, std::move(answer))) {}

  std::string_view id;
  std::vector<Parameter> parameters;
  http::Handler handler;
};

/// The faults of one file each.
std::vector<Fault> coroutine_faults();
std::vector<Fault> dying_faults();
std::vector<Fault> exhaustion_faults();
std::vector<Fault> hanging_faults();
std::vector<Fault> heap_faults();
std::vector<Fault> lock_faults();
std::vector<Fault> shared_state_faults();
std::vector<Fault> stack_faults();

/// All of them.
std::vector<Fault> every_fault();

/// GET /fault/cached: an answer that some faults damage in this process's memory.
void add_cached_route(http::Router& router);
/// GET /fault/locked: an answer that needs a lock of all processes. Must be added before any fork.
void add_locked_route(http::Router& router);

/// GET /fault, the two above, and POST /fault/ID for each: what a bug does to the server. Only with
/// --enable-faults.
void add_fault_routes(http::Router& router);
/// The same for other faults. @throws std::logic_error where a handler fault of the catalogue has no
/// function, or the other way around
void add_fault_routes(http::Router& router, std::span<const CatalogueEntry> entries,
                      std::span<const Fault> faults);

}  // namespace quartet::app
