"""Kernel memory of the whole machine: what there is to see of it where a server has no control group of its own.

The kernel counts in batches for each CPU, and folds them once a second: a reading may be off by some 100 KiB. What is
not in it: pages that belong to no cache, such as the 32 KiB into which a task copies what it sends (sk_page_frag).
"""

import os
import time
from dataclasses import astuple, dataclass
from operator import sub
from pathlib import Path
from typing import Self

from loadtest.system import procfs
from loadtest.system.errors import MeasurementError


@dataclass
class MachineMemory:
    """Kernel memory of the whole machine, in bytes (proc(5), meminfo and sockstat)."""

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


STEADY = 256 * 1024  # bytes between two readings


def read() -> MachineMemory:
    """Raises MeasurementError where the kernel does not tell."""
    return parse(procfs.text(Path("/proc/meminfo")), procfs.text(Path("/proc/net/sockstat")))


def parse(meminfo: str, sockstat: str) -> MachineMemory:
    try:
        buffers = procfs.pairs(sockstat, "TCP")["mem"] * os.sysconf("SC_PAGE_SIZE")
        sizes = procfs.numbers(meminfo) | {"tcp": buffers}
        return MachineMemory(*(sizes[name] for name in ("Slab", "KernelStack", "PageTables", "Percpu", "tcp")))
    except KeyError as error:
        raise MeasurementError("/proc/meminfo and /proc/net/sockstat are not as this harness knows them") from error


def settled(patience: float = 3.0, interval: float = 0.25) -> MachineMemory:
    """Once it no longer changes, or patience is over: closed sockets and ended tasks are freed a little later."""
    deadline = time.monotonic() + patience
    now = read()
    while time.monotonic() < deadline:
        time.sleep(interval)
        before, now = now, read()
        if abs(now.total - before.total) <= STEADY:
            break
    return now
