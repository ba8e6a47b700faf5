#pragma once

#include <string>
#include <string_view>
#include <system_error>

#include "common/http/connection.h"

namespace quartet::net {

/// How often a waiting worker looks at deadlines and at the shutdown flag, in every model.
inline constexpr std::chrono::milliseconds kTick{100};
/// Handlers that a loop runs for one client before the others get their turn.
inline constexpr int kRunsInTurn = 64;

/// Not now: try again when the descriptor is ready (EAGAIN, EWOULDBLOCK) or the signal is handled (EINTR).
bool is_transient(int error);
/// No descriptor or memory for another connection (EMFILE, ENFILE, ENOBUFS, ENOMEM); it may pass.
bool is_exhausted(int error);

/// "bind 127.0.0.1:8080" -> std::system_error with errno's text behind it, as main prints it.
[[noreturn]] void throw_errno(const std::string& what);
/// Returns the result, or throws for -1.
int check(int result, const std::string& what);

/// The first call in main. If 0, 1 or 2 was closed when the server was started, the next descriptor that is
/// opened would get that number: a client could get the lines for stdout or stderr. A closed descriptor stays
/// unusable: reads and writes fail with EBADF.
void reserve_standard_descriptors();

/// Writes to stderr. Throws nothing when that fails (it is closed, or the disk is full): there is no other
/// place to report it.
void print_error(std::string_view line);

/// Both clocks, read once.
http::Moment now();

}  // namespace quartet::net
