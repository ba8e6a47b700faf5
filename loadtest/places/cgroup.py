"""What the kernel charges to a container: memory, CPU time and OOM kills of its control group, version 1 or 2.

Charges are counted in batches for each CPU: a reading may be off by some 100 KiB. See the kernel's
admin-guide/cgroup-v1/memory.rst, cpuacct.rst, and cgroup-v2.rst.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtest.system import MeasurementError, procfs
from loadtest.system.memory import GroupMemory


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        raise MeasurementError(f"the container's control group cannot be read: {error}") from error


@dataclass(frozen=True)
class Group:
    """The control group of a container. Its methods raise MeasurementError when the group is gone, which it is as soon
    as the container has ended, or when it is unlike what the kernel documents."""

    version: int
    memory: Path  # the directory; with version 2 the same one
    cpu: Path

    @_reading()
    def memory_now(self) -> GroupMemory:
        """Of kernel memory version 1 knows only the sum: stacks, page tables, slabs. In version 2 that sum is there
        from Linux 5.18 on; its parts before that do not add up to it."""
        fields = procfs.numbers((self.memory / "memory.stat").read_text())
        if self.version == 1:
            usage, charged = "memory.usage_in_bytes", (fields["total_rss"], fields["total_cache"])
            # kernels can be built without them
            kernel, sockets = (procfs.number(self.memory / f"memory.kmem.{of}usage_in_bytes") for of in ("", "tcp."))
        else:
            usage, charged = "memory.current", (fields["anon"], fields["file"])
            kernel, sockets = fields.get("kernel"), fields.get("sock")
        return GroupMemory(int((self.memory / usage).read_text()), *charged, kernel, sockets)

    @_reading()
    def cpu_seconds(self) -> float:
        """Of all that ever ran in the group, to the microsecond at least."""
        if self.version == 1:
            return int((self.cpu / "cpuacct.usage").read_text()) / 1e9
        return procfs.numbers((self.cpu / "cpu.stat").read_text())["usage_usec"] / 1e6

    @_reading()
    def oom_kills(self) -> int:
        """Processes that the kernel has killed because the group reached its limit."""
        name = "memory.oom_control" if self.version == 1 else "memory.events"
        return procfs.numbers((self.memory / name).read_text())["oom_kill"]


def find(pid: int, container: str, proc: Path = Path("/proc"), root: Path = Path("/sys/fs/cgroup")) -> Group:
    """The group of a container's process, whose pid is the engine's word: its path must bear the container's id, or it
    is somebody else's process. Raises MeasurementError when it cannot be seen from here."""
    try:
        membership = (proc / str(pid) / "cgroup").read_text()
    except OSError as error:
        raise MeasurementError(f"the container's processes cannot be seen from here: {error}") from error
    group = parse_membership(membership, root)
    if container not in group.memory.name:
        raise MeasurementError(f"process {pid} is not the container's here; is the engine on another machine?")
    return group


def parse_membership(text: str, root: Path) -> Group:
    """From /proc/PID/cgroup. A controller that version 1 has is not version 2's, even where both are mounted."""
    paths = {controller: root / path for controller, path in procfs.memberships(text).items()}
    if "memory" in paths and "cpuacct" in paths:
        return Group(1, paths["memory"], paths["cpuacct"])
    if "memory" in paths or "cpuacct" in paths or "" not in paths:
        raise MeasurementError("this machine's control groups are neither of version 1 nor of version 2")
    return Group(2, paths[""], paths[""])
