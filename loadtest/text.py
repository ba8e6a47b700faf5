"""How a report is laid out: sections, tables, numbers. Pure."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from loadtest.results import Newcomers
from loadtest.stats import Estimate

DASH = "-"


@dataclass(frozen=True)
class Section:
    """A question with its answer."""

    title: str
    table: Table
    notes: Sequence[str]


def render_section(section: Section, width: int) -> str:
    text = io.StringIO()
    console = Console(file=text, width=width, color_system=None, highlight=False, emoji=False, markup=False)
    console.print(section.table)
    notes = "\n".join(wrap([note], width, "    ", "  * ") for note in section.notes)
    table = "\n".join(line.rstrip() for line in text.getvalue().splitlines() if line.strip())
    return f"\n{wrap([section.title], width, '  ', '')}\n{table}\n{notes}"


def wrap(lines: Sequence[str], width: int, indent: str, first: str | None = None) -> str:
    start = indent if first is None else first
    wrapper = textwrap.TextWrapper(width, initial_indent=start, subsequent_indent=indent, break_on_hyphens=False)
    return "\n".join(map(wrapper.fill, lines))


def table(*columns: str) -> Table:
    """The first column is the name; the others are numbers, which are never cut: where there is no room, names wrap."""
    empty = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    empty.add_column(columns[0], overflow="fold")
    for column in columns[1:]:
        empty.add_column(column, justify="right", no_wrap=True)
    return empty


def words(*columns: str) -> Table:
    """The same with words in every column."""
    filled = table(*columns)
    for column in filled.columns:
        column.justify = "left"
    return filled


def closing(results: Any) -> str:
    """What failed, how it ended, and how long it took; of any verb's results."""
    lines = [f"FAILED {one.contestant} ({one.step}): {one.reason}" for one in results.failures]
    if results.state == "interrupted":
        lines.append("INTERRUPTED: the tables hold what was measured until then; --resume goes on.")
    return "\n".join([*lines, f"Measured in {results.seconds:.0f} s."]) + "\n"


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


def ratio(value: Estimate | None) -> str:
    """"0.93 [0.91-0.95]", or without an interval when there were too few rounds."""
    if value is None:
        return DASH
    if value.interval is None:
        return number(value.median)
    return f"{number(value.median)} [{number(value.interval.low)}-{number(value.interval.high)}]"


def share(part: int, whole: int) -> str:
    return f"{part}/{whole}" if whole else DASH


def waits(newcomers: Newcomers) -> list[str]:
    """Median and longest, in milliseconds."""
    return [milliseconds(choose(newcomers.waits)) for choose in (median, max)] if newcomers.waits else [DASH, DASH]
