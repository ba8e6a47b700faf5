"""Whether others used the CPUs that we measure on (proc(5), stat)."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.results import Disturbance
from loadtest.tree import TICK

CPU_LINE = re.compile(r"^cpu(\d+) (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class CpuTimes:
    """Seconds since boot."""

    idle: float  # waiting for I/O included
    steal: float


@dataclass(frozen=True)
class Reading:
    time: float
    own: float  # CPU seconds of this process: harness and probe
    cpus: dict[int, CpuTimes]


def parse(stat: str) -> dict[int, CpuTimes]:
    """The CPUs in /proc/stat: user nice system idle iowait irq softirq steal ..."""
    times = {int(number): [int(ticks) * TICK for ticks in rest.split()] for number, rest in CPU_LINE.findall(stat)}
    return {number: CpuTimes(fields[3] + fields[4], fields[7]) for number, fields in times.items()}


def read() -> Reading:
    with open("/proc/stat", encoding="ascii") as file:
        return Reading(time.monotonic(), time.process_time(), parse(file.read()))


def foreign(before: Reading, after: Reading, cpus: Sequence[int], ours: float) -> float:
    """The share of those CPUs that others took, given the CPU seconds that we know of."""
    window = (after.time - before.time) * len(cpus)
    idle = sum(after.cpus[cpu].idle - before.cpus[cpu].idle for cpu in cpus)
    steal = sum(after.cpus[cpu].steal - before.cpus[cpu].steal for cpu in cpus)
    return max(0.0, (window - idle - steal - ours) / window)


def disturbance(
    before: Reading,
    after: Reading,
    server_cpus: Sequence[int],
    load_cpus: Sequence[int],
    server_seconds: float,
    wrk_seconds: float,
) -> Disturbance:
    """On a machine with one CPU, server and load are one budget."""
    load_seconds = wrk_seconds + after.own - before.own
    if set(server_cpus) & set(load_cpus):
        server_seconds = load_seconds = server_seconds + load_seconds
    both = sorted({*server_cpus, *load_cpus})
    stolen = sum(after.cpus[cpu].steal - before.cpus[cpu].steal for cpu in both)
    return Disturbance(
        server_cpu=foreign(before, after, server_cpus, server_seconds),
        load_cpu=foreign(before, after, load_cpus, load_seconds),
        steal=stolen / (after.time - before.time) / len(both),
    )
