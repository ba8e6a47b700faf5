#pragma once

#include <exception>
#include <new>
#include <string>
#include <system_error>

namespace quartet::app {

/// What failed, on what and why, and which limit to raise if one is the reason.
std::string explain(const std::exception& error);

/// A client was dropped for want of memory, or of something that the kernel has too little of; the server
/// goes on. The first time in a process that is said on the log.
void report_dropped_client(const std::exception& error);

/// Does something that concerns one client, and whose failure must not concern the others.
/// @return whether it was done; if not, the caller drops the client
template <typename Action>
bool spare_the_others(const Action& action) try {
  action();
  return true;
} catch (const std::bad_alloc& error) {
  report_dropped_client(error);
  return false;
} catch (const std::system_error& error) {
  report_dropped_client(error);
  return false;
}

}  // namespace quartet::app
