// libFuzzer: a rule that is broken leaves as an exception, which is a crash. `tests/run fuzz` runs it for 30
// s; longer:
//   build/fuzz/bin/fuzz_connection -max_total_time=600 -timeout=10 -artifact_prefix=build/fuzz/
//     build/fuzz/corpus tests/http/corpus
// New inputs go to the first directory, which must exist.
#include <cstddef>
#include <cstdint>

#include "tests/http/invariants.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  quartet::test::check_connection({reinterpret_cast<const char*>(data), size});
  return 0;
}
