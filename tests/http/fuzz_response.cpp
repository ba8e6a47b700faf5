// libFuzzer over responses, as quartet-pace reads them; see tests/README.md.
#include <cstddef>
#include <cstdint>

#include "tests/http/response_invariants.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  quartet::test::check_responses({reinterpret_cast<const char*>(data), size});
  return 0;
}
