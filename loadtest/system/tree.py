"""The processes of a server and the CPU time they have used, from procfs."""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from loadtest.system import procfs

TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class ProcessStat:
    """The part of proc(5)'s stat that we need."""

    pid: int
    state: str
    session: int
    start: int  # distinguishes processes that had the same pid
    dead_children: float  # CPU seconds of the descendants that were waited for, rounded down to ticks

    @property
    def identity(self) -> tuple[int, int]:
        return self.pid, self.start


def parse_stat(text: str) -> ProcessStat:
    """The name, in parentheses, may contain anything, parentheses too."""
    pid, _, rest = text.partition(" (")
    fields = rest.rpartition(") ")[2].split()
    children = (int(fields[13]) + int(fields[14])) * TICK
    return ProcessStat(int(pid), fields[0], int(fields[3]), int(fields[19]), children)


def _read_stat(pid: int) -> ProcessStat | None:
    stat = procfs.text(Path(f"/proc/{pid}/stat"))
    return parse_stat(stat) if stat else None


def identity(pid: int) -> tuple[int, int] | None:
    """None when there is no such process."""
    stat = _read_stat(pid)
    return stat.identity if stat else None


def members(session: int) -> list[ProcessStat]:
    """The live processes of a session: a server's whole tree, orphans too."""
    found = map(_read_stat, _numbers("/proc"))
    return [stat for stat in found if stat and stat.session == session and stat.state not in "ZX"]


def processes(session: int) -> dict[int, int]:
    """The process of each thread of the session."""
    return {thread: stat.pid for stat in members(session) for thread in _numbers(f"/proc/{stat.pid}/task")}


def _numbers(directory: str) -> list[int]:
    """Of the processes or threads that it lists; none when it is gone in the meantime."""
    try:
        return [int(name) for name in os.listdir(directory) if name.isdigit()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def cpu_seconds(session: int) -> float:
    """CPU time of the session's processes until now. To be read while they rest: one that ends meanwhile is missed."""
    return sum(stat.dead_children + _clock(stat.pid) for stat in members(session))


def _clock(pid: int) -> float:
    """All threads of a process, to the nanosecond (clock_getcpuclockid(3)); ticks would round off 10 ms each."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0  # gone in the meantime


@dataclass(frozen=True)
class Switches:
    """Context switches (getrusage(2)): the process waited, or its time was over."""

    voluntary: int
    involuntary: int

    def __sub__(self, earlier: Self) -> Self:
        return type(self)(self.voluntary - earlier.voluntary, self.involuntary - earlier.involuntary)


def switches(session: int) -> Switches | None:
    """Of all threads of the session's live processes until now; those that have ended are missed. None where the kernel
    does not tell."""
    return parse_switches(procfs.text(Path(f"/proc/{thread}/status")) for thread in processes(session))


def parse_switches(statuses: Iterable[str]) -> Switches | None:
    """From proc(5)'s status of each thread, empty when it has ended; a sandbox's kernel may lack their last lines."""
    found = [procfs.numbers(status) for status in statuses if status]
    try:
        return Switches(*(sum(one[f"{kind}_ctxt_switches"] for one in found) for kind in ("voluntary", "nonvoluntary")))
    except KeyError:
        return None
