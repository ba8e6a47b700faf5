"""Files of procfs, sysfs and cgroupfs that tell what a machine is. What is not there is "", 0, None or empty."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

UNLIMITED = 2**60  # bytes; version 1 of control groups writes a number a little below 2**63


@dataclass(frozen=True)
class Group:
    """The control group that we are in: the tightest limits of it and of those around it. None: unlimited."""

    version: int | None  # None: there are no control groups to be seen
    cpus: float | None  # a quota of CPU time, in CPUs
    memory: int | None  # bytes
    cpuset: str  # such as "0-3"; "" where it is not told
    processes: int | None


@dataclass(frozen=True)
class Machine:
    root: Path = Path("/")

    def text(self, path: str) -> str:
        try:
            return (self.root / path).read_text(errors="replace").strip()
        except OSError:
            return ""

    def number(self, path: str) -> int | None:
        text = self.text(path)
        return int(text) if text.lstrip("-").isdigit() else None

    def field(self, path: str, name: str) -> str:
        """Of lines such as "model name : Xeon"."""
        found = re.search(rf"^{name}\s*:\s*(.+)$", self.text(path), re.MULTILINE)
        return found[1] if found else ""

    def kibibytes(self, path: str, name: str) -> int:
        """In bytes."""
        words = self.field(path, name).split()
        return int(words[0]) * 1024 if words else 0

    def cpu_list(self, path: str) -> list[int]:
        return parse_cpu_list(self.text(path))

    def pressure(self) -> dict[str, float] | None:
        """Percent of the last ten seconds in which somebody waited for it (Documentation/accounting/psi.rst)."""
        found = {name: _some(self.text(f"proc/pressure/{name}")) for name in ("cpu", "memory", "io")}
        told = {name: share for name, share in found.items() if share is not None}
        return told or None

    def group(self) -> Group:
        """Of this process; in a container its own group is at the top of what is mounted."""
        members = dict(_memberships(self.text("proc/self/cgroup")))
        if {"cpu", "memory"} & members.keys():
            return Version1(self, members).group()
        return Version2(self, members[""]).group() if "" in members else Group(None, None, None, "", None)


def parse_cpu_list(text: str) -> list[int]:
    """From "0-2,8"."""
    ranges = (part.partition("-") for part in text.split(",") if part)
    return [cpu for first, _, last in ranges for cpu in range(int(first), int(last or first) + 1)]


def _some(pressure: str) -> float | None:
    found = re.search(r"^some avg10=([\d.]+)", pressure)
    return float(found[1]) if found else None


def _memberships(text: str) -> Iterator[tuple[str, str]]:
    """Of each controller, "" for version 2, the path below /sys/fs/cgroup (cgroups(7))."""
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            yield controller, f"{controllers}/{path.strip('/')}".strip("/")


def _around(path: str) -> Iterator[str]:
    """A group and those around it."""
    while path:
        yield f"{path}/"
        path = path.rpartition("/")[0]
    yield ""


def _tightest(limits: Iterator[float | None]) -> float | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _whole(limit: float | None) -> int | None:
    return None if limit is None else int(limit)


@dataclass(frozen=True)
class Version2:
    machine: Machine
    path: str

    def group(self) -> Group:
        return Group(
            version=2,
            cpus=_tightest(self._quota(text) for text in self._texts("cpu.max")),
            memory=_whole(_tightest(self._number(text) for text in self._texts("memory.max"))),
            cpuset=next(filter(None, self._texts("cpuset.cpus.effective")), ""),
            processes=_whole(_tightest(self._number(text) for text in self._texts("pids.max"))),
        )

    def _texts(self, name: str) -> Iterator[str]:
        return (self.machine.text(f"sys/fs/cgroup/{around}{name}") for around in _around(self.path))

    @staticmethod
    def _number(text: str) -> int | None:
        return int(text) if text.isdigit() else None  # "max"

    @staticmethod
    def _quota(text: str) -> float | None:
        quota, _, period = text.partition(" ")
        return int(quota) / int(period) if quota.isdigit() else None


@dataclass(frozen=True)
class Version1:
    machine: Machine
    members: dict[str, str]

    def group(self) -> Group:
        return Group(
            version=1,
            cpus=_tightest(map(self._quota, self._directories("cpu"))),
            memory=_whole(_tightest(self._number(one, "memory.limit_in_bytes") for one in self._directories("memory"))),
            cpuset=next(filter(None, map(self._cpuset, self._directories("cpuset"))), ""),
            processes=_whole(_tightest(self._number(one, "pids.max") for one in self._directories("pids"))),
        )

    def _directories(self, controller: str) -> Iterator[str]:
        """The last one is that of all controllers, where no limits are."""
        return (f"sys/fs/cgroup/{around}" for around in _around(self.members.get(controller, "")))

    def _number(self, directory: str, name: str) -> int | None:
        value = self.machine.number(directory + name)
        return value if value is not None and 0 <= value < UNLIMITED else None

    def _quota(self, directory: str) -> float | None:
        quota, period = (self.machine.number(f"{directory}cpu.cfs_{name}_us") for name in ("quota", "period"))
        return quota / period if quota and period and quota > 0 else None

    def _cpuset(self, directory: str) -> str:
        return self.machine.text(f"{directory}cpuset.effective_cpus") or self.machine.text(f"{directory}cpuset.cpus")
