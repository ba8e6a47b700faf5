"""The walks of one request, as data."""

from __future__ import annotations

from dataclasses import dataclass, field

from loadtest.contestants.contestants import Contestant
from loadtest.engine.run import Environment, Failure
from loadtest.system.cpu_sets import CpuSets
from loadtest.verbs.walk.sequence import Walk


@dataclass(frozen=True)
class WalkSettings:
    contestants: tuple[Contestant, ...]
    cpus: CpuSets
    path: str = "/plaintext"
    runner: str = "local"

    @property
    def load_cpus(self) -> tuple[int, ...]:
        return self.cpus.load


@dataclass
class WalkResults:
    verb: str
    environment: Environment
    settings: WalkSettings
    walks: list[Walk] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    state: str = "running"  # then: complete, interrupted, failed
    seconds: float = 0
