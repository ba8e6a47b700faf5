"""A straight line through measured points: what each more costs, and whether that is one number at all. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy

POINTS = 3  # at different places, or there is nothing that could miss the line


@dataclass(frozen=True)
class Line:
    slope: float
    intercept: float
    miss: float  # the largest distance of a point from the line, as a share of the line's rise or fall; inf: it is flat


def fit(points: Sequence[tuple[float, float]]) -> Line | None:
    """By least squares, which large x weigh most in; None for points at less than three places."""
    places = {x for x, _ in points}
    if len(places) < POINTS:
        return None
    x, y = numpy.array(points, dtype=float).T
    slope, intercept = numpy.polyfit(x, y, 1)
    rise = abs(slope) * (max(places) - min(places))
    furthest = float(numpy.abs(y - (slope * x + intercept)).max())
    return Line(float(slope), float(intercept), furthest / rise if rise > 0 else float("inf"))
