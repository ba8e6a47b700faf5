#include "common/http/grammar.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace quartet::http {
namespace {

/// A set of octets, looked up by value.
using OctetSet = std::array<bool, 256>;

consteval OctetSet octets(std::string_view extra, bool alphanumeric) {
  OctetSet set{};
  for (int c = 0; c < 128 && alphanumeric; ++c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    set[static_cast<std::size_t>(c)] = letter || (c >= '0' && c <= '9');
  }
  for (const char c : extra) set[static_cast<unsigned char>(c)] = true;
  return set;
}

consteval OctetSet field_value_octets() {
  OctetSet set{};
  for (std::size_t c = 0; c < 256; ++c) set[c] = c == '\t' || (c >= ' ' && c != 0x7f);
  return set;
}

constexpr OctetSet kToken = octets("!#$%&'*+-.^_`|~", true);  // RFC 9110, 5.6.2
constexpr OctetSet kFieldValue = field_value_octets();        // RFC 9110, 5.5, obs-text included
// RFC 3986, 3.3 and 3.4. The last ones of each are in no URI, but browsers send them raw (the path and query
// percent-encode sets of WHATWG's URL standard). No \ in a path: many take it for a slash. Never " < > and #:
// browsers do not send them, and programs disagree about whether a URI ends there.
constexpr OctetSet kPath = octets("-._~!$&'()*+,;=:@/%[]|", true);
constexpr OctetSet kQuery = octets("-._~!$&'()*+,;=:@/?%[]|\\^`{}", true);
constexpr OctetSet kRegName = octets("-._~!$&'()*+,;=%", true);  // RFC 3986, 3.2.2
constexpr OctetSet kIpFuture = octets("-._~!$&'()*+,;=:", true);
constexpr OctetSet kHexadecimal = octets("0123456789abcdefABCDEF", false);
constexpr OctetSet kDigit = octets("0123456789", false);

bool consists_of(const OctetSet& set, std::string_view text) {
  return std::ranges::all_of(text, [&](char c) { return set[static_cast<unsigned char>(c)]; });
}

bool is_ipv4_octet(std::string_view text) {
  if (text.empty() || text.size() > 3 || !consists_of(kDigit, text) || (text.size() > 1 && text[0] == '0'))
    return false;
  return text.size() < 3 || text <= "255";
}

bool is_ipv4(std::string_view text) {
  for (int dots = 0; dots < 3; ++dots) {
    const auto dot = text.find('.');
    if (dot == std::string_view::npos || !is_ipv4_octet(text.substr(0, dot))) return false;
    text.remove_prefix(dot + 1);
  }
  return is_ipv4_octet(text);
}

/// The 16-bit groups in "1:2:3", of which the last may be an IPv4 address, worth two. @return -1 if it is no
/// such list
int count_groups(std::string_view text, bool may_end_in_ipv4) {
  int groups = 0;
  while (!text.empty()) {
    const auto colon = text.find(':');
    const auto group = text.substr(0, colon);
    if (colon == std::string_view::npos && may_end_in_ipv4 && is_ipv4(group)) return groups + 2;
    if (group.empty() || group.size() > 4 || !consists_of(kHexadecimal, group) || colon + 1 == text.size())
      return -1;
    ++groups;
    text.remove_prefix(colon == std::string_view::npos ? text.size() : colon + 1);
  }
  return groups;
}

bool is_ipv6(std::string_view text) {
  const auto gap = text.find("::");
  if (gap == std::string_view::npos) return count_groups(text, true) == 8;
  const int before = count_groups(text.substr(0, gap), false);
  const int behind = count_groups(text.substr(gap + 2), true);
  return before >= 0 && behind >= 0 && before + behind <= 7;
}

/// IPv6address or IPvFuture (RFC 3986, 3.2.2)
bool is_ip_literal(std::string_view text) {
  if (!text.starts_with('v') && !text.starts_with('V')) return is_ipv6(text);
  const auto dot = text.find('.');
  if (dot == std::string_view::npos || dot == 1 || dot + 1 == text.size()) return false;
  return consists_of(kHexadecimal, text.substr(1, dot - 1)) && consists_of(kIpFuture, text.substr(dot + 1));
}

bool is_token(std::string_view text) { return !text.empty() && consists_of(kToken, text); }

bool has_valid_escapes(std::string_view text) {
  for (auto percent = text.find('%'); percent != std::string_view::npos;
       percent = text.find('%', percent + 1)) {
    const auto digits = text.substr(percent + 1, 2);
    if (digits.size() < 2 || !consists_of(kHexadecimal, digits)) return false;
  }
  return true;
}

std::optional<Target> split_query(std::string_view path_and_query) {
  if (!has_valid_escapes(path_and_query)) return std::nullopt;
  const auto question = std::min(path_and_query.find('?'), path_and_query.size());
  const Target target{path_and_query.substr(0, question),
                      path_and_query.substr(std::min(question + 1, path_and_query.size()))};
  if (!consists_of(kPath, target.path) || !consists_of(kQuery, target.query)) return std::nullopt;
  return target;
}

// absolute-form: the host in the target takes the place of Host, which we only validate (RFC 9112, 3.2.2).
std::optional<Target> parse_absolute_target(Method method, std::string_view target) {
  const auto colon = target.find("://");
  if (colon == std::string_view::npos) return std::nullopt;
  const auto scheme = target.substr(0, colon);
  if (!equals_ignoring_case(scheme, "http") && !equals_ignoring_case(scheme, "https")) return std::nullopt;
  target.remove_prefix(colon + 3);
  const auto authority = target.substr(0, target.find_first_of("/?"));
  target.remove_prefix(authority.size());
  if (authority.empty() || authority.starts_with(':') || !is_host(authority)) return std::nullopt;
  // A proxy sends OPTIONS * on as a target without path and query (RFC 9112, 3.2.4).
  if (target.empty()) return Target{method == Method::options ? "*" : "/", {}};
  auto parts = split_query(target);
  if (parts && parts->path.empty()) parts->path = "/";
  return parts;
}

/// Reads a chunk extension from the left (RFC 9112, 7.1.1).
class ExtensionReader {
 public:
  explicit ExtensionReader(std::string_view text) : rest_(text) {}

  bool read_all() {
    while (!rest_.empty()) {
      if (!literal(';') || !token()) return false;
      if (literal('=') && !token() && !quoted_string()) return false;
    }
    return true;
  }

 private:
  bool literal(char c) {
    const auto text = rest_.substr(std::min(rest_.find_first_not_of(" \t"), rest_.size()));
    if (!text.starts_with(c)) return false;
    rest_ = text.substr(1);
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size()));
    return true;
  }

  bool token() {
    const auto end =
        std::ranges::find_if_not(rest_, [](char c) { return kToken[static_cast<unsigned char>(c)]; });
    const auto length = static_cast<std::size_t>(end - rest_.begin());
    rest_.remove_prefix(length);
    return length > 0;
  }

  bool quoted_string() {
    if (!rest_.starts_with('"')) return false;
    bool escaped = false;  // by a backslash, which makes no octet valid that is not (RFC 9110, 5.6.4)
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      if (!kFieldValue[static_cast<unsigned char>(rest_[i])]) return false;
      if (escaped || rest_[i] == '\\') {
        escaped = !escaped;
      } else if (rest_[i] == '"') {
        rest_.remove_prefix(i + 1);
        return true;
      }
    }
    return false;
  }

  std::string_view rest_;
};

}  // namespace

bool may_be_request_line(std::string_view beginning) {
  return !beginning.starts_with(' ') && consists_of(kToken, beginning.substr(0, beginning.find(' ')));
}

std::optional<RequestLine> parse_request_line(std::string_view line) {
  const auto method_end = line.find(' ');
  const auto target_end = line.rfind(' ');
  if (method_end == std::string_view::npos || target_end <= method_end + 1) return std::nullopt;
  RequestLine parsed{.method = line.substr(0, method_end),
                     .target = line.substr(method_end + 1, target_end - method_end - 1)};
  const auto version = line.substr(target_end + 1);
  const bool is_version = version.size() == 8 && version.starts_with("HTTP/") && version[6] == '.' &&
                          kDigit[static_cast<unsigned char>(version[5])] &&
                          kDigit[static_cast<unsigned char>(version[7])];
  if (!is_version || !is_token(parsed.method)) return std::nullopt;
  const auto is_graphic = [](char c) { return c > ' ' && c < 0x7f; };  // SP would be a second one
  if (!std::ranges::all_of(parsed.target, is_graphic)) return std::nullopt;
  parsed.major_version = version[5] - '0';
  parsed.minor_version = version[7] - '0';
  return parsed;
}

std::optional<Target> parse_target(Method method, std::string_view target) {
  if (target.starts_with('/')) return split_query(target);
  if (target == "*") return method == Method::options ? std::optional(Target{target, {}}) : std::nullopt;
  return parse_absolute_target(method, target);
}

std::optional<Field> parse_field_line(std::string_view line) {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) return std::nullopt;
  const Field field{line.substr(0, colon), trim(line.substr(colon + 1))};
  if (!consists_of(kFieldValue, field.value)) return std::nullopt;
  return field;
}

bool is_host(std::string_view value) {
  std::string_view port;
  if (value.starts_with('[')) {
    const auto bracket = value.find(']');
    if (bracket == std::string_view::npos || !is_ip_literal(value.substr(1, bracket - 1))) return false;
    port = value.substr(bracket + 1);
  } else {
    const auto colon = std::min(value.find(':'), value.size());
    const auto name = value.substr(0, colon);
    if (!consists_of(kRegName, name) || !has_valid_escapes(name)) return false;
    port = value.substr(colon);
  }
  return port.empty() || (port.starts_with(':') && consists_of(kDigit, port.substr(1)));
}

std::optional<ChunkSize> parse_chunk_size(std::string_view line) {
  const auto is_digit = [](char c) { return kHexadecimal[static_cast<unsigned char>(c)]; };
  const auto end = std::ranges::find_if_not(line, is_digit);
  const auto digits = line.substr(0, static_cast<std::size_t>(end - line.begin()));
  const auto extension = line.substr(digits.size());
  ChunkSize size{.digits = digits};
  const auto [last, error] = std::from_chars(digits.data(), digits.data() + digits.size(), size.bytes, 16);
  if (error != std::errc{} || !ExtensionReader(extension).read_all()) return std::nullopt;
  return size;
}

std::string_view next_element(std::string_view& list) {
  while (!list.empty()) {
    const auto element = trim(list.substr(0, list.find(',')));
    list.remove_prefix(std::min(list.find(','), list.size() - 1) + 1);
    if (!element.empty()) return element;
  }
  return {};
}

}  // namespace quartet::http
