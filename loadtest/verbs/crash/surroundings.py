"""What a server is started in, where that is the fault: commands that make it and then become the server."""

import os
import sys
from functools import cache
from pathlib import Path

from loadtest.system import MeasurementError
from loadtest.system.processes import run

FULL_PIPE = Path(__file__).with_name("full_pipe.py")
SMALL = "4k"  # of a file system: the least there is, and not enough for a scoreboard
PATIENCE = 5.0  # seconds, for a command that does nothing

Command = tuple[str, ...]


def log_pipe_full() -> Command:
    """stderr is a pipe that nobody reads, and that is full."""
    return (sys.executable, str(FULL_PIPE))


def log_disk_full() -> Command:
    """Every write to stderr fails with ENOSPC (full(4)), as on a disk that has no room left."""
    return ("sh", "-c", 'exec "$@" 2> /dev/full', "sh")


def scoreboard_full() -> Command:
    """/dev/shm is a file system of its own, which only the server sees, and which is too small."""
    mount = f'mount -t tmpfs -o size={SMALL} quartet /dev/shm && exec "$@"'
    return (*private_mounts(), "sh", "-c", mount, "sh")


def private_mounts() -> Command:
    """Starts a command in a mount namespace of its own; without privileges in a user namespace, too (unshare(1))."""
    return ("unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--mount")


@cache
def no_private_mounts() -> str:
    """A sentence where this machine does not allow them; else nothing."""
    tried = [*private_mounts(), "mount", "-t", "tmpfs", "-o", f"size={SMALL}", "quartet", "/dev/shm"]
    try:
        run(tried, PATIENCE)
        return ""
    except MeasurementError as error:
        return f"a file system of its own cannot be given to the server: {error}"
