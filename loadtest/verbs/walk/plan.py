"""Whose walks are taken, as data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from loadtest.engine.run import BaseSettings
from loadtest.system.cpu_sets import CpuSets


@dataclass(frozen=True)
class WalkSettings(BaseSettings):
    cpus: CpuSets
    path: str = "/plaintext"
    runner: str = "local"

    @property
    def duration(self) -> float:
        return 3.0


@dataclass(frozen=True)
class WalkStep:
    contestant: str
    round: int = 1

    @property
    def what(self) -> str:
        return "the walk of a request"


def steps(settings: WalkSettings) -> Iterator[WalkStep]:
    yield from (WalkStep(one.name) for one in settings.contestants)


def seconds(settings: WalkSettings, step: WalkStep) -> float:
    """How long it takes, about: start, strace, requests, drain."""
    return settings.duration + 1.5
