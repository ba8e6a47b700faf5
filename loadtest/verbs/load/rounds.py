"""All rounds of one cell, whatever was measured in them. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from statistics import median
from typing import Any, Generic, Self, TypeVar

from loadtest.contestants.contestants import Contestant
from loadtest.engine.run import Part, Result
from loadtest.statistics.differences import Ratio, paired
from loadtest.verbs.load.plan import Cell, Settings, cells

One = TypeVar("One", bound=Result)


@dataclass(frozen=True)
class Rounds(Generic[One]):
    settings: Settings
    cell: Cell
    tried: Sequence[One]  # at least one

    @classmethod
    def of(cls, part: Part) -> list[Self]:
        """In the settings' order; what was tried at least once."""
        tried = {cell: [one for one in part.results if one.step.cell == cell] for cell in cells(part.settings)}
        return [cls(part.settings, cell, results) for cell, results in tried.items() if results]

    def values(self, one: One) -> Mapping[str, float | None]:
        """By the names of engine/metrics.py; None: not measured."""
        raise NotImplementedError

    @property
    def is_bound(self) -> bool:
        """The server could have done more than its figure says."""
        raise NotImplementedError

    @property
    def same_work(self) -> bool:
        """As the others were asked for; who did other work is compared with nobody."""
        return True

    @property
    def name(self) -> str:
        return self.cell.contestant

    @property
    def contestant(self) -> Contestant:
        return self.settings.contestant(self.name)

    @cached_property
    def valid(self) -> list[One]:
        return [one for one in self.tried if not one.problems]

    @property
    def disturbed(self) -> int:
        """Valid rounds that other load disturbed, after their repeats still."""
        return sum(one.disturbed for one in self.valid)

    def by_round(self, metric: str) -> dict[int, float]:
        """What was measured validly."""
        found = {one.step.round: self.values(one)[metric] for one in self.valid}
        return {number: value for number, value in found.items() if value is not None}

    def middle(self, metric: str) -> float | None:
        return middle_of([*self.by_round(metric).values()])

    def ratio(self, other: Self, metric: str) -> Ratio | None:
        """Of the rounds that both have."""
        both = (one.by_round(metric) for one in (self, other))
        mine, its = ({number: value for number, value in rounds.items() if value > 0} for rounds in both)
        return paired(mine, its) if mine.keys() & its.keys() else None


Cells = TypeVar("Cells", bound=Rounds[Any])


def by_load(everybody: Iterable[Cells]) -> dict[str, list[Cells]]:
    return {load: list(group) for load, group in groupby(everybody, key=lambda one: one.cell.load)}


REFERENCE = "prefork"


def reference(everybody: Sequence[Cells]) -> Cells | None:
    """To which the others are compared: prefork, or else the first, of those who did the same work where there are
    some; None where nobody was measured."""
    able = [one for one in everybody if one.same_work] or everybody
    return next((one for one in able if one.name == REFERENCE), able[0] if able else None)


def middle_of(numbers: Sequence[float]) -> float | None:
    return median(numbers) if numbers else None
