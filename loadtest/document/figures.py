"""How a number is written. Pure."""

from typing import Any

DASH = "-"


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def number(value: float) -> str:
    """Three significant digits at least: 0.0912, 4.21, 81.3, 4,210."""
    if value >= 100:
        return f"{value:,.0f}"
    digits = 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:.{digits}f}"


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
