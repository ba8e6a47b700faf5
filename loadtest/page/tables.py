"""Tables of a page, cell by cell. Pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.document.document import Axis, Plot, Scale, Shape

DECIMAL, FIGURE = "\u2008", "\u2007"  # spaces as wide as a point, and as a digit


@dataclass(frozen=True)
class Head:
    text: str
    columns: int = 1
    rows: int = 1


@dataclass(frozen=True)
class Cell:
    text: str
    value: str = ""  # of a number, as it is in results.json


@dataclass(frozen=True)
class MarksTable:
    heads: list[str]
    numbers: list[bool]  # of each column
    rows: list[list[Cell]]


def head_rows(heads: Sequence[str]) -> list[list[Head]]:
    """One row, or two where some have a line break: a first line holds for the columns behind it that have none."""
    if not any(heads):
        return []
    if not any("\n" in head for head in heads):
        return [[Head(head) for head in heads]]
    upper: list[Head] = []
    for head in heads:
        first, broken, _ = head.partition("\n")
        if broken and not first and upper and upper[-1].rows == 1:
            upper[-1] = Head(upper[-1].text, upper[-1].columns + 1)
        else:
            upper.append(Head(first, rows=1 if broken else 2))
    return [upper, [Head(head.partition("\n")[2].replace("\n", " ")) for head in heads if "\n" in head]]


def marks_table(plot: Plot) -> MarksTable:
    """What a plot shows, without the columns in which nothing stands."""
    marks, kind = plot.marks, "Kind" if plot.shape in (Shape.strips, Shape.matrix) else "Part"
    columns = [
        ("Name", [Cell(mark.row) for mark in marks]),
        (_head(plot.x) or "Column", _numbers([mark.x for mark in marks], plot.x.scale)),
        (kind, [Cell(mark.part) for mark in marks]),
        (_head(plot.y) or "Value", _numbers([mark.y for mark in marks], plot.y.scale)),
        ("Low", _numbers([mark.low for mark in marks], plot.y.scale)),
        ("High", _numbers([mark.high for mark in marks], plot.y.scale)),
        ("Note", [Cell(mark.note) for mark in marks]),
    ]
    shown = [(head, cells) for head, cells in columns if any(cell.text for cell in cells)]
    numbers = [any(cell.value for cell in cells) for _, cells in shown]
    rows = zip(*(cells for _, cells in shown), strict=True)
    return MarksTable([head for head, _ in shown], numbers, [list(row) for row in rows])


def _head(axis: Axis) -> str:
    unit = "%" if axis.scale == Scale.tail else axis.unit
    return f"{axis.title} ({unit})" if unit else axis.title


def _numbers(values: Sequence[float | str | None], scale: Scale) -> list[Cell]:
    """Decimal points stand below each other."""
    texts = ["" if value is None else _written(value, scale) for value in values]
    digits = max((len(text.partition(".")[2]) for text in texts), default=0)
    return [
        Cell(_padded(text, digits), json.dumps(value)) if isinstance(value, (int, float)) else Cell(text)
        for text, value in zip(texts, values, strict=True)
    ]


def _written(value: float | str, scale: Scale) -> str:
    if isinstance(value, str):
        return value
    if scale == Scale.tail:
        return f"{100 * value:.10g}"
    return f"{value:,.0f}" if abs(value) >= 1000 or value == round(value) else f"{value:.4g}"


def _padded(text: str, digits: int) -> str:
    _, point, fraction = text.partition(".")
    return text + DECIMAL * (digits > 0 and not point) + FIGURE * (digits - len(fraction))
