"""Whether others used the CPUs that we measure on (proc(5), stat)."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from loadtest.system.cpu_sets import CpuSets
from loadtest.system.tree import TICK


@dataclass
class Disturbance:
    """CPU time that others took, as a share of the measured window. None: /proc/stat does not tell of those CPUs."""

    server_cpu: float | None
    load_cpu: float | None
    steal: float | None

    @property
    def unknown(self) -> bool:
        return None in (self.server_cpu, self.load_cpu, self.steal)

    @property
    def worst(self) -> float:
        """As far as it is known."""
        return max(self.server_cpu or 0, self.load_cpu or 0, self.steal or 0)


STAT = Path("/proc/stat")
CPU_LINE = re.compile(r"^cpu(\d+) (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class CpuTimes:
    """Seconds since boot."""

    idle: float  # waiting for I/O included
    steal: float
    user: float = 0.0
    system: float = 0.0  # interrupts included


@dataclass(frozen=True)
class Reading:
    time: float
    own: float  # CPU seconds of this process: harness and probe
    cpus: dict[int, CpuTimes]


def parse(stat: str) -> dict[int, CpuTimes]:
    """The CPUs in /proc/stat: user nice system idle iowait irq softirq steal ... Those that are offline are not there;
    in a container others may be, under other numbers than the cpuset's (lxcfs counts from 0)."""
    lines = {int(number): [int(ticks) * TICK for ticks in rest.split()] for number, rest in CPU_LINE.findall(stat)}
    times = {number: fields for number, fields in lines.items() if len(fields) >= 8}
    return {
        number: CpuTimes(
            idle=fields[3] + fields[4],
            steal=fields[7],
            user=fields[0] + fields[1],
            system=fields[2] + fields[5] + fields[6],
        )
        for number, fields in times.items()
    }


def read() -> Reading:
    """Of no CPU where /proc/stat is hidden."""
    try:
        stat = STAT.read_text(encoding="ascii", errors="replace")
    except OSError:
        stat = ""
    return Reading(time.monotonic(), time.process_time(), parse(stat))


def tells(before: Reading, after: Reading, cpus: Sequence[int]) -> bool:
    """Of all of those CPUs, at both ends."""
    return set(cpus) <= before.cpus.keys() & after.cpus.keys()


def foreign(before: Reading, after: Reading, cpus: Sequence[int], ours: float) -> float | None:
    """The share of those CPUs that others took, given the CPU seconds that we know of. None where it is not told."""
    if not tells(before, after, cpus):
        return None
    window = (after.time - before.time) * len(cpus)
    idle = sum(after.cpus[cpu].idle - before.cpus[cpu].idle for cpu in cpus)
    steal = sum(after.cpus[cpu].steal - before.cpus[cpu].steal for cpu in cpus)
    return max(0.0, (window - idle - steal - ours) / window)


def system_share(before: Reading, after: Reading, cpus: Sequence[int]) -> float | None:
    """Of the time those CPUs worked, what was spent in the kernel; None when no tick met them at work, or where it is
    not told.

    Sampled by the clock's ticks, like every split of CPU time in a kernel without CONFIG_VIRT_CPU_ACCOUNTING_GEN, but
    over the CPU and not by process: a child that lives for less than a tick has no split of its own.
    """
    if not tells(before, after, cpus):
        return None
    user = sum(after.cpus[cpu].user - before.cpus[cpu].user for cpu in cpus)
    system = sum(after.cpus[cpu].system - before.cpus[cpu].system for cpu in cpus)
    return system / (user + system) if user + system > 0 else None


def disturbance(
    before: Reading,
    after: Reading,
    sets: CpuSets,
    server_seconds: float,
    wrk_seconds: float,
) -> Disturbance:
    """On a machine with one CPU, server and load are one budget."""
    load_seconds = wrk_seconds + after.own - before.own
    if sets.shared:
        server_seconds = load_seconds = server_seconds + load_seconds
    both = sorted({*sets.server, *sets.load})
    return Disturbance(
        server_cpu=foreign(before, after, sets.server, server_seconds),
        load_cpu=foreign(before, after, sets.load, load_seconds),
        steal=stolen(before, after, both),
    )


def stolen(before: Reading, after: Reading, cpus: Sequence[int]) -> float | None:
    """The share of those CPUs that the host gave to other virtual machines. None where it is not told."""
    if not tells(before, after, cpus):
        return None
    seconds = sum(after.cpus[cpu].steal - before.cpus[cpu].steal for cpu in cpus)
    return seconds / (after.time - before.time) / len(cpus)


def taken(disturbances: Sequence[Disturbance]) -> float | None:
    """What others took of the server's CPUs, in the median; None where nobody tells."""
    shares = [one.server_cpu for one in disturbances if one.server_cpu is not None]
    return median(shares) if len(shares) == len(disturbances) else None


def unseen(disturbances: Sequence[Disturbance]) -> list[str]:
    """A line on those of which nobody tells, where there are any."""
    unknown = sum(one.unknown for one in disturbances)
    if not unknown:
        return []
    return [
        f"UNSEEN: whether other load disturbed {unknown} of {len(disturbances)} loads cannot be told, because "
        "/proc/stat does not list all CPUs that we measured on (containers may number them anew)."
    ]
