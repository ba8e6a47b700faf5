#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/http/limits.h"

namespace quartet::test {

/// What corpus/README.md calls an answer.
struct ExpectedAnswer {
  std::string status;  ///< "200", "4xx"
  bool to_head = false;
  std::vector<std::pair<std::string, std::string>> fields;
  std::vector<std::string> absent;
  std::optional<std::string> allow;
  std::optional<std::string> body;
};

enum class End { open, lingering, closed };

/// One file of the corpus and what is expected of it.
struct Conversation {
  std::string name;
  std::string bytes;
  http::Limits limits;
  bool eof = false;
  std::vector<ExpectedAnswer> answers;
  End end = End::open;
};

/// All of corpus/, by name. @throws std::runtime_error naming file and line
const std::vector<Conversation>& corpus();

/// The files of responses/, by name.
std::vector<std::pair<std::string, std::string>> response_seeds();

}  // namespace quartet::test
