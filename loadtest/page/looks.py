"""How contestants, parts and kinds of harm look, in whatever draws them. Each colour is a variable of the page's style,
so that a dark page needs no other drawing. Pure."""

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, pairwise

from loadtest.document.document import HARMS, Look, Mark, Plot, Shape

INK, MUTED, GRID, PAPER = "var(--ink)", "var(--muted)", "var(--grid)", "var(--paper)"
FAULT = "fault"  # the kind of a cell in which one comes
# of a row's height, for who sees no colours: the more harm, the higher
HEIGHTS = {"none": 0.15, "delayed": 0.35, "lost": 0.55, "wrong": 0.75, "starved": 0.95}
MODELS = 9  # colours
SYMBOLS = ("circle", "square", "triangle-up", "triangle-down", "triangle-right", "triangle-left")
KINDS = {"bare": "cross", "peer": "diamond"}  # symbols of their own, whatever the model
DASHES = {"model": (1, 0), "variant": (6, 3), "bare": (2, 2), "peer": (8, 3, 2, 3)}
MORE_DASHES = ((10, 3), (4, 4), (1, 3), (12, 3, 3, 3), (6, 2, 1, 2), (3, 1))  # where two would look alike
CELL_LINE = 18  # letters of a cell's text in a line
CELL_LINES = 2  # so many have room in every matrix, so that the rows of two are alike
UNEQUAL = "!="  # begins a line of a cell's note: it is not what was expected
BOUNDS = (">=", "≥", "lower bound", "at least")  # one of them in a note: the number may be higher
CELL = 0.75  # how opaque the colour of a cell is, so that its text can be read
OUTLINED = "summed"  # begins the name of a part that is the sum of others: it is drawn around them


@dataclass(frozen=True)
class Style:
    colour: str
    symbol: str  # as Vega calls it
    filled: bool
    dash: tuple[int, ...]

    @property
    def fill(self) -> str:
        return self.colour if self.filled else PAPER


def styles(marks: Sequence[Mark], looks: Mapping[str, Look]) -> dict[str, Style]:
    """By label. No two are alike in all but colour, as long as there are dashes; several contestants of one model, such
    as its policies, have symbols of their own, too."""
    found: dict[str, Style] = {}
    taken: set[tuple[str, bool, tuple[int, ...]]] = set()
    rows = {label(mark): mark.row for mark in marks}
    own = _own_forms({row: looks[row] for row in rows.values() if row in looks})
    for place, (name, row) in enumerate(rows.items()):
        style = _style(look(row, looks), place)
        if row in own:
            style = replace(style, symbol=own[row][0], filled=own[row][1])
        dashes = (style.dash, *MORE_DASHES)
        style = replace(style, dash=next((one for one in dashes if (*_form(style), one) not in taken), style.dash))
        taken.add((*_form(style), style.dash))
        found[name] = style
    return found


def _form(style: Style) -> tuple[str, bool]:
    return style.symbol, style.filled


def _own_forms(rows: Mapping[str, Look]) -> dict[str, tuple[str, bool]]:
    """Of those who would look like somebody before them: what nobody else has, as long as there are any."""
    first = {look: row for row, look in reversed(rows.items())}
    alike = [row for row, look in rows.items() if first[look] != row]
    used = {_form(_style(look, 0)) for look in first}
    spare = [(symbol, filled) for filled in (True, False) for symbol in SYMBOLS if (symbol, filled) not in used]
    return dict(zip(alike, spare))


def look(row: str, looks: Mapping[str, Look]) -> Look | None:
    """That of its model for "threads +parent", as a variant."""
    name = row.partition(" +")[0]
    if row in looks or name not in looks:
        return looks.get(row)
    return replace(looks[name], kind="variant")


def _style(one: Look | None, place: int) -> Style:
    """`place` tells apart those of whom nothing is known."""
    if one is None:
        return Style(MUTED, SYMBOLS[place % len(SYMBOLS)], filled=True, dash=DASHES["model"])
    symbol = KINDS.get(one.kind, SYMBOLS[one.model % len(SYMBOLS)])
    filled, dash = one.kind not in ("peer", "variant"), DASHES.get(one.kind, DASHES["variant"])
    colour = f"var(--model-{one.model})" if one.model < MODELS else MUTED  # of a model that is not among ours
    return Style(colour, symbol, filled, dash)


def label(mark: Mark) -> str:
    """What its line, its bar or its dots are called."""
    if isinstance(mark.x, str):
        return f"{mark.row}, {mark.x}" if mark.x else mark.row
    return f"{mark.row}, {mark.part}" if mark.part else mark.row


def unlike(names: Iterable[str]) -> list[str]:
    """Each once, in the order of their first."""
    return list(dict.fromkeys(names))


def drawn(plot: Plot) -> list[Mark]:
    """Those that have a number; of cells all."""
    if plot.shape in (Shape.strips, Shape.matrix):
        return list(plot.marks)
    return [mark for mark in plot.marks if mark.y is not None]


def inside(plot: Plot) -> list[str]:
    """The parts that are stacked."""
    return [part for part in parts(plot) if not is_outlined(part)]


def parts(plot: Plot) -> list[str]:
    return unlike(mark.part for mark in plot.marks if mark.part)


def symbols(names: Sequence[str], looks: Mapping[str, Look]) -> list[tuple[str, bool]]:
    """Of the parts of a row: which, and whether it is filled."""
    kinds = [looks[name].kind if name in looks else name for name in names]
    spare = cycle((symbol, filled) for filled in (True, False) for symbol in SYMBOLS)
    return [(KINDS[kind], kind != "peer") if kind in KINDS else next(spare) for kind in kinds]


def opacities(count: int) -> list[float]:
    """Of stacked parts, from dark to light; a text on each can be read."""
    return [round(0.38 - 0.27 * place / max(1, count - 1), 2) for place in range(count)]


def harms(plot: Plot) -> list[str]:
    """The kinds of cells, the least harm first; then those that are no harm."""
    there = parts(plot)
    return [*(one for one in HARMS if one in there), *(one for one in there if one not in HARMS)]


def harm(part: str) -> str:
    """The moment of a fault is no harm, and must be seen."""
    if part == FAULT:
        return INK
    return f"var(--harm-{part})" if part in HARMS else GRID


def is_bound(mark: Mark) -> bool:
    return any(word in mark.note for word in BOUNDS)


def is_unexpected(mark: Mark) -> bool:
    return any(line.startswith(UNEQUAL) for line in mark.note.split("\n"))


def wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False)


def row_lines(name: str) -> list[str]:
    """What follows a comma, and the parameters of a fault, stand below."""
    return re.split(r", |(?=\?)", name)


def cell_text(note: str) -> list[str]:
    """Its lines in a cell of a matrix. Of many alternatives the first; all of them are in the table beside it."""
    lines = [line for paragraph in note.split("\n") for line in wrapped(paragraph, CELL_LINE)] or [""]
    if len(lines) <= CELL_LINES or UNEQUAL in note:
        return lines
    return [*lines[: CELL_LINES - 1], f"{lines[CELL_LINES - 1].removesuffix(' or')} …"]


def cell_lines(texts: Iterable[Sequence[str]]) -> int:
    """How many all cells of a matrix have room for."""
    return max(CELL_LINES, *map(len, texts))


def is_outlined(part: str) -> bool:
    return part.startswith(OUTLINED)


def cell_width(plot: Plot) -> float:
    """Of a strip, in the unit of its x: the least distance of two cells in a row."""
    assert plot.shape == Shape.strips
    rows: dict[str, list[float]] = {}
    for mark in plot.marks:
        rows.setdefault(mark.row, []).append(float(mark.x))
    steps = [after - before for row in rows.values() for before, after in pairwise(sorted(row))]
    return min((step for step in steps if step > 1e-9), default=1.0)
