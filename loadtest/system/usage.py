"""What a server's process tree has used until a moment, read amid a load, while its processes come and go; and what it
has used between two such readings.

The time of a child that has ended and was waited for is in its parent's account of the dead, in ticks of 10 ms, user
and system time each rounded down. The time of one that lives, or that nobody has waited for yet, is on its own clock. A
child that goes from here to there between two readings must be found once: its clock is read first, and counts only if
the parent still has that child, before and after the account of the dead is read.
"""

import math
import time
from dataclasses import dataclass
from typing import Protocol

from loadtest.system import MeasurementError, procfs
from loadtest.system.procfs import ProcessStat, Switches

SAMPLED = time.clock_getres(6)  # CLOCK_MONOTONIC_COARSE: seconds between the clock's ticks, 1 / CONFIG_HZ
ROUNDED = 2 * procfs.TICK  # seconds, at most, that rounding changes one parent's account between two readings
# The same as a standard deviation: two numbers, each rounded down at both ends by anything from 0 to a tick.
ROUNDED_DEVIATION = math.sqrt(4 / 12) * procfs.TICK
DEVIATIONS = 4  # that a sum of them is allowed
COARSE = 0.05  # the share that rounding may change


class Source(Protocol):
    """Where processes are read; /proc, or a made-up one. All forget a process that nobody has to wait for any more."""

    def children(self, pid: int) -> set[int]:
        """Those that are not waited for yet, zombies too."""

    def stat(self, pid: int) -> ProcessStat | None:
        ...

    def clock(self, pid: int) -> float | None:
        """CPU seconds of all its threads."""

    def threads(self, pid: int) -> list[int]:
        ...

    def status(self, thread: int) -> str:
        """As in proc(5); "" when it has ended."""


@dataclass(frozen=True)
class Account:
    """Of a process and all its descendants."""

    seconds: float
    parents: int  # that have dead children, whose time is rounded
    faults: int  # page faults of the dead; each that dies brings some, however short its life
    processes: tuple[int, ...]


def account(source: Source, pid: int) -> Account | None:
    """None when it is gone."""
    found = {child: one for child in source.children(pid) if (one := account(source, child))}
    while True:  # which ends, because each turn has lost a child
        living = source.children(pid) & found.keys() if found else set()
        stat, clock = source.stat(pid), source.clock(pid)
        if stat is None or clock is None:
            return None
        if not living or source.children(pid) >= living:
            return _sum(stat, clock, [found[child] for child in living])


def _sum(stat: ProcessStat, clock: float, children: list[Account]) -> Account:
    return Account(
        seconds=clock + stat.dead_children + sum(one.seconds for one in children),
        parents=(stat.dead_faults > 0) + sum(one.parents for one in children),
        faults=stat.dead_faults + sum(one.faults for one in children),
        processes=(stat.pid, *(pid for one in children for pid in one.processes)),
    )


@dataclass(frozen=True)
class Usage:
    """Of a process tree until a moment."""

    began: float  # the monotonic clock when its CPU time began to be read, and when that was done
    ended: float
    cpu_seconds: float
    parents: int = 0  # as in Account
    faults: int = 0
    threads: frozenset[int] = frozenset()
    switches: Switches | None = None  # of the live threads; None: not told

    @property
    def moment(self) -> float:
        return (self.began + self.ended) / 2


def read(pid: int, source: Source = procfs.PROC) -> Usage:
    """Raises MeasurementError when it has ended. Takes some 50 us a process, half of it for its threads."""
    began = time.monotonic()
    found = account(source, pid)
    ended = time.monotonic()
    if found is None:
        raise MeasurementError(f"the CPU time of process {pid} cannot be read: it has ended")
    threads = [thread for process in found.processes for thread in source.threads(process)]
    switches = procfs.parse_switches(map(source.status, threads))
    return Usage(began, ended, found.seconds, found.parents, found.faults, frozenset(threads), switches)


@dataclass(frozen=True)
class Window:
    """Between two readings."""

    begin: Usage
    end: Usage

    @property
    def seconds(self) -> float:
        return self.end.moment - self.begin.moment

    @property
    def unsure(self) -> float:
        """Seconds by which its length may be wrong, because a reading takes a while."""
        return (self.begin.ended - self.begin.began + self.end.ended - self.end.began) / 2

    @property
    def cpu_seconds(self) -> float:
        return self.end.cpu_seconds - self.begin.cpu_seconds

    @property
    def corrected(self) -> float:
        """CPU seconds with what rounding takes off on average, half a tick for each number, where accounts of the dead
        are new. Of those that hold less than a tick that is too much."""
        return self.cpu_seconds + procfs.TICK * (self.end.parents - self.begin.parents)

    @property
    def rounded(self) -> float:
        """Seconds by which the ticks of the dead may have changed its CPU time."""
        parents = max(self.begin.parents, self.end.parents)
        return min(ROUNDED * parents, DEVIATIONS * ROUNDED_DEVIATION * math.sqrt(parents))

    @property
    def coarse(self) -> bool:
        """The ticks of the dead may have changed much of its CPU time."""
        return self.rounded > COARSE * self.cpu_seconds

    @property
    def somebody_ended(self) -> bool:
        """So that the live threads do not tell all context switches."""
        return self.begin.faults != self.end.faults or not self.begin.threads <= self.end.threads

    @property
    def switches(self) -> Switches | None:
        """None where they are not told, or not all."""
        if self.somebody_ended or not self.begin.switches or not self.end.switches:
            return None
        return self.end.switches - self.begin.switches

    def given(self, cpus: int) -> float:
        """CPU seconds that so many CPUs can have given in it: the clock of a process that runs lags behind until its
        CPU's next tick, in the first reading by a tick for each CPU."""
        return cpus * (self.seconds + self.unsure + SAMPLED)

    def bearable(self, cpus: int) -> float:
        """The same, as far as the readings tell."""
        return self.given(cpus) + self.rounded
