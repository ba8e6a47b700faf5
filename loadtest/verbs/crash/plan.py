"""A segmentation fault under a light load on a fixed schedule, as data. Nothing here starts, reads or waits for
anything. Times are in seconds from the schedule's start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from loadtest.clients.pace import EXECUTABLE
from loadtest.contestants.contestants import Contestant
from loadtest.engine.run import BaseSettings
from loadtest.system.cpu_sets import CpuSets


@dataclass(frozen=True)
class CrashSettings(BaseSettings):
    cpus: CpuSets
    clients: int = 8
    workers: int = 18  # of a pool
    rate: int = 100  # requests a second, over all clients
    path: str = "/sleep?ms=50"  # so that some requests are in hand whenever the fault comes
    fault: str = "/fault/segv"
    fault_at: float = 0.7
    end: float = 2.0
    patience: float = 0.5  # of each client, from its request's send
    tolerance: float = 0.05  # that the client itself may be late with 1 % of its requests
    runner: str = "local"
    pace: str = EXECUTABLE  # where it is

    @property
    def requests(self) -> int:
        """That are watched: request k is due at k / rate, before the end."""
        return -(-self.rate * round(self.end * 1000) // 1000)

    @property
    def moments(self) -> tuple[float, float, float, float]:
        """When the server's processes are looked at: twice before the fault and twice after it. The load still goes on:
        where each connection has a process, that leaves with it."""
        return self.fault_at / 2, self.fault_at, (self.fault_at + self.end) / 2, self.end

    @property
    def duration(self) -> float:
        return self.end + self.patience

    def contestant_of(self, step: CrashStep) -> Contestant:
        """The one that crashes: its name says whether it has been given a parent."""
        found = self.contestant(step.contestant)
        return found.supervised() if step.supervised else found


@dataclass(frozen=True)
class CrashStep:
    contestant: str
    supervised: bool = False  # by a parent that it has not by itself
    round: int = 1

    @property
    def what(self) -> str:
        return f"a crash{' under a parent' if self.supervised else ''}"


def steps(settings: CrashSettings) -> Iterator[CrashStep]:
    yield from (CrashStep(one.name) for one in settings.contestants)
    alone = [one for one in settings.contestants if not one.known.has_parent]
    yield from (CrashStep(one.name, supervised=True) for one in alone)


def seconds(settings: CrashSettings, step: CrashStep) -> float:
    """With start and drain."""
    return settings.end + 0.3


def key(step: CrashStep) -> tuple[str, bool] | str:
    """What fails under a parent is not left out without one, nor the other way round."""
    return (step.contestant, True) if step.supervised else step.contestant
