"""All rounds of one cell, whatever was measured in them. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from statistics import median
from typing import Any, Generic, Protocol, Self, TypeVar

from loadtest.contestants.contestants import Contestant
from loadtest.document import anchors
from loadtest.engine.run import Part, Result, Run
from loadtest.statistics.differences import Ratio, paired
from loadtest.verbs.load.plan import Cell, Settings, cells

One = TypeVar("One", bound=Result)


class Tried(Protocol):
    """All rounds of something that has a row of its own: what is told of any such."""

    @property
    def name(self) -> str:
        """Of the row."""

    @property
    def settings(self) -> Any:
        """With the number of rounds that were asked for."""

    @property
    def tried(self) -> Sequence[Result]:
        ...

    @property
    def valid(self) -> Sequence[Result]:
        ...

    @property
    def disturbed(self) -> int:
        """Valid rounds that other load disturbed."""


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


@dataclass(frozen=True)
class Load(Generic[Cells]):
    """Everybody under it, in the settings' order."""

    name: str
    everybody: list[Cells]
    suffix: str = ""  # of the ids of its sections, where several loads of its kind stand on one page

    @property
    def is_closed(self) -> bool:
        return self.everybody[0].cell.rate is None


def loads(kind: type[Cells], run: Run) -> list[Load[Cells]]:
    """Of all parts; each has ids of its own, those in a closed loop and those at a constant rate by themselves."""
    found = [Load(*one) for part in run.parts for one in by_load(kind.of(part)).items()]
    suffixes = {
        closed: iter(distinct([one.name for one in found if one.is_closed == closed])) for closed in (True, False)
    }
    return [replace(one, suffix=next(suffixes[one.is_closed])) for one in found]


def distinct(names: Sequence[str]) -> list[str]:
    """Ends of ids, of small letters, digits and dashes: "" for the only name; what is there twice is numbered."""
    if len(names) < 2:
        return [""] * len(names)
    words = [re.sub("[^a-z0-9]+", "-", name.lower().replace(",", "")).strip("-") for name in names]
    return [f"-{word}" for word in anchors.distinct(words)]


REFERENCE = "prefork"


def reference(everybody: Sequence[Cells]) -> Cells | None:
    """To which the others are compared: prefork, or else the first, of those who did the same work where there are
    some; None where nobody was measured."""
    able = [one for one in everybody if one.same_work] or everybody
    return next((one for one in able if one.name == REFERENCE), able[0] if able else None)


def middle_of(numbers: Sequence[float]) -> float | None:
    return median(numbers) if numbers else None
