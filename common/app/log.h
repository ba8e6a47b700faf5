#pragma once

#include <string>
#include <string_view>

namespace quartet::app {

/// The name that starts every line: "quartet-epoll".
void set_log_name(std::string_view name);

/// The whole line: "quartet-epoll[1234]: draining\n".
std::string log_text(std::string_view text);
/// One lifecycle line on stderr: "quartet-epoll[1234]: draining". One write(2), so that processes do not
/// interleave.
void log_line(std::string_view text);

/// "exited with status 3", "was killed by signal 11 (Segmentation fault)".
/// @param status as from waitpid(2)
std::string describe_exit(int status);

}  // namespace quartet::app
