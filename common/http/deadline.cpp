#include "common/http/deadline.h"

#include <algorithm>

namespace quartet::http {

using std::chrono::milliseconds;

TimePoint prolonged(TimePoint deadline, milliseconds timeout, std::uint64_t bytes, std::size_t rate,
                    TimePoint now) {
  using Seconds = std::chrono::duration<double>;
  const auto bought =
      std::min<Seconds>(Seconds(static_cast<double>(bytes) / static_cast<double>(rate)), timeout);
  return std::min(deadline + std::chrono::round<std::chrono::nanoseconds>(bought), now + timeout);
}

}  // namespace quartet::http
