#pragma once

#include <filesystem>

#include "common/http/router.h"
#include "common/routes/sessions.h"
#include "common/scoreboard/scoreboard.h"

namespace quartet::app {

/// The demo routes, the same in every model; see the index at "/".
void add_demo_routes(http::Router& router, const Scoreboard& scoreboard);
/// /counter and /session/ID show which requests share memory. `shared` must have been mapped before any fork.
void add_state_routes(http::Router& router, SharedSessions& shared);
/// GET /layout: where code, data, heap and stack of the process lie that answers.
void add_layout_route(http::Router& router);
/// GET /file/NAME below `root`: sendfile, Range, ETag, conditional requests (RFC 9110, 13 and 14).
void add_file_route(http::Router& router, const std::filesystem::path& root);

}  // namespace quartet::app
