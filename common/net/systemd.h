#pragma once

#include <optional>
#include <string>

#include "common/net/fd.h"

namespace quartet::net {

// What systemd, or another program with its protocol, passes in the environment. Both protocols are small and
// stable, and the man pages invite programs to implement them. libsystemd is neither small nor stable.

/// The listening socket that was passed (LISTEN_FDS; sd_listen_fds(3)), if any. Clears the variables: they
/// are not for our children. @throws std::runtime_error for more than one
std::optional<Fd> passed_socket();

/// Tells the service manager, if there is one (NOTIFY_SOCKET; sd_notify(3)): "READY=1", "STOPPING=1". If the
/// manager does not listen, the server serves all the same.
void notify_service_manager(const std::string& state);

}  // namespace quartet::net
