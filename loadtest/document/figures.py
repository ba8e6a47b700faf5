"""How a number is written. Pure."""

import math
from collections.abc import Callable, Sequence
from typing import Any

DASH = "-"


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def listed(names: Sequence[str]) -> str:
    """ "a, b and c"."""
    *most, last = names or [""]
    return f"{', '.join(most)} and {last}" if most else last


def number(value: float) -> str:
    """Three significant digits at least: 0.0912, 4.21, 81.3, 4,210."""
    if value >= 100:
        return f"{value:,.0f}"
    digits = 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:.{digits}f}"


def floor_percent(value: float, digits: int = 0) -> str:
    """Never more than it is, so that 96.97 % do not stand beside a limit of 97 % as if they had reached it."""
    return _percent(value, digits, math.floor)


def ceiling_percent(value: float, digits: int = 0) -> str:
    """Never less than it is."""
    return _percent(value, digits, math.ceil)


def _percent(value: float, digits: int, whole: Callable[[float], int]) -> str:
    if not math.isfinite(value):
        return f"{value:.0%}"
    scale = 10**digits
    return f"{whole(round(100 * scale * value, 6)) / scale:.{digits}f}%"


def milliseconds(seconds: float) -> str:
    return number(seconds * 1000)


def mebibytes(count: int) -> str:
    return f"{count / 2**20:,.1f}"


def ratio(value: Any) -> str:
    """Of an Estimate: "0.93 [0.91-0.95]", or without an interval when there were too few rounds."""
    if value.interval is None:
        return number(value.median)
    return f"{number(value.median)} [{number(value.interval.low)}-{number(value.interval.high)}]"


def share(part: int, whole: int) -> str:
    return f"{part}/{whole}" if whole else DASH
