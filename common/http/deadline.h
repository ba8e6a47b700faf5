#pragma once

#include <chrono>
#include <cstdint>

#include "common/http/moment.h"

namespace quartet::http {

/// A deadline that grows with progress, but never further from now than the timeout: a burst does not pay for
/// a long pause after it.
/// @param rate bytes a second
TimePoint prolonged(TimePoint deadline, std::chrono::milliseconds timeout, std::uint64_t bytes,
                    std::size_t rate, TimePoint now);

}  // namespace quartet::http
