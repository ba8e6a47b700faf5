#pragma once

#include <string_view>

namespace quartet::test {

/// Reads what one server sends, as answers to requests whose methods follow from the bytes, in several ways,
/// and checks that
/// - where responses end, and what they say, is the same in any number of parts, and behind another response,
/// - no parser takes more than it was given, nor counts more body than it took,
/// - what ended, well or badly, takes nothing more,
/// - the tests' own reader of answers, which shares no code with it, agrees where it understands them.
/// @throws std::exception with what is wrong
void check_responses(std::string_view bytes);

}  // namespace quartet::test
