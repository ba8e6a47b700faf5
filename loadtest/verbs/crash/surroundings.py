"""What a server is started in, where that is the fault: commands that make it and then become the server."""

import os
import shlex
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from loadtest.system import MeasurementError, procfs
from loadtest.system.processes import describe_status, last_lines, run

FULL_PIPE = Path(__file__).with_name("full_pipe.py")
SMALL = "4k"  # of a file system: the least there is, and not enough for a scoreboard
PATIENCE = 5.0  # seconds, for a command that does nothing
MEMORY = 32 << 20  # bytes of a control group: several times what a pool of 18 takes, and less than the fault asks for
LEAVING = 2.0  # seconds that killed processes may take to leave their control group

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
    tried = (*private_mounts(), "mount", "-t", "tmpfs", "-o", f"size={SMALL}", "quartet", "/dev/shm")
    why = _failure(tried)
    return f"a file system of its own cannot be given to the server: {why}" if why else ""


@dataclass(frozen=True)
class MemoryGroup:
    """A control group with a limit. What is written to which of its files, in this order."""

    directory: Path
    limits: dict[str, str]
    swap: dict[str, str]  # where the kernel counts it: otherwise there is no such file

    @property
    def command(self) -> Command:
        """Makes it, and becomes the command that follows inside it."""
        limits = [self._write(*one) for one in self.limits.items()]
        swap = [f"{{ [ ! -e {self._path(one[0])} ] || {self._write(*one)}; }}" for one in self.swap.items()]
        made = f"{{ [ -d {self._path()} ] || mkdir {self._path()}; }}"  # and none around it
        steps = [made, *limits, *swap, self._write("cgroup.procs", "$$"), 'exec "$@"']
        return ("sh", "-c", " && ".join(steps), "sh")

    def _write(self, file: str, value: str) -> str:
        return f"echo {value} > {self._path(file)}"

    def _path(self, file: str = "") -> str:
        return shlex.quote(str(self.directory / file))  # systemd's names have backslashes


def little_memory() -> Command:
    """The server is in a control group of its own: in there, and nowhere else, the kernel's OOM killer comes."""
    return own_group().command


def group_removal() -> Command:
    return ("rmdir", str(own_group().directory))


def leave_no_group() -> None:
    """Once the server has ended: killed processes take a moment to leave. Raises MeasurementError."""
    directory, deadline = own_group().directory, time.monotonic() + LEAVING
    while directory.exists():
        try:
            directory.rmdir()
        except OSError as error:
            if time.monotonic() > deadline:
                raise MeasurementError(f"the server's control group cannot be removed: {error}") from error
            time.sleep(0.01)


@cache
def no_little_memory() -> str:
    """A sentence where this machine does not allow it; else nothing."""
    why = _failure((*little_memory(), "true"))
    try:
        leave_no_group()
    except MeasurementError as error:
        why = why or str(error)
    sentence = "the server cannot be given a control group with little memory, which mostly takes root"
    return f"{sentence}: {why}" if why else ""


def _failure(tried: Command) -> str:
    """Of a command, in its own words alone: it is long; "" where it does not fail."""
    try:
        ended = run(tried, PATIENCE, good=range(256))
    except MeasurementError as error:  # there is no such program
        return str(error)
    return last_lines(ended.stderr, 1).removeprefix(": ") or describe_status(ended.status) if ended.status else ""


def own_group() -> MemoryGroup:
    return memory_group(procfs.text(Path("/proc/self/cgroup")), Path("/sys/fs/cgroup"), f"quartet-{os.getpid()}")


def memory_group(membership: str, root: Path, name: str) -> MemoryGroup:
    """By what /proc/self/cgroup tells of ours, inside whose limits it stays."""
    paths, limit = procfs.memberships(membership), str(MEMORY)
    if "memory" in paths:
        own = root / paths["memory"]
        if not own.is_dir():  # in a container: told is the path outside, mounted is our group itself
            own = root / Path(paths["memory"]).parts[0]
        swap = {"memory.memsw.limit_in_bytes": limit}  # of both together
        return MemoryGroup(own / name, {"memory.limit_in_bytes": limit}, swap)
    # A group of version 2 that has processes may have none with limits in it (cgroup-v2.rst, "No Internal Process
    # Constraint"), the root excepted: so this one is beside ours. A new one's memory.oom.group is 0: one process dies.
    # +memory stays there: to take it back would lift the limits of whoever has relied on it since.
    own = root / paths.get("", "")
    directory = (own if own == root else own.parent) / name
    limits = {"../cgroup.subtree_control": "+memory", "memory.max": limit}
    return MemoryGroup(directory, limits, {"memory.swap.max": "0"})
