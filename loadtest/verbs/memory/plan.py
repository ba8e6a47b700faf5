"""What an idle connection costs, how long forked workers share their parent's memory, and what the main job's models
take, as data. Nothing here starts, reads or waits for anything.

Every level has a server of its own. One that is stepped up through the levels would show its allocator's history: what
level 1,000 has freed serves level 5,000, and a pool cannot grow anyway.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from random import Random

from loadtest.contestants.contestants import Contestant
from loadtest.engine.run import BaseSettings
from loadtest.system.cpu_sets import CpuSets

LEVELS = (0, 100, 1_000, 5_000, 10_000)

# Who is looked at while it answers requests: forked workers, and a single process as the reference.
WHO_SHARES = ("prefork", "epoll")


@dataclass(frozen=True)
class MemorySettings(BaseSettings):
    """What all three have."""

    cpus: CpuSets
    duration: int = 60  # seconds within which connections are opened, answered and looked at
    pace: str = "quartet-pace"  # the executable, as the clients' side finds it
    runner: str = "local"


def model(contestant: Contestant) -> str:
    """Of a bare server or a peer: the one that it is compared with."""
    return contestant.model or contestant.name


# --- idle connections


@dataclass(frozen=True)
class IdleSettings(MemorySettings):
    levels: tuple[int, ...] = LEVELS  # connections
    rounds: int = 3
    seed: int = 1  # of the order of each round
    ballast: int = 0  # MiB, of every server that can hold some
    most_workers: int = 1_000  # connections of the largest pool that is tried
    sources: int = 4  # loopback addresses to connect from: each has its own ports


@dataclass(frozen=True)
class IdleStep:
    round: int  # from 1
    contestant: str
    connections: int

    @property
    def what(self) -> str:
        return f"{self.connections:,} idle connections"


def idle_cell(step: IdleStep) -> Hashable:
    """What is the same in every round."""
    return step.contestant, step.connections


def absence(settings: IdleSettings, contestant: Contestant, connections: int) -> str:
    """Why that many connections are not tried; mostly ""."""
    facts = contestant.known
    if not facts.one_client_per_worker or connections <= settings.most_workers:
        return ""
    if facts.worker == "thread":
        return f"needs a thread for each connection: {connections + 2:,} threads"
    if facts.pool:
        return f"a pool needs a worker for each connection: {connections + 2:,} processes"
    return f"forks a process for each connection: {connections:,} processes"


def idle_steps(settings: IdleSettings) -> Iterator[IdleStep]:
    """Round by round, each in an order of its own."""
    for number in range(1, settings.rounds + 1):
        tried = [
            IdleStep(number, contestant.name, connections)
            for contestant in settings.contestants
            for connections in settings.levels
            if not absence(settings, contestant, connections)
        ]
        Random(f"{settings.seed}, round {number}").shuffle(tried)
        yield from tried


def idle_seconds(settings: IdleSettings, step: IdleStep) -> float:
    """How long a step takes, about: start, connections, looks until nothing moves, drain."""
    forks = settings.contestant(step.contestant).known.one_client_per_worker
    return 1.5 + step.connections * (3e-3 if forks else 2e-4)  # a process takes its time


# --- copy-on-write


@dataclass(frozen=True)
class SharingSettings(MemorySettings):
    """Requests under which memory that workers share with their parent since the fork may become their own."""

    requests: tuple[int, ...] = (0, 100, 1_000, 10_000)  # that each worker has answered when it is looked at
    workers: int = 4
    ballast: int = 64  # MiB that the parent has written before the fork: something to share
    path: str = "/bytes?n=16384"  # made on the heap, for each request
    rate: int = 5_000  # requests a second, over all workers


@dataclass(frozen=True)
class SharingStep:
    contestant: str
    round: int = 1

    @property
    def what(self) -> str:
        return "copy-on-write"


def sharing_steps(settings: SharingSettings) -> Iterator[SharingStep]:
    """Of those who are looked at. Which these are is known here and no earlier: a variant's model is a fact that its
    server tells."""
    yield from (SharingStep(one.name) for one in settings.contestants if one.ours and model(one) in WHO_SHARES)


def sharing_seconds(settings: SharingSettings, step: SharingStep) -> float:
    return 2 + settings.workers * max(settings.requests) / settings.rate


# --- plateaus


@dataclass(frozen=True)
class PlateauSettings(MemorySettings):
    connections: int = 16
    sleep: int = 1_000  # milliseconds that every connection has a request in hand, in which the memory is read


@dataclass(frozen=True)
class PlateauStep:
    contestant: str
    round: int = 1

    @property
    def what(self) -> str:
        return "memory"


def plateau_steps(settings: PlateauSettings) -> Iterator[PlateauStep]:
    yield from (PlateauStep(one.name) for one in settings.contestants)


def plateau_seconds(settings: PlateauSettings, step: PlateauStep) -> float:
    return settings.sleep / 1000 + 0.3
