"""Which CPUs are the server's and which the load's, and whether others used them (proc(5), stat)."""

import operator
import re
import time
from collections.abc import Sequence, Set
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import median

from loadtest.system import procfs


@dataclass(frozen=True)
class CpuSets:
    server: tuple[int, ...]
    load: tuple[int, ...]

    @property
    def shared(self) -> bool:
        return bool(set(self.server) & set(self.load))


def split(available: Set[int], budget: int = 1) -> CpuSets:
    """The last CPUs for the server; one for the load, the first, where most interrupts arrive anyway. A larger budget
    has a larger load, as far as there are CPUs. Raises ValueError when there are fewer CPUs than the budget."""
    ordered = sorted(available)
    if budget > len(ordered):
        raise ValueError(f"--cpus {budget}: there are {len(ordered)} here")
    rest, server = ordered[:-budget], ordered[-budget:]
    return CpuSets(tuple(server), tuple(rest[:budget] or ordered[:1]))


def parse_pin(text: str, available: Set[int]) -> CpuSets:
    """From "2-3:0,1": the server's and the load's CPUs. Raises ValueError."""
    server, colon, load = text.partition(":")
    if not colon:
        raise ValueError(f"--pin {text}: expected the server's CPUs and the load's, such as 1:0 or 2-3:0,1")
    try:
        sets = CpuSets(parse_list(server), parse_list(load))
    except ValueError as error:
        raise ValueError(f"--pin {text}: {error}") from error
    if absent := sorted({*sets.server, *sets.load} - available):
        known = ", ".join(map(str, sorted(available)))
        raise ValueError(f"--pin {text}: there is no CPU {absent[0]} for us here; there are {known}")
    return sets


def parse_list(text: str) -> tuple[int, ...]:
    """From "0,2-3", as in cpuset(7). Raises ValueError."""
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", part)
        cpus = range(int(match[1]), int(match[2] or match[1]) + 1) if match else ()
        if not cpus:
            raise ValueError(f"{part!r} is no CPU and no range of them")
        found |= set(cpus)
    return tuple(sorted(found))


@dataclass
class Disturbance:
    """CPU time that others took, as a share of the measured window. None: /proc/stat does not tell of those CPUs."""

    server_cpu: float | None
    load_cpu: float | None
    steal: float | None

    @property
    def unknown(self) -> bool:
        return None in astuple(self)

    @property
    def worst(self) -> float:
        """As far as it is known."""
        return max(share or 0 for share in astuple(self))


STAT = Path("/proc/stat")


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
    found = {}
    for cpu, rest in re.findall(r"^cpu(\d+)((?: \d+){8,})$", stat, re.MULTILINE):
        user, nice, system, idle, iowait, irq, softirq, steal = (int(ticks) * procfs.TICK for ticks in rest.split()[:8])
        found[int(cpu)] = CpuTimes(idle + iowait, steal, user + nice, system + irq + softirq)
    return found


def read() -> Reading:
    """Of no CPU where /proc/stat is hidden."""
    return Reading(time.monotonic(), time.process_time(), parse(procfs.text(STAT)))


def _spent(before: Reading, after: Reading, cpus: Sequence[int]) -> CpuTimes | None:
    """Of all those CPUs in between; None where /proc/stat does not tell of each, at both ends."""
    if not set(cpus) <= before.cpus.keys() & after.cpus.keys():
        return None
    each = (map(operator.sub, astuple(after.cpus[cpu]), astuple(before.cpus[cpu])) for cpu in cpus)
    return CpuTimes(*map(sum, zip(*each)))


def foreign(before: Reading, after: Reading, cpus: Sequence[int], ours: float) -> float | None:
    """The share of those CPUs that others took, given the CPU seconds that we know of. None where it is not told."""
    if not (times := _spent(before, after, cpus)):
        return None
    window = (after.time - before.time) * len(cpus)
    return max(0.0, (window - times.idle - times.steal - ours) / window)


def stolen(before: Reading, after: Reading, cpus: Sequence[int]) -> float | None:
    """The share of those CPUs that the host gave to other virtual machines. None where it is not told."""
    times = _spent(before, after, cpus)
    return times.steal / (after.time - before.time) / len(cpus) if times else None


def system_share(before: Reading, after: Reading, cpus: Sequence[int]) -> float | None:
    """Of the time those CPUs worked, what was spent in the kernel; None when no tick met them at work, or where it is
    not told.

    Sampled by the clock's ticks, like every split of CPU time in a kernel without CONFIG_VIRT_CPU_ACCOUNTING_GEN, but
    over the CPU and not by process: a child that lives for less than a tick has no split of its own.
    """
    times = _spent(before, after, cpus)
    return times.system / (times.user + times.system) if times and times.user + times.system > 0 else None


def disturbance(before: Reading, after: Reading, sets: CpuSets, server: float, load: float) -> Disturbance:
    """Given the CPU seconds of the server and of the load's program. On a machine with one CPU, they are one budget."""
    load += after.own - before.own
    if sets.shared:
        server = load = server + load
    steal = stolen(before, after, sorted({*sets.server, *sets.load}))
    return Disturbance(foreign(before, after, sets.server, server), foreign(before, after, sets.load, load), steal)


def taken(disturbances: Sequence[Disturbance]) -> float | None:
    """What others took of the server's CPUs, in the median; None where nobody tells."""
    shares = [one.server_cpu for one in disturbances if one.server_cpu is not None]
    return median(shares) if len(shares) == len(disturbances) else None


def unseen(disturbances: Sequence[Disturbance]) -> list[str]:
    """A line on those of which nobody tells, where there are any."""
    if not (unknown := sum(one.unknown for one in disturbances)):
        return []
    return [
        f"UNSEEN: whether other load disturbed {unknown} of {len(disturbances)} loads cannot be told, because "
        "/proc/stat does not list all CPUs that we measured on (containers may number them anew)."
    ]
