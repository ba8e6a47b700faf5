#pragma once

#include <string>
#include <string_view>

#include "common/net/system.h"

namespace quartet::app {

/// The name that starts every line: "quartet-epoll". Call it before the first fork: the processes that are
/// forked later then share what is known of repeated and lost lines.
void set_log_name(std::string_view name);

/// The whole line: "quartet-epoll[1234]: draining\n".
std::string log_text(std::string_view text);
/// One lifecycle line on stderr: "quartet-epoll[1234]: draining". One write(2), so that processes do not
/// interleave. Never waits: where stderr takes no more (a full pipe, a stopped terminal) the line is lost,
/// and the next one that it takes says how many were.
void log_line(std::string_view text);

/// A line about something that may happen often: the same text is written once a minute at most.
void log_seldom(std::string_view text, http::TimePoint now = net::now().steady);

/// Writes a line at once or not at all. @return whether all of it was written
bool write_now(int descriptor, std::string_view line);

/// For those who write to stderr themselves, such as the C library when it finds the heap damaged: they do
/// not wait for the reader of a full pipe or terminal either. A socket, which nobody can open again, stays as
/// it is: for them a full one blocks. So does whatever is not ours to open.
void keep_stderr_from_blocking();

/// "exited with status 3", "was killed by signal 11 (Segmentation fault)".
/// @param status as from waitpid(2)
std::string describe_exit(int status);

}  // namespace quartet::app
