#include "tests/http/corpus.h"

#include <algorithm>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <sstream>
#include <stdexcept>

#include "common/http/message.h"

namespace quartet::test {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(file), {}};
}

char unescape(char letter, std::istream& rest) {
  switch (letter) {
    case 'r': return '\r';
    case 'n': return '\n';
    case 't': return '\t';
    case '\\': return '\\';
    case 'x': break;
    default: throw std::runtime_error("no such escape");
  }
  char digits[3] = {};
  rest.read(digits, 2);
  return static_cast<char>(std::stoi(digits, nullptr, 16));
}

std::string unescape(const std::string& text) {
  std::istringstream input(text);
  std::string result;
  for (char letter; input.get(letter);)
    result += letter == '\\' && input.get(letter) ? unescape(letter, input) : letter;
  return result;
}

std::pair<std::string, std::string> split(const std::string& text, char separator) {
  const auto found = text.find(separator);
  if (found == std::string::npos) throw std::runtime_error("it has no " + std::string(1, separator));
  return {text.substr(0, found), std::string(http::trim(text.substr(found + 1)))};
}

void set_limit(http::Limits& limits, const std::string& name, std::size_t value) {
  static const std::map<std::string, std::size_t http::Limits::*> kLimits{
      {"max_request_line", &http::Limits::max_request_line},
      {"max_header_bytes", &http::Limits::max_header_bytes},
      {"max_headers", &http::Limits::max_headers},
      {"max_body", &http::Limits::max_body},
      {"max_requests_per_connection", &http::Limits::max_requests_per_connection}};
  limits.*kLimits.at(name) = value == 0 ? http::kUnlimited : value;  // as on the command line
}

void parse_limits(Conversation& conversation, const std::string& text) {
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const auto [name, value] = split(word, '=');
    set_limit(conversation.limits, name, std::stoul(value));
  }
}

void parse_answer(Conversation& conversation, const std::string& text) {
  static const std::string kToHead = " to HEAD";
  const bool to_head = text.ends_with(kToHead);
  conversation.answers.push_back(
      {.status = text.substr(0, 3), .to_head = to_head, .fields = {}, .absent = {}, .allow = {}, .body = {}});
  if (text.size() != (to_head ? 3 + kToHead.size() : 3)) throw std::runtime_error("no status");
}

void parse_end(Conversation& conversation, const std::string& text) {
  static const std::map<std::string, End> kEnds{
      {"open", End::open}, {"lingering", End::lingering}, {"closed", End::closed}};
  conversation.end = kEnds.at(text);
}

void parse_line(Conversation& conversation, const std::string& line) {
  using Parse = std::function<void(const std::string&)>;
  auto& answers = conversation.answers;
  const std::map<std::string, Parse> parsers{
      {"limits", [&](auto& text) { parse_limits(conversation, text); }},
      {"eof", [&](auto&) { conversation.eof = true; }},
      {"answer", [&](auto& text) { parse_answer(conversation, text); }},
      {"header", [&](auto& text) { answers.at(answers.size() - 1).fields.push_back(split(text, ':')); }},
      {"absent", [&](auto& text) { answers.at(answers.size() - 1).absent.push_back(text); }},
      {"allow", [&](auto& text) { answers.at(answers.size() - 1).allow = text; }},
      {"body", [&](auto& text) { answers.at(answers.size() - 1).body = unescape(text); }},
      {"end", [&](auto& text) { parse_end(conversation, text); }}};
  const auto [key, value] = split(line, ':');
  parsers.at(key)(value);
}

Conversation load(const fs::path& path) {
  Conversation conversation{.name = path.stem(), .bytes = read(path), .limits = {}, .answers = {}};
  std::istringstream lines(read(fs::path(path).replace_extension(".expected")));
  for (std::string line; std::getline(lines, line);) {
    const std::string text(http::trim(line));
    if (text.empty() || text.starts_with('#')) continue;
    try {
      parse_line(conversation, text);
    } catch (const std::exception& error) {
      throw std::runtime_error(conversation.name + ".expected: " + line + ": " + error.what());
    }
  }
  return conversation;
}

std::vector<fs::path> http_files(const fs::path& directory) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().extension() == ".http") files.push_back(entry.path());
  }
  std::ranges::sort(files, {}, [](const auto& path) { return path.stem(); });
  return files;
}

std::vector<Conversation> load_all() {
  std::vector<Conversation> all;
  for (const auto& path : http_files(QUARTET_CORPUS)) all.push_back(load(path));
  return all;
}

}  // namespace

const std::vector<Conversation>& corpus() {
  static const auto all = load_all();
  return all;
}

std::vector<std::pair<std::string, std::string>> response_seeds() {
  std::vector<std::pair<std::string, std::string>> all;
  for (const auto& path : http_files(QUARTET_RESPONSES)) all.emplace_back(path.stem(), read(path));
  return all;
}

}  // namespace quartet::test
