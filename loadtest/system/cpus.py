"""Which CPUs are the server's and which the load's, and whether others used them (proc(5), stat)."""

import gzip
import math
import operator
import os
import re
import time
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import median

from loadtest.system import procfs, usage


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
    """CPU time that others took, as a share of the measured time. None: /proc/stat does not tell of those CPUs.

    Pressure (/proc/pressure/cpu) is no measure of it: it also counts our own processes that wait for each other, as a
    pool's workers on one CPU always do, and it does not say on which CPU somebody waited."""

    server_cpu: float | None  # at least: what sampling may have made up is taken off
    load_cpu: float | None
    steal: float | None  # what the host took of one CPU, the worst

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
    """Seconds since boot, each rounded down to ticks."""

    idle: float  # waiting for I/O included
    steal: float
    user: float = 0.0
    system: float = 0.0  # without interrupts
    irq: float = 0.0
    softirq: float = 0.0

    @property
    def interrupts(self) -> float:
        return self.irq + self.softirq

    @property
    def busy(self) -> float:
        return self.user + self.system + self.interrupts


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
        found[int(cpu)] = CpuTimes(idle + iowait, steal, user + nice, system, irq, softirq)
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


IRQ_SHARE = 1e-5  # of the busy time, that hard interrupts take at least, where they are timed
ENOUGH = 100.0  # busy seconds since boot, in which that would show


def interrupts_apart(cpus: Mapping[int, CpuTimes]) -> bool | None:
    """Whether this kernel leaves interrupts out of the CPU time of the processes that they interrupt, and times them
    instead (CONFIG_IRQ_TIME_ACCOUNTING, CONFIG_VIRT_CPU_ACCOUNTING_NATIVE). None: cannot be told.

    By what it counts: without that, interrupt time is what the clock's tick happens to interrupt, and the tick, itself
    an interrupt, interrupts no other. So hard interrupts count next to nothing, and soft ones, which it does interrupt,
    something; a file that counts neither is made up (lxcfs)."""
    busy, irq = sum(one.busy for one in cpus.values()), sum(one.irq for one in cpus.values())
    if irq > max(IRQ_SHARE * busy, 10 * procfs.TICK):
        return True
    known = busy > ENOUGH and any(one.softirq for one in cpus.values())
    return False if known else None


def irq_time() -> str:
    """The same, as a word: yes, no, or "cannot be told". By the kernel's configuration where its counters are young."""
    apart = interrupts_apart(read().cpus)
    if apart is None and (config := _config()):
        names = "IRQ_TIME_ACCOUNTING|VIRT_CPU_ACCOUNTING_NATIVE"
        apart = re.search(f"^CONFIG_(?:{names})=y$", config, re.MULTILINE) is not None
    return {True: "yes", False: "no", None: "cannot be told"}[apart]


CONFIGS = (Path("/proc/config.gz"), Path(f"/boot/config-{os.uname().release}"))


def _config() -> str:
    """The kernel's; "" where nobody tells it."""
    for path in CONFIGS:
        with suppress(OSError):
            data = path.read_bytes()
            return (gzip.decompress(data) if path.suffix == ".gz" else data).decode(errors="replace")
    return ""


def foreign(before: Reading, after: Reading, cpus: Sequence[int], ours: float) -> float | None:
    """The share of those CPUs that others took at least, given the CPU seconds that we know of. None where it is not
    told.

    Busy time minus ours, never time that is not idle minus ours: the clock of an idle CPU stops, and what it spends
    in waking up is nobody's. Interrupts belong to the time of whom they interrupt, and then to both sides; where the
    kernel takes them out of it, they are left out here: most are for packets of the load itself. So is what cannot
    be told, lest a load be called disturbed for its own packets.
    """
    if not (times := _spent(before, after, cpus)):
        return None
    window = (after.time - before.time) * len(cpus)
    interrupts = times.interrupts if interrupts_apart(after.cpus) is False else 0.0
    busy = times.user + times.system + interrupts
    return max(0.0, (busy - ours - _sampling_error(busy, window, len(cpus))) / window)


def _sampling_error(busy: float, window: float, cpus: int) -> float:
    """Seconds that the busy time may be off, in 19 of 20 readings (two standard deviations). The clock's ticks sample
    it, so that it is binomial: a CPU that is busy for half the time is hardest to tell. Five fields of each CPU are
    rounded at both ends, and the clock of a process lags by up to a tick."""
    share = min(1.0, busy / window)
    sampled = usage.SAMPLED * window * share * (1 - share)
    rounded = cpus * (5 * procfs.TICK**2 + usage.SAMPLED**2) / 6
    return 2 * math.sqrt(sampled + rounded)


def stolen(before: Reading, after: Reading, cpus: Sequence[int]) -> float | None:
    """The share of one of those CPUs, the worst, that the host gave to other virtual machines. None where it is not
    told."""
    each = [_spent(before, after, [cpu]) for cpu in cpus]
    known = [times.steal for times in each if times]
    return max(known) / (after.time - before.time) if len(known) == len(each) else None


SAMPLES = 100  # ticks of work: the standard error of a share is then 5 points at most, 0.5 / sqrt(100)
LEAST_WORK = 20 * procfs.TICK  # below it the fields' own rounding adds as much


def system_share(before: Reading, after: Reading, cpus: Sequence[int]) -> float | None:
    """Of the time those CPUs worked, what was spent in the kernel, to some 5 points; None where too few ticks met them
    at work, or where it is not told.

    Sampled by the clock's ticks, like every split of CPU time in a kernel without CONFIG_VIRT_CPU_ACCOUNTING_GEN, but
    over the CPU and not by process: a child that lives for less than a tick has no split of its own.
    """
    times = _spent(before, after, cpus)
    if not times or times.busy < max(SAMPLES * usage.SAMPLED, LEAST_WORK) - procfs.TICK / 2:
        return None
    return (times.system + times.interrupts) / times.busy


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
