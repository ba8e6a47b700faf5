// libFuzzer: a rule that is broken leaves as an exception, which is a crash. Start it with the corpus:
//   cmake --preset fuzz && cmake --build --preset fuzz
//   build/fuzz/bin/fuzz_connection -max_total_time=30 -max_len=4096 -timeout=5 build/fuzz/findings
//   tests/http/corpus
// (new inputs go to the first directory, which must exist).
#include <cstddef>
#include <cstdint>

#include "tests/http/invariants.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  quartet::test::check_connection({reinterpret_cast<const char*>(data), size});
  return 0;
}
