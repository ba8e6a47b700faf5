#include "common/http/router.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace quartet::http {
namespace {

template <typename Allows>
std::string list_methods(const Allows& allows) {
  std::string list;
  for (const Method method : kMethods) {
    if (!allows(method)) continue;
    if (!list.empty()) list.append(", ");
    list.append(to_string(method));
  }
  return list;
}

bool matches(const Route& route, std::string_view path) {
  if (route.path.size() > 1 && route.path.ends_with('/')) {
    return path.size() > route.path.size() && path.starts_with(route.path);
  }
  return path == route.path;
}

}  // namespace

bool Route::allows(Method method) const {
  if (method == Method::options) return true;
  if (method == Method::head) method = Method::get;
  return std::ranges::find(methods, method) != methods.end();
}

std::string Route::allow() const {
  return list_methods([&](Method method) { return allows(method); });
}

void Router::add(Route route) {
  const bool taken =
      std::ranges::any_of(routes_, [&](const Route& other) { return other.path == route.path; });
  if (taken) throw std::logic_error("two routes for " + route.path);
  routes_.push_back(std::move(route));
}

const Route* Router::find(std::string_view path) const {
  const auto found = std::ranges::find_if(routes_, [&](const Route& route) { return matches(route, path); });
  return found == routes_.end() ? nullptr : &*found;
}

std::string Router::allow() const {
  return list_methods([&](Method method) {
    return method == Method::options ||
           std::ranges::any_of(routes_, [&](const Route& route) { return route.allows(method); });
  });
}

}  // namespace quartet::http
