#pragma once

#include <string>
#include <vector>

namespace quartet::suite {

/// What a client says on one connection, and the statuses of the answers.
struct Exchange {
  std::string name;
  std::string bytes;
  std::vector<int> statuses;
  bool head = false;   ///< it is a HEAD request
  bool whole = false;  ///< what the server answers depends on the bytes coming together
};

/// Exchanges whose answers are the same in every configuration and at any time, except for Date.
std::vector<Exchange> exchanges();
/// The corpus of the parser, but for the routes that take their time.
std::vector<Exchange> parser_corpus();

}  // namespace quartet::suite
