#pragma once

#include <optional>
#include <string>

#include "common/net/fd.h"

namespace quartet::net {

// What systemd, or whoever speaks its protocol, passes in the environment. Both protocols are small and
// stable (the man pages invite to implement them), libsystemd is neither.

/// The listening socket that was passed (LISTEN_FDS; sd_listen_fds(3)), if any. Clears the variables: they
/// are not for our children. @throws std::runtime_error for more than one
std::optional<Fd> passed_socket();

/// Tells the service manager, if there is one (NOTIFY_SOCKET; sd_notify(3)): "READY=1", "STOPPING=1". A
/// manager that does not listen does not keep us from serving.
void notify_service_manager(const std::string& state);

}  // namespace quartet::net
