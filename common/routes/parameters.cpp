#include "common/routes/parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "common/program/number.h"

namespace quartet::app {
namespace {

using http::Outcome;
using http::Request;
using http::Response;
using http::Slot;

std::string_view name_of(const Parameter& parameter) {
  return std::visit([](const auto& each) { return each.name; }, parameter);
}

std::optional<std::uint64_t> parse_text(const Number& number, std::string_view text) {
  const auto value = parse_digits(text);
  return value && *value <= number.most ? value : std::nullopt;
}

std::optional<std::uint64_t> parse_text(const Choice& choice, std::string_view text) {
  const auto found = std::ranges::find(choice.words, text);
  if (found == choice.words.end()) return std::nullopt;
  return static_cast<std::uint64_t>(found - choice.words.begin());
}

std::uint64_t default_of(const Number& number) { return number.fallback; }
std::uint64_t default_of(const Choice&) { return 0; }

std::optional<std::uint64_t> parse(const Parameter& parameter, const Request& request) {
  const auto text = request.parameter(name_of(parameter));
  return std::visit(
      [&](const auto& each) -> std::optional<std::uint64_t> {
        return text ? parse_text(each, *text) : default_of(each);
      },
      parameter);
}

std::string join(const std::vector<std::string_view>& words, std::size_t first = 0) {
  std::string list;
  for (std::size_t i = first; i < words.size(); ++i) list.append(i == first ? "" : ", ").append(words[i]);
  return list;
}

std::string domain_of(const Number& number) {
  return fmt::format("a whole number from 0 to {}", number.most);
}
std::string domain_of(const Choice& choice) { return "one of " + join(choice.words); }

Response bad_parameter(const Parameter& parameter, const Request& request) {
  const std::string_view name = name_of(parameter);
  const std::string domain = std::visit([](const auto& each) { return domain_of(each); }, parameter);
  return http::text_response(
      400, fmt::format("{}: {} is not {}", name, quote(request.parameter(name).value_or("")), domain));
}

std::string hint(const Number& number) {
  if (number.fallback == kForEver)
    return fmt::format(" {}=N (at most {}), or for ever without it", number.name, number.most);
  return fmt::format(" {}={} (at most {})", number.name, number.fallback, number.most);
}
std::string hint(const Choice& choice) {
  return fmt::format(" {}={} (or {})", choice.name, choice.words.front(), join(choice.words, 1));
}

}  // namespace

std::string quote(std::string_view text) {
  std::string quoted = fmt::format("\"{}\"", text.substr(0, 40));
  std::ranges::replace_if(
      quoted, [](char c) { return c < ' ' || c > '~'; }, '?');
  return quoted;
}

http::Handler with_parameters(std::vector<Parameter> parameters,
                              std::function<Outcome(const Values&, const Request&, const Slot&)> answer) {
  return [parameters = std::move(parameters), answer = std::move(answer)](const Request& request,
                                                                          const Slot& slot) -> Outcome {
    Values values;
    for (const Parameter& parameter : parameters) {
      const auto value = parse(parameter, request);
      if (!value) return bad_parameter(parameter, request);
      values.push_back(*value);
    }
    return answer(values, request, slot);
  };
}

http::Handler with_parameters(std::vector<Parameter> parameters, Outcome (*answer)(const Values&)) {
  return with_parameters(
      std::move(parameters),
      [answer](const Values& values, const Request&, const Slot&) -> Outcome { return answer(values); });
}

std::string summary_of(std::string_view summary, const std::vector<Parameter>& parameters) {
  std::string text(summary);
  for (const Parameter& parameter : parameters)
    text += std::visit([](const auto& each) { return hint(each); }, parameter);
  return text;
}

}  // namespace quartet::app
