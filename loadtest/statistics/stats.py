"""Medians with their intervals, and straight lines through measured points. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import linear_regression, median

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


def estimate(values: Sequence[float]) -> Estimate:
    """The interval covers the median with at least 95 %, whatever the distribution: between two order statistics, as
    far inside as the binomial distribution allows. It takes six values."""
    ordered, count = sorted(values), len(values)
    missed, inside = 0.0, -1
    for i in range(count // 2):
        missed += 2 * math.comb(count, i) / 2**count
        if missed > 1 - CONFIDENCE:
            break
        inside = i
    interval = Interval(ordered[inside], ordered[count - 1 - inside]) if inside >= 0 else None
    return Estimate(median(values), interval)


@dataclass(frozen=True)
class Line:
    slope: float
    miss: float  # the largest distance of a point from the line, as a share of the line's rise or fall; inf: it is flat


def fit(points: Sequence[tuple[float, float]]) -> Line | None:
    """By least squares, which large x weigh most in; None for points at less than three places, of which none could
    miss it."""
    if len({x for x, _ in points}) < 3:
        return None
    slope, intercept = linear_regression(*zip(*points))
    rise = abs(slope) * (max(x for x, _ in points) - min(x for x, _ in points))
    furthest = max(abs(y - (slope * x + intercept)) for x, y in points)
    return Line(slope, furthest / rise if rise > 0 else math.inf)
