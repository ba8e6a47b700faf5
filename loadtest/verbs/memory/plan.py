"""What an idle connection costs, and how long forked workers share their parent's memory, as data. Nothing here starts,
reads or waits for anything.

Every level has a server of its own. One that is stepped up through the levels would show its allocator's history: what
level 1,000 has freed serves level 5,000, and a pool cannot grow anyway.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random

from loadtest.contestants.contestants import Contestant, gives
from loadtest.engine.run import Environment, Failure
from loadtest.system.cpu_sets import CpuSets
from loadtest.system.machine_memory import MachineMemory
from loadtest.system.memory import Memory

LEVELS = (0, 100, 1_000, 5_000, 10_000)
PACE = "quartet-pace"

# Who is looked at while it answers requests: forked workers, and a single process as the reference.
DECAYING = ("prefork", "epoll")


@dataclass(frozen=True)
class Decay:
    """Requests under which memory that workers share with their parent since the fork may become their own."""

    requests: tuple[int, ...] = (0, 100, 1_000, 10_000)  # that each worker has answered when it is looked at
    workers: int = 4
    ballast: int = 64  # MiB that the parent has written before the fork: something to share
    path: str = "/bytes?n=16384"  # made on the heap, for each request
    rate: int = 5_000  # requests a second, over all workers


@dataclass(frozen=True)
class IdleSettings:
    """All that was asked for: a folder holds it, and --resume goes on with it."""

    contestants: tuple[Contestant, ...]
    cpus: CpuSets
    levels: tuple[int, ...] = LEVELS  # connections
    rounds: int = 3
    seed: int = 1  # of the order of each round
    ballast: int = 0  # MiB, of every server that can hold some
    most_workers: int = 1_000  # connections of the largest pool that is tried
    sources: int = 4  # loopback addresses to connect from: each has its own ports
    duration: int = 60  # seconds within which connections are opened and looked at
    decay: Decay = field(default_factory=Decay)
    pace: str = PACE  # the executable, as the clients' side finds it
    runner: str = "local"

    @property
    def load_cpus(self) -> tuple[int, ...]:
        return self.cpus.load

    def contestant(self, name: str) -> Contestant:
        return next(one for one in self.contestants if one.name == name)


@dataclass(frozen=True)
class IdleStep:
    """That many idle connections."""

    round: int  # from 1
    contestant: Contestant
    connections: int


@dataclass(frozen=True)
class DecayStep:
    """Memory that is shared at first, under more and more requests."""

    contestant: Contestant


Step = IdleStep | DecayStep


def model(contestant: Contestant) -> str:
    """Of a bare server or a peer: the one that it is compared with."""
    return contestant.model or contestant.name


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


def steps(settings: IdleSettings) -> Iterator[Step]:
    """Round by round, each in an order of its own; what is looked at once follows the first round, so that an
    interrupted run has something on both questions."""
    for number in range(1, settings.rounds + 1):
        yield from _round(settings, number)
        if number == 1:
            yield from (DecayStep(one) for one in settings.contestants if _decays(one))


def _round(settings: IdleSettings, number: int) -> list[IdleStep]:
    tried = [
        IdleStep(number, contestant, connections)
        for contestant in settings.contestants
        for connections in settings.levels
        if not absence(settings, contestant, connections)
    ]
    Random(f"{settings.seed}, round {number}").shuffle(tried)
    return tried


def _decays(contestant: Contestant) -> bool:
    return contestant.ours and model(contestant) in DECAYING


def seconds(settings: IdleSettings, step: Step) -> float:
    """How long a step takes, about: start, load, looks until nothing moves, drain."""
    if isinstance(step, DecayStep):
        return 2 + settings.decay.workers * max(settings.decay.requests) / settings.decay.rate
    per_connection = 3e-3 if step.contestant.known.one_client_per_worker else 2e-4  # a process takes its time
    return 1.5 + step.connections * per_connection


def describe(step: Step) -> str:
    if isinstance(step, DecayStep):
        return f"copy-on-write: {step.contestant.name}"
    return f"round {step.round}, {step.connections:,} idle connections: {step.contestant.name}"


def workers(settings: IdleSettings, step: Step) -> int:
    """Of a pool: one for each connection, one for /stats, and one to spare."""
    return step.connections + 2 if isinstance(step, IdleStep) else settings.decay.workers


def held_by(settings: IdleSettings, step: Step) -> Contestant:
    """The contestant with the ballast of this step."""
    if not step.contestant.takes_options:
        return step.contestant
    ballast = settings.decay.ballast if isinstance(step, DecayStep) else settings.ballast
    return replace(step.contestant, ballast=ballast or step.contestant.ballast)


def more_options(step: Step) -> list[str]:
    """Of all but peers: no bound but the machine's, and all the time in the world."""
    if not step.contestant.takes_options:
        return []
    unlimited = ("--max-connections", "--keep-alive-timeout", "--max-requests-per-connection")
    return [word for option in unlimited if not gives(step.contestant, option) for word in (option, "0")]


@dataclass
class Held:
    """What the clients' side has seen of its idle connections."""

    command: str
    served: int  # connections that were open at once, after one answer each
    counted: int | None  # idle connections by the server's own count; None: it has no /stats
    cpu_seconds: float = 0.0


@dataclass
class IdleRun:
    contestant: str
    round: int
    connections: int
    server_command: str
    client: Held
    memory: Memory
    machine: MachineMemory | None  # more than without server and connections, both ends of these
    machine_left: int | None  # bytes of it that were still there afterwards, or less than before: its uncertainty
    machine_problem: str = ""  # why it is None

    @property
    def shared(self) -> int | None:
        """Bytes that more than one process maps, counted once: PSS without what is private."""
        return shared(self.memory)

    @property
    def kernel(self) -> int | None:
        """What the kernel has taken for the server: its container's share, or else the machine's change, in which
        the clients' ends are."""
        group = self.memory.group
        if group is None:
            return self.machine.total if self.machine else None
        return None if group.kernel is None else group.kernel + (group.sockets or 0)


def shared(memory: Memory) -> int | None:
    return None if memory.pss is None or memory.private is None else memory.pss - memory.private


@dataclass
class DecayPoint:
    requests: int  # of each worker, since its start
    memory: Memory
    private: list[int]  # of each process, in bytes


@dataclass
class DecayRun:
    contestant: str
    server_command: str
    client_commands: list[str]
    points: list[DecayPoint]


@dataclass
class IdleResults:
    verb: str
    environment: Environment
    settings: IdleSettings
    idle: list[IdleRun] = field(default_factory=list)
    decay: list[DecayRun] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    state: str = "running"  # then: complete, interrupted, failed
    seconds: float = 0
