#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "common/http/message.h"

namespace quartet::app {

inline constexpr std::string_view kHtml = "text/html; charset=utf-8";
inline constexpr std::string_view kJson = "application/json";
inline constexpr std::string_view kBytes = "application/octet-stream";

/// Indented, for people with curl.
http::Response json_response(const nlohmann::ordered_json& json);

/// As text and as a quoted attribute's value.
std::string escape_html(std::string_view text);

}  // namespace quartet::app
