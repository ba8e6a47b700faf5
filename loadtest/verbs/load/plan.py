"""What the verbs measure under load, as data, and in which order. A cell is one contestant under one load; a trial is
one cell in one round, with a server of its own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from random import Random
from typing import TypeVar

from loadtest.clients import pace
from loadtest.clients.pace import Schedule
from loadtest.contestants.contestants import Workload
from loadtest.document.figures import plural
from loadtest.engine.run import BaseSettings, Labels
from loadtest.system.cpus import CpuSets

Item = TypeVar("Item")
WRK, PACE = "wrk", pace.EXECUTABLE  # who asks
EVEN, POISSON = "even", "poisson"
ARRIVALS = {EVEN: "evenly spaced", POISSON: "Poisson", "": "evenly spaced"}


@dataclass(frozen=True)
class Cell:
    contestant: str
    workload: str
    connections: int
    cpus: int = 1  # the server's budget
    keep_alive: bool = True
    pipeline: int = 1  # requests sent at once on a connection
    rate: float | None = None  # requests a second, at constant rate; None: each client asks again when it is answered
    client: str = "wrk"  # the program that asks
    arrivals: str = ""  # at constant rate: EVEN or POISSON

    @property
    def load(self) -> str:
        """All but the contestant: cells of one load stand in one table."""
        return self.load_but("contestant")

    def load_but(self, field: str) -> str:
        """What loads have in common that differ in that field alone."""
        rate = None if self.rate is None else f"{self.rate:,.0f} requests/s ({ARRIVALS[self.arrivals]})"
        parts = {
            "workload": self.workload,
            "connections": plural(self.connections, "connection"),
            "keep_alive": "" if self.keep_alive else "a fresh one for each request",
            "pipeline": f"{self.pipeline} requests at once" if self.pipeline > 1 else "",
            "rate": rate,
            "client": f"asked by {self.client}" if self.rate is None and self.client != WRK else "",
            "cpus": plural(self.cpus, "server CPU"),
        }
        return ", ".join(text for name, text in parts.items() if text and name != field)

    def __str__(self) -> str:
        return f"{self.contestant}: {self.load}"


@dataclass(frozen=True)
class Gate:
    """What latency must stay below, or the run fails: a quantile of metrics.LATENCIES, in milliseconds."""

    quantile: str
    milliseconds: float


@dataclass(frozen=True)
class Settings(BaseSettings):
    workloads: tuple[Workload, ...]
    budgets: dict[int, CpuSets]  # by number of server CPUs
    connections: tuple[int, ...] = (16,)
    rates: tuple[float, ...] = ()  # of constant-rate loads
    closed: bool = True  # closed-loop loads
    client: str = WRK  # of these
    arrivals: str = POISSON  # of constant rates: as of clients who do not know of each other
    keep_alive: bool = True
    pipeline: int = 1
    rounds: int = 6
    duration: int = 2  # seconds of each load
    seed: int = 1  # of the order of the rounds
    workers: int | None = None  # of the pools; None: two more than connections
    rounds_of_a_try: int = 0  # of the instrument against itself, which tries again and again
    preset: str = ""
    runner: str = "local"
    pace: str = "quartet-pace"  # where it is
    gates: tuple[Gate, ...] = ()
    newcomers: Schedule = Schedule()
    counts_system_calls: bool = True  # beside each cell's first trial, which takes a second more

    @property
    def cpus(self) -> CpuSets:
        return next(iter(self.budgets.values()))

    def workload(self, name: str) -> Workload:
        return next(one for one in self.workloads if one.name == name)

    def load_threads(self, cell: Cell) -> int:
        """quartet-pace has one; wrk as many as there are CPUs for the load and as divide the connections, because it
        opens equally many in each."""
        most = 1 if cell.client == PACE else len(self.budgets[cell.cpus].load)
        return max(threads for threads in range(1, most + 1) if cell.connections % threads == 0)


@dataclass(frozen=True)
class TrialStep:
    round: int  # from 1
    cell: Cell
    counts_system_calls: bool = False

    @property
    def contestant(self) -> str:
        return self.cell.contestant

    @property
    def what(self) -> str:
        return self.cell.load


def cells(settings: Settings) -> list[Cell]:
    """All combinations that make sense."""
    kept, closed, paced = settings.keep_alive, (settings.client, ""), (PACE, settings.arrivals)
    loops: list[tuple[int, float | None, str, str]] = [(settings.pipeline, None, *closed)] if settings.closed else []
    loops += [(1, rate, *paced) for rate in settings.rates]
    return [
        Cell(contestant.name, workload.name, connections, cpus, kept, *loop)
        for loop in loops
        for cpus in settings.budgets
        for workload in settings.workloads
        for connections in settings.connections
        for contestant in settings.contestants
        if not contestant.paths or workload.path in contestant.paths
    ]


def steps(settings: Settings) -> Iterator[TrialStep]:
    """Round by round, each in an order of its own. Who is compared stays together: a machine drifts."""
    groups = [list(group) for _, group in groupby(cells(settings), key=lambda cell: cell.load)]
    for number, row in enumerate(order_in_groups(groups, settings.rounds, settings.seed), start=1):
        yield from (TrialStep(number, cell, settings.counts_system_calls and number == 1) for cell in row)


def order(items: Sequence[Item], rounds: int, seed: int) -> list[list[Item]]:
    """For each round all items, in an order that the seed decides.

    Latin squares of Williams' kind, one after another, each with its items and rows shuffled: in every len(items)
    rounds everybody has every place once, and over a square (two squares for an odd number) everybody follows
    everybody else once, so that no one always inherits the caches, or the throttled CPU, of the same neighbour.
    (E. J. Williams, Experimental designs balanced for the estimation of residual effects of treatments, 1949.)
    """
    random, found = Random(seed), list[list[Item]]()
    while items and len(found) < rounds:
        named = random.sample(items, len(items))
        for square in _squares(len(items)):
            found += [[named[i] for i in row] for row in random.sample(square, len(square))]
    return found[:rounds] or [[] for _ in range(rounds)]


def order_in_groups(groups: Sequence[Sequence[Item]], rounds: int, seed: int) -> list[list[Item]]:
    """The same for items that are compared only within their group, such as the contestants under one load: they stay
    together, because a machine that drifts differs less between neighbours. Groups change places as items do."""
    random = Random(seed)
    places = order(range(len(groups)), rounds, random.getrandbits(64))
    ordered = [order(group, rounds, random.getrandbits(64)) for group in groups]
    return [[item for place in places[number] for item in ordered[place][number]] for number in range(rounds)]


def _squares(size: int) -> list[list[list[int]]]:
    """Williams' square; an odd one needs its mirror image as well."""
    zigzag = [i // 2 if i % 2 == 0 else size - 1 - i // 2 for i in range(size)]
    square = [[(i + shift) % size for i in zigzag] for shift in range(size)]
    return [square, [row[::-1] for row in square]] if size % 2 else [square]


def seconds(settings: Settings, step: TrialStep) -> float:
    """How long a trial takes, about: start, load, drain, and a second of counting system calls."""
    return settings.duration + 0.4 + (1.4 if step.counts_system_calls else 0.0)


def labels(settings: Settings, step: TrialStep) -> Labels:
    cell = step.cell
    return Labels(
        cell.workload,
        cell.connections,
        cell.cpus,
        cell.keep_alive,
        cell.pipeline,
        cell.rate,
        cell.client,
        cell.arrivals,
    )


def checked(settings: Settings) -> Settings:
    """The same. Raises ValueError for what cannot be done."""
    if settings.pipeline > 1 and not settings.keep_alive:
        raise ValueError("--pipeline takes kept connections, not --fresh ones")
    if len({one.name for one in settings.contestants}) < len(settings.contestants):
        raise ValueError("a contestant is there twice")
    if not cells(settings):
        raise ValueError(f"none of these contestants serves {', '.join(one.path for one in settings.workloads)}")
    return settings
