"""Memory of process trees, of the machine, and of control groups, with what else the kernel charges to these.

The kernel counts its own memory in batches for each CPU: a reading of the machine's or a group's may be off by some 100
KiB. On groups see the kernel's admin-guide/cgroup-v1/memory.rst, cpuacct.rst, and cgroup-v2.rst.
"""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from operator import sub
from pathlib import Path
from typing import Self

from loadtest.system import MeasurementError, procfs

STEADY = 256 * 1024  # bytes between two readings of the machine's memory


@dataclass
class GroupMemory:
    """What the kernel charges to a container's control group, in bytes; None where it does not tell."""

    current: int  # all of it, page cache included
    anonymous: int
    file: int  # page cache, tmpfs and shared memory
    kernel: int | None  # stacks, page tables, slabs
    sockets: int | None  # buffers


@dataclass
class Memory:
    """Of a whole process tree, in bytes; None where we may not look."""

    processes: int
    pss: int | None
    private: int | None
    rss: int | None  # summed; only to show how misleading that is
    page_tables: int
    group: GroupMemory | None = None  # of the server's container
    unknown: str = ""  # why something is None
    anonymous: int | None = None  # of the PSS: heaps, stacks and whatever else is no file's


def read(processes: Iterable[tuple[int, int]]) -> Memory:
    """Of those processes, identified by pid and start. PSS charges a shared page in equal parts to those who share it,
    so that a sum over a process tree counts it once. Takes the mm lock and 150 us a process: for plateaus only."""
    return total([one for pid, _ in processes if (one := _read_process(Path(f"/proc/{pid}")))])


def total(processes: list[Memory]) -> Memory:
    """A size is None when one of them is."""
    sizes: dict[str, int | None] = {}
    for name in ("pss", "private", "rss", "anonymous"):
        known = [size for one in processes if (size := getattr(one, name)) is not None]
        sizes[name] = sum(known) if len(known) == len(processes) else None
    unknown = next((one.unknown for one in processes if one.unknown), "")
    page_tables = sum(one.page_tables for one in processes)
    return Memory(processes=len(processes), page_tables=page_tables, group=None, unknown=unknown, **sizes)


def parse(rollup: str, status: str) -> Memory:
    """Of one process, from the contents of smaps_rollup and status."""
    sizes = procfs.numbers(rollup)
    private, page_tables = sizes["Private_Clean"] + sizes["Private_Dirty"], procfs.numbers(status).get("VmPTE", 0)
    anonymous = sizes.get("Pss_Anon")  # from Linux 5.3 on
    return Memory(1, sizes["Pss"], private, sizes["Rss"], page_tables, anonymous=anonymous)


def _read_process(directory: Path) -> Memory | None:
    """None of one that has gone in the meantime; an exiting process has no memory left to list."""
    status = procfs.text(directory / "status")
    try:
        # both files are shorter than what Python reads at a time: what several reads see need not fit together
        return parse((directory / "smaps_rollup").read_text(), status)
    except PermissionError:
        # ptrace(2), access mode checking
        reason = "smaps_rollup of a process of another user is root's to read"
        return Memory(1, None, None, None, procfs.numbers(status).get("VmPTE", 0), unknown=reason)
    except (FileNotFoundError, ProcessLookupError, KeyError):
        return None


@dataclass
class MachineMemory:
    """Kernel memory of the machine, in bytes (proc(5), meminfo and sockstat), for servers without a control group.

    Folded once a second. Not in it: pages that belong to no cache, such as the 32 KiB of a task's sends (sk_page_frag).
    """

    slab: int  # sockets, files, tasks and all else that has a size of its own
    stacks: int
    page_tables: int
    percpu: int
    tcp: int  # buffers

    @property
    def total(self) -> int:
        return sum(astuple(self))

    def __sub__(self, earlier: Self) -> Self:
        return type(self)(*map(sub, astuple(self), astuple(earlier)))

    @classmethod
    def read(cls) -> Self:
        """Raises MeasurementError where the kernel does not tell."""
        return cls.parse(procfs.text(Path("/proc/meminfo")), procfs.text(Path("/proc/net/sockstat")))

    @classmethod
    def parse(cls, meminfo: str, sockstat: str) -> Self:
        try:
            buffers = procfs.pairs(sockstat, "TCP")["mem"] * os.sysconf("SC_PAGE_SIZE")
            sizes = procfs.numbers(meminfo) | {"tcp": buffers}
            return cls(*(sizes[name] for name in ("Slab", "KernelStack", "PageTables", "Percpu", "tcp")))
        except KeyError as error:
            raise MeasurementError("/proc/meminfo and /proc/net/sockstat are not as this harness knows them") from error

    @classmethod
    def settled(cls, patience: float = 3.0, interval: float = 0.25) -> Self:
        """Once it no longer changes, or patience is over: closed sockets and ended tasks are freed a little later."""
        deadline, now = time.monotonic() + patience, cls.read()
        while time.monotonic() < deadline:
            time.sleep(interval)
            before, now = now, cls.read()
            if abs(now.total - before.total) <= STEADY:
                break
        return now


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

    def processes(self) -> list[int]:
        """None of them when the group is gone."""
        return [int(line) for line in procfs.text(self.memory / "cgroup.procs").split()]

    @_reading()
    def oom_kills(self) -> int:
        """Processes that the kernel has killed because the group reached its limit."""
        name = "memory.oom_control" if self.version == 1 else "memory.events"
        return procfs.numbers((self.memory / name).read_text())["oom_kill"]


def find_group(pid: int, container: str, proc: Path = Path("/proc"), root: Path = Path("/sys/fs/cgroup")) -> Group:
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
