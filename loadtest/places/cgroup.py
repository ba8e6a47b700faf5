"""What the kernel charges to a container: memory, CPU time and OOM kills of its control group, version 1 or 2.

Charges are counted in batches for each CPU: a reading may be off by some 100 KiB. See the kernel's
admin-guide/cgroup-v1/memory.rst, cpuacct.rst, and cgroup-v2.rst.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from loadtest.system import procfs
from loadtest.system.errors import MeasurementError
from loadtest.system.memory import GroupMemory

Value = TypeVar("Value")


@dataclass(frozen=True)
class Group:
    """The control group of a container; gone as soon as that has ended."""

    version: int
    memory: Path  # the directory; with version 2 the same one
    cpu: Path

    def memory_now(self) -> GroupMemory:
        """Raises MeasurementError when the group is gone, or unlike what the kernel documents."""
        if self.version == 1:
            kernel, sockets = (procfs.number(self.memory / name) for name in KERNEL_V1)
            return _read(lambda: parse_memory_v1(*self._contents(*MEMORY_V1), kernel, sockets))
        return _read(lambda: parse_memory_v2(*self._contents("memory.current", "memory.stat")))

    def cpu_seconds(self) -> float:
        """Of all that ever ran in the group, to the microsecond at least. Raises MeasurementError."""
        if self.version == 1:
            return _read(lambda: int((self.cpu / "cpuacct.usage").read_text()) / 1e9)
        return _read(lambda: procfs.numbers((self.cpu / "cpu.stat").read_text())["usage_usec"] / 1e6)

    def oom_kills(self) -> int:
        """Processes that the kernel has killed because the group reached its limit. Raises MeasurementError."""
        name = "memory.oom_control" if self.version == 1 else "memory.events"
        return _read(lambda: procfs.numbers((self.memory / name).read_text())["oom_kill"])

    def _contents(self, usage: str, stat: str) -> tuple[str, str]:
        return (self.memory / usage).read_text(), (self.memory / stat).read_text()


MEMORY_V1 = ("memory.usage_in_bytes", "memory.stat")
KERNEL_V1 = ("memory.kmem.usage_in_bytes", "memory.kmem.tcp.usage_in_bytes")  # kernels can be built without them


def parse_memory_v1(usage: str, stat: str, kernel: int | None, sockets: int | None) -> GroupMemory:
    """Version 1 knows of kernel memory only the sum: stacks, page tables, slabs."""
    fields = procfs.numbers(stat)
    return GroupMemory(int(usage), fields["total_rss"], fields["total_cache"], kernel, sockets)


def parse_memory_v2(current: str, stat: str) -> GroupMemory:
    """The sum of kernel memory is there from Linux 5.18 on; its parts before that do not add up to it."""
    fields = procfs.numbers(stat)
    return GroupMemory(int(current), fields["anon"], fields["file"], fields.get("kernel"), fields.get("sock"))


def _read(read: Callable[[], Value]) -> Value:
    try:
        return read()
    except (OSError, ValueError, KeyError) as error:
        raise MeasurementError(f"the container's control group cannot be read: {error}") from error


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
    if not group.memory.is_dir() or not group.cpu.is_dir():
        raise MeasurementError(f"the container's control group {group.memory} cannot be seen from here")
    return group


def parse_membership(text: str, root: Path) -> Group:
    """From /proc/PID/cgroup. A controller that version 1 has is not version 2's, even where both are mounted."""
    paths = {controller: root / path for controller, path in procfs.memberships(text).items()}
    if "memory" in paths and "cpuacct" in paths:
        return Group(1, paths["memory"], paths["cpuacct"])
    if "memory" in paths or "cpuacct" in paths or "" not in paths:
        raise MeasurementError("this machine's control groups are neither of version 1 nor of version 2")
    return Group(2, paths[""], paths[""])
