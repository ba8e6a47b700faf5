"""What is asked of memory, and what came of it, as data: the price of an idle connection, what forked workers share
with their parent, and what the main job's models take. Sizes of results are in bytes.

Every level has a server of its own. One that is stepped up through the levels would show its allocator's history: what
level 1,000 has freed serves level 5,000, and a pool cannot grow anyway.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from loadtest.contestants.contestants import Contestant
from loadtest.engine.run import BaseSettings, Result
from loadtest.system.cpus import CpuSets
from loadtest.system.memory import MachineMemory, Memory

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


@dataclass
class IdleObservation:
    command: str
    served: int  # connections that were open at once, after one answer each
    counted: int | None  # idle connections by the server's own count; None: it has no /stats
    cpu_seconds: float = 0.0


@dataclass(kw_only=True)
class IdleResult(Result):
    step: IdleStep
    client: IdleObservation
    memory: Memory
    machine: MachineMemory | None  # more than without server and connections, both ends of these
    machine_left: int | None  # of it what was still there afterwards, or less than before: its uncertainty
    machine_problem: str = ""  # why it is None

    @property
    def kernel(self) -> int | None:
        """What the kernel has taken for the server: its container's share, or else the machine's change, in which
        the clients' ends are."""
        group = self.memory.group
        if group is None:
            return self.machine.total if self.machine else None
        return None if group.kernel is None else group.kernel + (group.sockets or 0)


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
    what: ClassVar[str] = "copy-on-write"
    contestant: str
    round: int = 1


def sharing_steps(settings: SharingSettings) -> list[SharingStep]:
    """Known here and no earlier: a variant's model is a fact that its server tells."""
    ours = [one for one in settings.contestants if one.ours]
    return [SharingStep(one.name) for one in ours if (one.model or one.name) in WHO_SHARES]


@dataclass
class SharingPoint:
    requests: int  # of each worker, since its start
    memory: Memory
    private: list[int]  # of each process


@dataclass(kw_only=True)
class SharingResult(Result):
    step: SharingStep
    client_commands: list[str]
    points: list[SharingPoint]


@dataclass(frozen=True)
class PlateauSettings(MemorySettings):
    connections: int = 16
    sleep: int = 1_000  # milliseconds that every connection has a request in hand, in which the memory is read


@dataclass(frozen=True)
class PlateauStep:
    what: ClassVar[str] = "memory"
    contestant: str
    round: int = 1


@dataclass(kw_only=True)
class PlateauResult(Result):
    step: PlateauStep
    client_commands: list[str]
    at_start: Memory
    busy: Memory  # every connection has a request in hand
    idle: Memory  # the same connections, answered
