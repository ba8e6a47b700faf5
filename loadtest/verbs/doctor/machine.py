"""The control group that we are in, and the pressure on the machine. What is not told is None or ""."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from loadtest.system import procfs

UNLIMITED = 2**60  # bytes; version 1 of control groups writes a number a little below 2**63
CPU_LISTS = ("cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus")  # the first is version 2's

Limit = TypeVar("Limit", int, float)


@dataclass(frozen=True)
class Group:
    """The tightest limits of our group and of those around it. None: unlimited."""

    version: int | None  # None: there are no control groups to be seen
    cpus: float | None  # a quota of CPU time, in CPUs
    memory: int | None  # bytes
    cpuset: str  # such as "0-3"; "" where it is not told
    processes: int | None


def group(root: Path = Path("/")) -> Group:
    """Of this process; in a container its own group is at the top of what is mounted. Both versions are read alike:
    neither has the files of the other."""
    members = procfs.memberships(procfs.text(root / "proc/self/cgroup"))
    first = bool({"cpu", "memory"} & members.keys())
    if not first and "" not in members:
        return Group(None, None, None, "", None)

    def around(controller: str) -> Iterator[Path]:
        return _around(root / "sys/fs/cgroup", members.get(controller if first else "", ""))

    return Group(
        version=1 if first else 2,
        cpus=_tightest(_quota, around("cpu")),
        memory=_tightest(lambda one: _limit(one, "memory.max", "memory.limit_in_bytes"), around("memory")),
        cpuset=next(filter(None, map(_cpuset, around("cpuset"))), ""),
        processes=_tightest(lambda one: _limit(one, "pids.max"), around("pids")),
    )


def _around(root: Path, path: str) -> Iterator[Path]:
    """A group and those around it; the last one is that of all controllers, where no limits are."""
    directory = root / path
    return iter([directory, *(one for one in directory.parents if one.is_relative_to(root))])


def _tightest(read: Callable[[Path], Limit | None], directories: Iterator[Path]) -> Limit | None:
    return min((limit for limit in map(read, directories) if limit is not None), default=None)


def _limit(directory: Path, *names: str) -> int | None:
    found = (procfs.number(directory / name) for name in names)
    return next((limit for limit in found if limit is not None and 0 <= limit < UNLIMITED), None)


def _quota(directory: Path) -> float | None:
    parts = (procfs.text(directory / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    quota, _, period = (procfs.text(directory / "cpu.max") or " ".join(parts)).partition(" ")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None  # "max", or -1


def _cpuset(directory: Path) -> str:
    return next(filter(None, (procfs.text(directory / name) for name in CPU_LISTS)), "")


def pressure(root: Path = Path("/")) -> dict[str, float] | None:
    """Percent of the last ten seconds in which somebody waited for it (Documentation/accounting/psi.rst)."""
    texts = {name: procfs.text(root / "proc/pressure" / name) for name in ("cpu", "memory", "io")}
    found = {name: re.search(r"^some avg10=([\d.]+)", text) for name, text in texts.items()}
    return {name: float(some[1]) for name, some in found.items() if some} or None
