"""Medians, intervals and ranks. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    low: float
    high: float

    def overlaps(self, other: Interval) -> bool:
        return self.low <= other.high and other.low <= self.high


@dataclass(frozen=True)
class Estimate:
    """A median; its interval is None for too few values, and the estimate is then called indicative."""

    median: float
    interval: Interval | None
    count: int

    @property
    def indicative(self) -> bool:
        return self.interval is None


def estimate(values: Sequence[float]) -> Estimate:
    return Estimate(median(values), median_interval(values), len(values))


def median_interval(values: Sequence[float]) -> Interval | None:
    """An interval that covers the median with at least 95 %, whatever the distribution: between two order
    statistics, as far inside as the binomial distribution allows. It takes six values."""
    ordered, count = sorted(values), len(values)
    missed, inside = 0.0, -1
    for i in range(count // 2):
        missed += 2 * math.comb(count, i) / 2**count
        if missed > 1 - CONFIDENCE:
            break
        inside = i
    return Interval(ordered[inside], ordered[count - 1 - inside]) if inside >= 0 else None


def percentile(counts: Mapping[int, int], share: float) -> int:
    """The nearest rank: the smallest value that `share` of all do not exceed."""
    rank, seen = math.ceil(share * sum(counts.values())), 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= rank:
            return value
    raise ValueError("no values")


def ratios(values: Mapping[int, float], reference: Mapping[int, float]) -> list[float]:
    """By round, of the rounds that both have."""
    return [values[number] / reference[number] for number in sorted(values.keys() & reference.keys())]


def ranks(intervals: Mapping[str, Interval]) -> dict[str, str]:
    """1 is the highest. Who overlaps is tied ("2="): a rank is one more than the number of those clearly above."""
    above = {name: sum(other.low > one.high for other in intervals.values()) for name, one in intervals.items()}
    tied = {
        name: any(one.overlaps(other) for rival, other in intervals.items() if rival != name)
        for name, one in intervals.items()
    }
    return {name: f"{above[name] + 1}{'=' if tied[name] else ''}" for name in intervals}
