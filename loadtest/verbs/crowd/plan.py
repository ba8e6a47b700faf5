"""More keep-alive clients than a pool has workers, as data: who is served at all? Nothing here starts, reads or waits
for anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from loadtest.clients.pace import EXECUTABLE, Schedule
from loadtest.engine.run import BaseSettings
from loadtest.system.cpu_sets import CpuSets


@dataclass(frozen=True)
class CrowdSettings(BaseSettings):
    cpus: CpuSets
    clients: int = 64
    workers: int = 18  # of a pool
    seconds: float = 1.0
    delay: int = 20  # milliseconds that an answer takes
    rotation: int = 5  # requests per connection, when the pools are tried once more
    newcomers: Schedule = Schedule()
    runner: str = "local"
    pace: str = EXECUTABLE  # where it is

    @property
    def path(self) -> str:
        return f"/sleep?ms={self.delay}"

    @property
    def rate(self) -> float:
        """Requests a second: twice what all clients together can be answered, so that each always has the next one."""
        return 2 * self.clients * 1000 / self.delay

    @property
    def duration(self) -> float:
        return self.seconds


@dataclass(frozen=True)
class CrowdStep:
    contestant: str
    rotation: int | None  # requests per connection; None: the server's default
    round: int = 1

    @property
    def what(self) -> str:
        return f"a crowd of clients{' with rotation' if self.rotation else ''}"


def steps(settings: CrowdSettings) -> Iterator[CrowdStep]:
    yield from (CrowdStep(one.name, None) for one in settings.contestants)
    yield from (CrowdStep(one.name, settings.rotation) for one in settings.contestants if one.known.pool)


def seconds(settings: CrowdSettings, step: CrowdStep) -> float:
    """With start and drain."""
    return settings.seconds + 0.3
