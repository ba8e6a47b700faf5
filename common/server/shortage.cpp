#include "common/server/shortage.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <atomic>
#include <cerrno>

#include "common/program/log.h"

namespace quartet::app {
namespace {

std::string way_out(const std::error_code& code) {
  if (code.value() == EMFILE) {  // Asio has a category of its own
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);  // fails only for other arguments
    return fmt::format("; raise ulimit -n, which is {}", limit.rlim_cur);
  }
  // Only threads and processes fail so at the start.
  if (code.value() == EAGAIN) return "; fewer --workers, or a higher ulimit -u or -v, may help";
  return "";
}

}  // namespace

std::string explain(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) return "there is not enough memory";
  const auto* system = dynamic_cast<const std::system_error*>(&error);
  return error.what() + (system == nullptr ? "" : way_out(system->code()));
}

void report_dropped_client(const std::exception& error) try {
  static std::atomic<bool> said{false};
  if (!said.exchange(true)) log_line(fmt::format("a client was dropped: {}", explain(error)));
} catch (const std::bad_alloc&) {  // there is no memory for the sentence either
}

}  // namespace quartet::app
