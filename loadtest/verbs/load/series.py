"""The trials of a run, gathered by what they have in common. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from statistics import median

from loadtest.contestants.contestants import Contestant
from loadtest.engine.run import Part
from loadtest.statistics.differences import Ratio, paired
from loadtest.statistics.validity import bottleneck
from loadtest.system.cpus import taken
from loadtest.verbs.load.plan import Cell, Settings, cells
from loadtest.verbs.load.results import Trial, values


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

    def ratio(self, other: Series, metric: str) -> Ratio | None:
        """Of the rounds that both have."""
        mine, its = ({n: value for n, value in one.by_round(metric).items() if value > 0} for one in (self, other))
        return paired(mine, its) if mine.keys() & its.keys() else None

    @property
    def server_share(self) -> float | None:
        """Of its CPU budget."""
        seconds = [trial.server_cpu_seconds / trial.client.seconds for trial in self.trials]
        return _median([each / self.cell.cpus for each in seconds])

    @property
    def client_share(self) -> float | None:
        """Of the CPUs that its threads can use, which may be fewer than there are for the load."""
        seconds = [trial.client.cpu_seconds / trial.client.seconds for trial in self.trials]
        return _median([each / self.settings.load_threads(self.cell) for each in seconds])

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
