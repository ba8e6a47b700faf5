"""Memory of process trees, of control groups, and of the kernel."""

import os
import time
from collections.abc import Iterable
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
    return Memory(
        processes=1,
        pss=sizes["Pss"],
        private=sizes["Private_Clean"] + sizes["Private_Dirty"],
        rss=sizes["Rss"],
        page_tables=procfs.numbers(status).get("VmPTE", 0),
        anonymous=sizes.get("Pss_Anon"),  # from Linux 5.3 on
    )


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
    """Kernel memory of the whole machine, in bytes (proc(5), meminfo and sockstat): what there is to see where a server
    has no control group of its own.

    The kernel counts in batches for each CPU, and folds them once a second: a reading may be off by some 100 KiB. What
    is not in it: pages that belong to no cache, such as the 32 KiB into which a task copies what it sends
    (sk_page_frag).
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
