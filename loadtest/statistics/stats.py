"""Medians and their intervals. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """A median; its interval is None for too few values, and the estimate is then called indicative."""

    median: float
    interval: Interval | None
    count: int


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
