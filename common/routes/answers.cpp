#include "common/routes/answers.h"

#include <nlohmann/json.hpp>

namespace quartet::app {

http::Response json_response(const nlohmann::ordered_json& json) {
  return {.content_type = kJson, .body = json.dump(2) + "\n"};
}

std::string escape_html(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '"': escaped += "&quot;"; break;
      default: escaped += c;
    }
  }
  return escaped;
}

}  // namespace quartet::app
