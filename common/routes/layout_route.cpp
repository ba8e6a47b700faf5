// What a model shares is where it lies: threads have their stack and thread-local data for themselves and
// everything else in common; processes show the same addresses and share none of what they write there.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "common/routes/answers.h"
#include "common/routes/layout.h"
#include "common/routes/parameters.h"
#include "common/routes/routes.h"

namespace quartet::app {
namespace {

using http::Outcome;
using http::Request;
using http::Response;
using http::Slot;

// Volatile, or the compiler would find out that nobody writes them and make constants of them.
volatile int initialized = 1;
// A page of its own: a small one would lie in the last page of data, which comes from the file.
alignas(4096) volatile int zeroed[1024];
thread_local volatile int thread_local_zero;
constexpr char kConstant[] = "read-only data";

std::uintptr_t address_of(const volatile void* object) { return reinterpret_cast<std::uintptr_t>(object); }

void add_guard(Layout& layout, const Region& stack) {
  if (const Region* guard = guard_below(layout.regions, stack)) {
    layout.landmarks.push_back(
        {"guard page", "nobody may touch it: a stack overflow ends here", guard->begin});
  } else if (stack.name == "[stack]") {
    layout.no_guard = "none of its own: the kernel keeps stack_guard_gap free below the main thread's stack";
  } else {
    layout.no_guard = "none: a stack overflow would write into what lies below";
  }
}

Outcome layout(const Values& values, const Request&, const Slot& slot) {
  // A local variable may lie elsewhere: AddressSanitizer's do, to find those that are used too late.
  const void* frame = __builtin_frame_address(0);
  const auto allocated = std::make_unique<int>();  // until its region is known
  Layout layout{.process = ::getpid(),
                .thread = ::gettid(),
                .worker = slot.worker.load(std::memory_order_relaxed),
                .generation = slot.generation.load(std::memory_order_relaxed),
                .regions = read_maps(),
                .landmarks = {{"stack", "the frame of this handler", address_of(frame)},
                              {"thread-local", "a thread_local variable", address_of(&thread_local_zero)},
                              {"heap", "memory just allocated", address_of(allocated.get())},
                              {"bss", "a static variable that starts as 0", address_of(zeroed)},
                              {"data", "a static variable that starts as 1", address_of(&initialized)},
                              {"read-only data", "a constant", address_of(kConstant)},
                              {"code", "this handler", reinterpret_cast<std::uintptr_t>(&app::layout)}},
                .no_guard = {}};
  add_guard(layout, *find_region(layout.regions, address_of(frame)));
  std::ranges::sort(layout.landmarks, std::ranges::greater{}, &Landmark::address);
  if (values[0] == 0) return Response{.body = layout_text(layout)};
  return Response{.content_type = kHtml, .body = layout_page(layout)};
}

std::string text_row(std::string_view name, std::string_view rest) {
  return fmt::format("{:<15} {}\n", name, rest);
}

}  // namespace

std::string layout_text(const Layout& layout) {
  std::string text = fmt::format(
      "pid {}, tid {} ({}), worker {}, generation {}\n\n", layout.process, layout.thread,
      layout.main_thread() ? "the main thread" : "not the main thread", layout.worker, layout.generation);
  for (const auto& [name, meaning, address] : layout.landmarks) {
    const Region* region = find_region(layout.regions, address);
    text += text_row(name, fmt::format("{:012x}  {}", address, region ? region->line : "not mapped"));
  }
  if (!layout.no_guard.empty()) text += text_row("guard page", layout.no_guard);
  return text;
}

void add_layout_route(http::Router& router) {
  const std::vector<Parameter> parameters{Choice{"format", {"text", "html"}}};
  router.add({{http::Method::get},
              "/layout",
              summary_of("Where stack, heap, code and data of this process lie.", parameters),
              false,
              with_parameters(parameters, layout)});
}

}  // namespace quartet::app
