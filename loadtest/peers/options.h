// The command line of the peers that are programs of ours, and what they serve.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace quartet::peers {

constexpr int kBacklog = 4096;  // as the servers'

struct Document {
  std::string type;
  std::string content;
};

struct Options {
  std::uint16_t port = 0;  // on 127.0.0.1
  std::size_t workers = 1;
  std::size_t connections = 10'000;                        // at a time
  std::map<std::string, Document, std::less<>> documents;  // by target
};

/// Exits after --help and --version, and with 2 and a sentence after a usage error.
/// @throws std::runtime_error when a file of --root cannot be read
Options parse_options(int argc, char** argv, const std::string& name, const std::string& library);

}  // namespace quartet::peers
