"""What will be measured, as data. Nothing here starts, reads or waits for anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from loadtest.clients.probe import Schedule
from loadtest.contestants.contestants import MODELS, Contestant, command_line
from loadtest.system.cpu_sets import CpuSets


@dataclass(frozen=True)
class Cell:
    """One kind of load for wrk, in each `every`-th round, and for the ballast variants too where `ballast` says so."""

    name: str
    path: str
    every: int = 1
    ballast: bool = False

    @property
    def route(self) -> str:
        return self.path.partition("?")[0]


@dataclass(frozen=True)
class MemoryPlateau:
    """Every connection has a request in hand while the memory is read."""

    sleep: int = 1000  # milliseconds


@dataclass(frozen=True)
class Crowd:
    """More keep-alive clients than a pool has workers; who is served at all?"""

    clients: int = 64
    seconds: float = 1.0
    path: str = "/sleep?ms=20"
    rotation: int = 5  # requests per connection, for the second run of the pools


@dataclass(frozen=True)
class Crash:
    """A segmentation fault under a light load on a fixed schedule; times in seconds from the first request."""

    clients: int = 8
    rate: int = 100  # requests a second, over all clients
    path: str = "/sleep?ms=50"  # so that some requests are in hand whenever the fault comes
    fault: str = "/fault/segv"
    fault_at: float = 0.7
    end: float = 2.0
    patience: float = 0.5


CONTESTANTS = tuple(model for model in MODELS if model.name != "fork-per-connection")  # of the main job

CELLS = (
    Cell("plaintext", "/plaintext", ballast=True),
    Cell("cpu", "/cpu?units=100"),
    # Its throughput is connections / delay in every model, and CPU time per request hardly varies.
    Cell("sleep", "/sleep?ms=10", every=2),
)

BALLASTED = "fork-per-request"
BALLASTS = (64, 512)


@dataclass(frozen=True)
class Plan:
    contestants: tuple[Contestant, ...]
    cpus: CpuSets
    cells: tuple[Cell, ...] = CELLS
    rounds: int = 6
    duration: int = 1  # seconds of each wrk run; wrk takes no fractions
    connections: int = 16
    newcomers: Schedule = field(default_factory=Schedule)
    memory: MemoryPlateau = field(default_factory=MemoryPlateau)
    crowd: Crowd = field(default_factory=Crowd)
    crash: Crash = field(default_factory=Crash)
    runner: str = "local"

    @property
    def load_cpus(self) -> tuple[int, ...]:
        return self.cpus.load

    @property
    def workers(self) -> int:
        """Of a pool: one for each connection of wrk, one for the newcomers and one for /stats."""
        return self.connections + 2


def smoke(plan: Plan) -> Plan:
    """The same steps, once and short: for the question whether they all work."""
    return replace(
        plan,
        rounds=1,
        duration=1,
        memory=replace(plan.memory, sleep=500),
        crowd=replace(plan.crowd, seconds=0.7),
        crash=replace(plan.crash, fault_at=0.4, end=1.0),
    )


@dataclass(frozen=True)
class LoadStep:
    contestant: Contestant
    round: int  # from 1
    cell: Cell


@dataclass(frozen=True)
class MemoryStep:
    contestant: Contestant


@dataclass(frozen=True)
class CrowdStep:
    contestant: Contestant
    rotation: int | None  # requests per connection; None: the server's default


@dataclass(frozen=True)
class CrashStep:
    contestant: Contestant


Step = LoadStep | MemoryStep | CrowdStep | CrashStep


def steps(plan: Plan) -> Iterator[Step]:
    """In the order of execution. All that is measured once follows the first round, so that an interrupted
    run has something to say on every question."""
    for number in range(1, plan.rounds + 1):
        yield from _round(plan, number)
        if number == 1:
            yield from _once(plan)


def _round(plan: Plan, number: int) -> Iterator[LoadStep]:
    for cell in plan.cells:
        if (number - 1) % cell.every == 0:
            yield from (LoadStep(contestant, number, cell) for contestant in contestants_of(plan, cell))


def contestants_of(plan: Plan, cell: Cell) -> Iterator[Contestant]:
    for contestant in plan.contestants:
        yield contestant
        if cell.ballast and contestant.name == BALLASTED:
            yield from (contestant.with_ballast(ballast) for ballast in BALLASTS)


def _once(plan: Plan) -> Iterator[Step]:
    yield from (MemoryStep(contestant) for contestant in plan.contestants)
    yield from (CrowdStep(contestant, None) for contestant in plan.contestants)
    yield from (CrowdStep(contestant, plan.crowd.rotation) for contestant in plan.contestants if contestant.known.pool)
    yield from (CrashStep(contestant) for contestant in plan.contestants)
    alone = [contestant for contestant in plan.contestants if not contestant.known.has_parent]
    yield from (CrashStep(contestant.supervised()) for contestant in alone)


def seconds(plan: Plan, step: Step) -> float:
    """How long a step takes, about."""
    overhead = 0.2  # start and drain
    match step:
        case LoadStep():
            return plan.duration + overhead
        case MemoryStep():
            return plan.memory.sleep / 1000 + overhead
        case CrowdStep():
            return plan.crowd.seconds + overhead
        case CrashStep():
            return plan.crash.end + overhead


def describe(step: Step) -> str:
    match step:
        case LoadStep():
            return f"round {step.round}, {step.cell.path}: {step.contestant.name}"
        case MemoryStep():
            return f"memory: {step.contestant.name}"
        case CrowdStep():
            return f"a crowd of clients{' with rotation' if step.rotation else ''}: {step.contestant.name}"
        case CrashStep():
            return f"a crash: {step.contestant.name}"


def server_arguments(plan: Plan, step: Step) -> list[str]:
    """The server's command line, from the executable's name on."""
    more: list[str] = []
    if isinstance(step, CrowdStep) and step.rotation:
        more += ["--max-requests-per-connection", str(step.rotation)]
    if isinstance(step, CrashStep):
        more += ["--enable-faults"]
    return command_line(step.contestant, plan.workers, len(plan.cpus.server), more)
