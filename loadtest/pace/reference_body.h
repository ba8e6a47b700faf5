#pragma once

#include <cstdint>
#include <optional>

namespace quartet::pace {

/// What a body is told from another one by. Bodies of one length that differ in a single octet never have the
/// same hash; any other two have it by an accident of 1 in 2^64.
struct BodyPrint {
  std::uint64_t length = 0;
  std::uint64_t hash = 0;

  bool operator==(const BodyPrint&) const = default;
};

/// The body of the first good answer of a class, which all later ones must have.
class ReferenceBody {
 public:
  bool admits(const BodyPrint& print) {
    if (!first_) first_ = print;
    return *first_ == print;
  }

 private:
  std::optional<BodyPrint> first_;
};

}  // namespace quartet::pace
