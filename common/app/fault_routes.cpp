#include <stdexcept>

#include "common/app/routes.h"

namespace quartet::app {
namespace {

using http::Method;
using http::Outcome;
using http::Request;
using http::Slot;

// The pointer is volatile, or the compiler turns the store into a trap (SIGILL); UBSan would report it first
// and exit.
[[gnu::noinline, gnu::no_sanitize("undefined")]] Outcome segv(const Request&, const Slot&) {
  int* volatile nowhere = nullptr;
  *nowhere = 1;  // NOLINT(clang-analyzer-core.NullDereference): the purpose
  return http::text_response(500, "wrote to address 0 and survived");
}

Outcome throw_error(const Request&, const Slot&) { throw std::runtime_error("as asked for by /fault/throw"); }

}  // namespace

void add_fault_routes(http::Router& router) {
  router.add({{Method::post}, "/fault/segv", "Writes to a null pointer: SIGSEGV", false, segv});
  router.add({{Method::post}, "/fault/throw", "Throws an exception: 500", false, throw_error});
}

}  // namespace quartet::app
