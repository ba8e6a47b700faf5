"""The valid trials of a run, gathered by what they have in common. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from loadtest.contestants.contestants import Contestant, Kind
from loadtest.engine.run import Part
from loadtest.statistics.differences import Ratio, paired
from loadtest.verbs.load.metrics import Value, by_round, cpu_per_request, middle, throughput
from loadtest.verbs.load.plan import Cell, cells
from loadtest.verbs.load.results import Trial
from loadtest.verbs.load.validity import unranked


@dataclass(frozen=True)
class Series:
    """One cell, over all rounds."""

    cell: Cell
    contestant: Contestant
    tried: tuple[Trial, ...]
    trials: tuple[Trial, ...]  # the valid ones
    invalid: str  # why there are none; "" when there are some, or when nothing was measured
    unranked: str  # why its throughput says nothing about the server

    def middle(self, value: Value) -> float | None:
        return middle(self.trials, value)

    def ratio(self, other: Series, value: Value) -> Ratio | None:
        """Of the rounds that both have."""
        mine, its = by_round(self.trials, value), by_round(other.trials, value)
        common = [number for number in mine.keys() & its.keys() if mine[number] > 0 and its[number] > 0]
        if not common:
            return None
        return paired({number: mine[number] for number in common}, {number: its[number] for number in common})


def gather(part: Part) -> dict[str, list[Series]]:
    """By load, in the settings' order; what was tried at least once."""
    found: dict[str, list[Series]] = {}
    for cell in cells(part.settings):
        if series := _series(part, cell):
            found.setdefault(cell.load, []).append(series)
    return found


def _series(part: Part, cell: Cell) -> Series | None:
    tried = tuple(trial for trial in part.results if trial.cell == cell)
    if not tried:
        return None
    valid = tuple(trial for trial in tried if not trial.problems)
    return Series(
        cell=cell,
        contestant=part.settings.contestant(cell.contestant),
        tried=tried,
        trials=valid,
        invalid="" if valid else tried[-1].problems[0],
        unranked=unranked(valid, part.settings) if valid else "",
    )


def bare_of(one: Series, others: list[Series]) -> Series | None:
    return next(iter(_yardsticks(Kind.bare, one, others)), None)


def best_peer_of(one: Series, others: list[Series]) -> Series | None:
    """Of those of its kind that were measured validly, the one with the most answers a second; at a constant rate,
    where all of them have as many, the one that takes the least CPU time."""
    peers = [it for it in _yardsticks(Kind.peer, one, others) if it.trials]
    if not peers:
        return None
    if one.cell.rate is not None:
        return min(peers, key=lambda it: it.middle(cpu_per_request) or math.inf)
    return max(peers, key=lambda it: it.middle(throughput) or 0.0)


def _yardsticks(kind: Kind, one: Series, others: list[Series]) -> list[Series]:
    return [it for it in others if it.contestant.kind == kind and it.contestant.model == one.contestant.name]
