// libFuzzer over two servers at a time and their sockets; see tests/README.md.
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iostream>

#include "tests/servers/differential.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static quartet::suite::Differential differential;
  try {
    differential.check({reinterpret_cast<const char*>(data), size});
  } catch (const std::exception& error) {
    differential.end_servers();  // libFuzzer ends by _exit
    std::cerr << error.what() << '\n';
    throw;
  }
  return 0;
}
