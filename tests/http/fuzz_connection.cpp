// libFuzzer: a rule that is broken leaves as an exception, which is a crash; see tests/README.md.
#include <cstddef>
#include <cstdint>

#include "tests/http/invariants.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  quartet::test::check_connection({reinterpret_cast<const char*>(data), size});
  return 0;
}
