#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/http/message.h"
#include "common/http/slot.h"

namespace quartet::http {

/// Application code. It never sleeps on purpose and never sees a socket; what it throws becomes a 500.
using Handler = std::function<Outcome(const Request&, const Slot&)>;

struct Route {
  std::vector<Method> methods;  ///< HEAD comes with GET, OPTIONS with everything
  std::string path;     ///< exact; or, ending in "/", a prefix of at least one more character ("/file/")
  std::string summary;  ///< one line for the index
  bool quick = false;   ///< microseconds: pipelined answers may wait for one another in one send
  Handler handler;

  bool allows(Method method) const;
  /// "GET, HEAD, OPTIONS" (RFC 9110, 10.2.1)
  std::string allow() const;
};

class Router {
 public:
  /// The path must not be there yet.
  void add(Route route);
  /// The first route that fits a decoded path, whatever its methods; null for a 404.
  const Route* find(std::string_view path) const;
  /// In the order of their addition.
  std::span<const Route> routes() const { return routes_; }
  /// For OPTIONS *: every method that some route has.
  std::string allow() const;

 private:
  std::vector<Route> routes_;
};

}  // namespace quartet::http
