"""The processes of a server and the CPU time they have used, from procfs."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

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


def members(session: int) -> list[ProcessStat]:
    """The live processes of a session: a server's whole tree, orphans too."""
    found = [_read_stat(int(name)) for name in os.listdir("/proc") if name.isdigit()]
    return [stat for stat in found if stat and stat.session == session and stat.state not in "ZX"]


def identity(pid: int) -> tuple[int, int] | None:
    """None when there is no such process."""
    stat = _read_stat(pid)
    return stat.identity if stat else None


def _read_stat(pid: int) -> ProcessStat | None:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return parse_stat(file.read())
    except (FileNotFoundError, ProcessLookupError):
        return None  # gone in the meantime


def cpu_seconds(session: int) -> float:
    """CPU time of the session's processes until now. To be read while they rest: one that ends meanwhile is missed."""
    return sum(stat.dead_children + _clock(stat.pid) for stat in members(session))


@dataclass(frozen=True)
class Switches:
    """Context switches (getrusage(2)): the process waited, or its time was over."""

    voluntary: int
    involuntary: int

    def __sub__(self, earlier: Switches) -> Switches:
        return Switches(self.voluntary - earlier.voluntary, self.involuntary - earlier.involuntary)


def switches(session: int) -> Switches | None:
    """Of all threads of the session's live processes until now; those that have ended are missed. None where the kernel
    does not tell."""
    every = [_task_switches(task) for stat in members(session) for task in _tasks(stat.pid)]
    found = [one for one in every if one]
    if len(found) < len(every):
        return None
    return Switches(sum(one.voluntary for one in found), sum(one.involuntary for one in found))


def _tasks(pid: int) -> list[str]:
    try:
        return [f"/proc/{pid}/task/{name}" for name in os.listdir(f"/proc/{pid}/task")]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _task_switches(task: str) -> Switches | None:
    try:
        with open(f"{task}/status", encoding="utf-8", errors="replace") as file:
            return parse_switches(file.read())
    except (FileNotFoundError, ProcessLookupError):
        return Switches(0, 0)


def parse_switches(status: str) -> Switches | None:
    """The last lines of proc(5)'s status; a sandbox's kernel may lack them."""
    counts = dict(line.split(":\t") for line in status.splitlines() if "ctxt_switches" in line)
    if len(counts) < 2:
        return None
    return Switches(int(counts["voluntary_ctxt_switches"]), int(counts["nonvoluntary_ctxt_switches"]))


def _clock(pid: int) -> float:
    """All threads of a process, to the nanosecond (clock_getcpuclockid(3)); ticks would round off 10 ms each."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0  # gone in the meantime
