"""What a trial gave, its numbers by the names of engine/metrics.py, and the series of a cell's trials. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from statistics import median
from typing import Self

from loadtest.clients.client_side import ClientSide, Newcomers, Quantiles
from loadtest.contestants.contestants import Contestant
from loadtest.engine.metrics import LATENCIES
from loadtest.engine.run import Part, Result
from loadtest.statistics.differences import Ratio, paired
from loadtest.statistics.validity import bottleneck
from loadtest.system.cpus import Disturbance, taken
from loadtest.system.memory import Memory
from loadtest.system.procfs import Switches
from loadtest.verbs.load.plan import Cell, Settings, TrialStep, cells


@dataclass(kw_only=True)
class Trial(Result):
    """Times are in seconds, latencies in microseconds."""

    step: TrialStep
    client: ClientSide
    server_cpu_seconds: float  # of the whole process tree, dead children included
    system_share: float | None  # of that time, spent in the kernel
    switches: Switches | None  # None: nobody counted those of dead processes
    system_calls: float | None = None  # per request, of a short run of its own: counting them takes time
    system_calls_problem: str = ""  # why there are none, where they were counted
    clients_served: int | None  # None: the server cannot tell
    newcomers: Newcomers
    memory: Memory | None  # amid the load
    disturbance: Disturbance

    @property
    def cell(self) -> Cell:
        return self.step.cell

    @property
    def round(self) -> int:
        return self.step.round

    @property
    def answered(self) -> int:
        """Requests that the server answered: the load's and the newcomers'."""
        return self.client.requests + self.newcomers.served


def values(trial: Trial) -> dict[str, float | None]:
    """None: not measured."""
    client, switches, memory, system = trial.client, trial.switches, trial.memory, trial.system_share
    cpu = trial.server_cpu_seconds * 1e6
    sums = {
        "cpu": cpu,
        "cpu user": None if system is None else cpu * (1 - system),
        "cpu system": None if system is None else cpu * system,
        "voluntary switches": switches.voluntary if switches else None,
        "involuntary switches": switches.involuntary if switches else None,
    }
    return {
        "throughput": client.requests / client.seconds,
        "goodput": client.good / client.seconds,
        **{name: _divided(total, trial.answered) for name, total in sums.items()},
        "system calls": trial.system_calls,
        **_milliseconds("latency", client.latency),
        **_milliseconds("service", client.service),
        "pss": _divided(memory.pss if memory else None, 2**20),
        "private": _divided(memory.private if memory else None, 2**20),
    }


def _divided(total: float | None, by: int) -> float | None:
    return total / by if total is not None and by else None


def _milliseconds(kind: str, times: Quantiles | None) -> dict[str, float | None]:
    return {f"{kind} {name}": getattr(times, name) / 1000 if times else None for name in LATENCIES}


# --- all trials of a cell


@dataclass(frozen=True)
class Series:
    """One cell, over all rounds."""

    settings: Settings
    cell: Cell
    tried: Sequence[Trial]  # at least one

    @property
    def name(self) -> str:
        return self.cell.contestant

    @property
    def contestant(self) -> Contestant:
        return self.settings.contestant(self.name)

    @cached_property
    def trials(self) -> list[Trial]:
        """The valid ones."""
        return [trial for trial in self.tried if not trial.problems]

    @property
    def invalid(self) -> str:
        """Why no trial is valid; mostly ""."""
        return "" if self.trials else self.tried[-1].problems[0]

    def by_round(self, metric: str) -> dict[int, float]:
        """What was measured validly."""
        found = {trial.round: values(trial)[metric] for trial in self.trials}
        return {number: value for number, value in found.items() if value is not None}

    def middle(self, metric: str) -> float | None:
        return _median([*self.by_round(metric).values()])

    def ratio(self, other: Self, metric: str) -> Ratio | None:
        """Of the rounds that both have."""
        both = (one.by_round(metric) for one in (self, other))
        mine, its = ({number: value for number, value in rounds.items() if value > 0} for rounds in both)
        return paired(mine, its) if mine.keys() & its.keys() else None

    @property
    def server_share(self) -> float | None:
        """Of its CPU budget."""
        return _median([one.server_cpu_seconds / one.client.seconds / self.cell.cpus for one in self.trials])

    @property
    def client_share(self) -> float | None:
        """Of the CPUs that its threads can use, which may be fewer than there are for the load."""
        threads = self.settings.load_threads(self.cell)
        return _median([one.client.cpu_seconds / one.client.seconds / threads for one in self.trials])

    @property
    def unranked(self) -> str:
        """Why its throughput says nothing about the server; "" when the server was the bottleneck."""
        if self.server_share is None or self.client_share is None:
            return ""
        foreign = taken([trial.disturbance for trial in self.trials])
        shared = self.settings.budgets[self.cell.cpus].shared
        return bottleneck(self.server_share, self.client_share, shared, foreign)


def _median(numbers: Sequence[float]) -> float | None:
    return median(numbers) if numbers else None


def everybody(part: Part) -> list[Series]:
    """In the settings' order; what was tried at least once."""
    tried = {cell: [trial for trial in part.results if trial.cell == cell] for cell in cells(part.settings)}
    return [Series(part.settings, cell, trials) for cell, trials in tried.items() if trials]


def by_load(part: Part) -> dict[str, list[Series]]:
    return {load: list(series) for load, series in groupby(everybody(part), key=lambda one: one.cell.load)}
