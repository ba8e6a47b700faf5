#pragma once

#include <cstddef>
#include <string_view>

namespace quartet::limits {

/// GET /plaintext's answer, byte for byte as the servers send it; its Date is that of the program's start.
std::string_view canned_answer();

/// What one client has asked and is owed, without its socket. A request ends at its blank line and has no
/// body; nothing else is looked at.
class Conversation {
 public:
  void on_bytes(std::string_view bytes);
  /// What can be sent now: as many answers as a server would put into one send(2); empty when all is said.
  std::string_view output() const;
  /// The first of them, or what is left of it.
  std::string_view answer() const;
  void on_written(std::size_t count) { owed_ -= count; }

 private:
  std::size_t matched_ = 0;  // bytes of a blank line, at the end of what came
  std::size_t owed_ = 0;     // bytes of answers
};

}  // namespace quartet::limits
