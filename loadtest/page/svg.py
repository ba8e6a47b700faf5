"""A plot as a small drawing, for where no library draws. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from loadtest.document.document import Axis, Look, Mark, Plot, Scale, Shape
from loadtest.page.looks import (
    CELL,
    GRID,
    HEIGHTS,
    INK,
    MUTED,
    PAPER,
    Style,
    cell_lines,
    cell_text,
    cell_width,
    drawn,
    harm,
    harms,
    inside,
    is_bound,
    is_outlined,
    is_unexpected,
    label,
    opacities,
    parts,
    styles,
    symbols,
    unlike,
    wrapped,
)
from loadtest.page.scales import Ruler, cells, coordinate, described, measured, ruler, totals, values

WIDTH, TOP, RIGHT = 480, 16, 32  # in units of the drawing, which is as wide as its place
HEIGHT = 220  # of lines
ROW = 24
LETTER, LINE = 6.4, 13  # a letter's width and a line's height
ENTRY = 146  # of a legend
HEAD = 12  # letters of a column's name in a line
APART = 36  # ticks
NAME = 28  # letters of a row's name
SYMBOLS = {
    "square": "M-4-4H4V4H-4Z",
    "triangle-up": "M0-5L5 4H-5Z",
    "triangle-down": "M0 5L5-4H-5Z",
    "triangle-right": "M5 0L-4-5V5Z",
    "triangle-left": "M-5 0L4-5V5Z",
    "diamond": "M0-5.5L4.5 0L0 5.5L-4.5 0Z",
    "cross": "M-1.7-5H1.7V-1.7H5V1.7H1.7V5H-1.7V1.7H-5V-1.7H-1.7Z",
}


def drawing(plot: Plot, looks: Mapping[str, Look]) -> str:
    """An element that needs no script; its colours are the page's."""
    width, height, body = DRAWN[plot.shape](plot, looks)
    about = f"<title>{escape(plot.title)}</title><desc>{escape(plot.caption)}</desc>"
    attributes = f'viewBox="0 0 {_n(width)} {_n(height)}" role="img" font-family="system-ui, sans-serif" font-size="12"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {attributes}>{about}{"".join(body)}</svg>'


Drawn = tuple[float, float, Iterable[str]]  # width, height, elements


@dataclass(frozen=True)
class Span:
    """Of an axis on the drawing."""

    ruler: Ruler
    start: float
    end: float

    def at(self, value: float) -> float | None:
        """None: the axis has no place for it."""
        where = coordinate(self.ruler.scale, value)
        return None if where is None else self._place(where)

    def near(self, value: float) -> float:
        """At the low end what the axis has no place for."""
        where = self.at(value)
        return self.start if where is None else where

    def _place(self, where: float) -> float:
        return self.start + self.ruler.place(where) * (self.end - self.start)

    def ticks(self) -> Iterator[tuple[float, str]]:
        """So far apart that they can be read."""
        last = None
        for tick in self.ruler.ticks:
            at = self._place(tick)
            if last is None or abs(at - last) >= APART:
                yield at, self.ruler.label(tick)
                last = at


# --- elements


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _text(x: float, y: float, text: str, anchor: str = "start", colour: str = INK, more: str = "") -> str:
    return f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}" fill="{colour}"{more}>{escape(text)}</text>'


def _short(name: str) -> str:
    """All of it is in the table beside the drawing."""
    return name if len(name) <= NAME else f"{name[: NAME - 1]}…"


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, more: str = "") -> str:
    return f'<line x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}" stroke="{colour}"{more}/>'


def _rectangle(x: float, y: float, width: float, height: float, fill: str, more: str = "") -> str:
    return f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" fill="{fill}"{more}/>'


def _symbol(x: float, y: float, symbol: str, colour: str, filled: bool) -> str:
    fill = colour if filled else PAPER
    if symbol == "circle":
        return f'<circle cx="{_n(x)}" cy="{_n(y)}" r="4" fill="{fill}" stroke="{colour}"/>'
    return f'<path transform="translate({_n(x)} {_n(y)})" d="{SYMBOLS[symbol]}" fill="{fill}" stroke="{colour}"/>'


def _dashed(dash: Sequence[int]) -> str:
    return f' stroke-dasharray="{" ".join(map(str, dash))}"' if dash[1] else ""


def _bound(x: float, y: float) -> str:
    return _text(x, y, "≥", "middle", more=' font-weight="bold"')


def _legend(
    left: float, top: float, entries: Mapping[str, Callable[[float, float], str]]
) -> tuple[float, Iterator[str]]:
    """Its height, and its elements: what an entry looks like at a place, and its name."""
    across = max(1, int((WIDTH - left) // ENTRY))
    places = [(left + 10 + ENTRY * (i % across), top + 18 * (i // across)) for i in range(len(entries))]
    elements = (
        look(x, y) + _text(x + 14, y + 4, name) for (x, y), (name, look) in zip(places, entries.items(), strict=True)
    )
    return 18 * -(-len(entries) // across), elements


def _across(axis: Axis, span: Span, top: float, bottom: float) -> Iterator[str]:
    """The axis below, with its grid."""
    for at, text in span.ticks():
        yield _line(at, top, at, bottom, GRID)
        yield _text(at, bottom + 16, text, "middle", MUTED)
    yield _line(span.start, bottom, span.end, bottom, MUTED)
    yield _text((span.start + span.end) / 2, bottom + 34, described(axis, span.ruler), "middle")


def _up(axis: Axis, span: Span, left: float, right: float) -> Iterator[str]:
    for at, text in span.ticks():
        yield _line(left, at, right, at, GRID)
        yield _text(left - 6, at + 4, text, "end", MUTED)
    yield _line(left, span.start, left, span.end, MUTED)
    turned = f' transform="rotate(-90 12 {_n((span.start + span.end) / 2)})"'
    yield _text(12, (span.start + span.end) / 2, described(axis, span.ruler), "middle", more=turned)


# --- lines


def _lines(plot: Plot, looks: Mapping[str, Look]) -> Drawn:
    there = drawn(plot)
    up = Span(ruler(plot.y.scale, values(plot), zero=True), TOP + HEIGHT, TOP)
    left = 30 + LETTER * max(len(text) for _, text in up.ticks())
    across = Span(measured(plot.x.scale, [float(mark.x) for mark in there]), left, WIDTH - RIGHT)
    found = styles(there, looks)
    body = [*_across(plot.x, across, TOP, TOP + HEIGHT), *_up(plot.y, up, left, WIDTH - RIGHT)]
    for name, style in found.items():
        body += _series([mark for mark in there if label(mark) == name], style, across, up)
    if plot.reference is not None:
        at = up.near(plot.reference)
        body.append(_line(left, at, WIDTH - RIGHT, at, INK, _dashed((5, 3))))
    height, legend = _legend(left, TOP + HEIGHT + 56, {name: _sample(style) for name, style in found.items()})
    return WIDTH, TOP + HEIGHT + 56 + height, [*body, *legend]


def _sample(style: Style) -> Callable[[float, float], str]:
    def look(x: float, y: float) -> str:
        line = _line(x - 10, y, x + 10, y, style.colour, _dashed(style.dash))
        return line + _symbol(x, y, style.symbol, style.colour, style.filled)

    return look


def _series(marks: Sequence[Mark], style: Style, across: Span, up: Span) -> Iterator[str]:
    """Its band, its line, its symbols. A line is not broken where a point has no place: that has no symbol."""
    placed = [
        (x, y, mark) for mark in marks if (x := across.at(float(mark.x))) is not None if (y := _y(mark, up)) is not None
    ]
    placed.sort(key=lambda one: one[0])
    yield from _band(placed, style, up)
    points = " ".join(f"{_n(x)},{_n(y)}" for x, y, _ in placed)
    yield f'<polyline points="{points}" fill="none" stroke="{style.colour}" stroke-width="1.5"{_dashed(style.dash)}/>'
    for x, y, mark in placed[:: -(-len(placed) // 16) or 1]:
        yield _symbol(x, y, style.symbol, style.colour, style.filled)
    yield from (_bound(x, y - 8) for x, y, mark in placed if is_bound(mark))


def _y(mark: Mark, up: Span) -> float | None:
    assert mark.y is not None
    return up.at(mark.y)


def _band(placed: Sequence[tuple[float, float, Mark]], style: Style, up: Span) -> Iterator[str]:
    ends = [(x, mark.low, mark.high) for x, _, mark in placed if mark.low is not None and mark.high is not None]
    if len(ends) < 2:
        return
    below = [f"{_n(x)},{_n(up.near(low))}" for x, low, _ in ends]
    above = [f"{_n(x)},{_n(up.near(high))}" for x, _, high in reversed(ends)]
    yield f'<polygon points="{" ".join([*below, *above])}" fill="{style.colour}" fill-opacity="0.1"/>'


# --- rows


@dataclass(frozen=True)
class Rows:
    """Named at the left, one below another."""

    names: Sequence[str]
    step: float = ROW
    top: float = TOP

    @property
    def left(self) -> float:
        return 16 + LETTER * max((len(_short(name)) for name in self.names), default=0)

    @property
    def bottom(self) -> float:
        return self.top + self.step * len(self.names)

    def middle(self, name: str) -> float:
        return self.top + self.step * (self.names.index(name) + 0.5)

    def texts(self) -> Iterator[str]:
        yield from (_text(self.left - 8, self.middle(name) + 4, _short(name), "end") for name in self.names)

    def along(self, scale: Ruler) -> Span:
        return Span(scale, self.left, WIDTH - RIGHT)


def _in_rows(
    plot: Plot, axis: Axis, rows: Rows, along: Span, body: Iterable[str], legend: tuple[float, Iterable[str]]
) -> Drawn:
    """With an axis below, the line that is the reference, and a legend."""
    frame = [*_across(axis, along, rows.top, rows.bottom), *rows.texts()]
    reference = [] if plot.reference is None else [along.near(plot.reference)]
    line = [_line(at, rows.top, at, rows.bottom, INK, _dashed((5, 3))) for at in reference]
    height, entries = legend
    return WIDTH, rows.bottom + 56 + height, [*frame, *body, *line, *entries]


def _bars(plot: Plot, looks: Mapping[str, Look]) -> Drawn:
    """A length on a logarithmic axis says nothing: there they are dots."""
    if plot.y.scale != Scale.linear:
        return _dots(plot, looks)
    there, stacked = drawn(plot), inside(plot)
    rows = Rows(unlike(map(label, there)))
    along = rows.along(ruler(Scale.linear, totals(plot), zero=True))
    dark = dict(zip(stacked, opacities(len(stacked)), strict=True))
    body = [one for name in rows.names for one in _stack(plot, name, rows.middle(name), along, dark, looks)]
    samples = {part: _shade(dark.get(part)) for part in parts(plot)}
    return _in_rows(plot, plot.y, rows, along, body, _legend(rows.left, rows.bottom + 56, samples))


def _shade(dark: float | None) -> Callable[[float, float], str]:
    """None: an outline."""
    fill, more = ("none", _dashed((3, 2))) if dark is None else (INK, f' fill-opacity="{dark}"')
    return lambda x, y: _rectangle(x - 6, y - 6, 12, 12, fill, f' stroke="{INK}"{more}')


def _stack(
    plot: Plot, name: str, middle: float, along: Span, dark: Mapping[str, float], looks: Mapping[str, Look]
) -> Iterator[str]:
    """The parts of a row one after another, in their order."""
    there = [mark for mark in drawn(plot) if label(mark) == name]
    colour, start = styles(drawn(plot), looks)[name].colour, 0.0
    for mark in sorted((one for one in there if not is_outlined(one.part)), key=lambda one: _place(one, dark)):
        end = start + (mark.y or 0)
        yield _bar(along.near(start), along.near(end), middle, 16, colour, dark.get(mark.part, 0.8))
        start = end
    if dark and any(map(is_bound, there)):
        yield _bound(along.near(start) + 11, middle + 4)
    for mark in there:
        if is_outlined(mark.part):
            width = along.near(mark.y or 0) - along.start
            yield _rectangle(along.start, middle - 10, width, 20, "none", f' stroke="{INK}"{_dashed((3, 2))}')
        elif not dark:
            yield from _interval(mark, along, middle, INK)


def _place(mark: Mark, dark: Mapping[str, float]) -> int:
    return list(dark).index(mark.part) if mark.part in dark else 0


def _bar(start: float, end: float, middle: float, height: float, colour: str, dark: float) -> str:
    x, width = min(start, end), abs(end - start)
    return _rectangle(x, middle - height / 2, width, height, colour, f' fill-opacity="{dark}" stroke="{colour}"')


def _interval(mark: Mark, along: Span, middle: float, colour: str) -> Iterator[str]:
    """And the sign of a number that may be higher."""
    end = along.near(mark.y or 0)
    if mark.low is not None and mark.high is not None:
        low, high = along.near(mark.low), along.near(mark.high)
        yield _line(low, middle, high, middle, colour)
        yield from (_line(at, middle - 4, at, middle + 4, colour) for at in (low, high))
        end = max(end, high)
    if is_bound(mark):
        yield _bound(end + 11, middle + 4)


def _dots(plot: Plot, looks: Mapping[str, Look]) -> Drawn:
    there, names = drawn(plot), parts(plot)
    rows, found = Rows(unlike(map(label, there))), styles(there, looks)
    along = rows.along(ruler(plot.y.scale, values(plot)))
    forms = dict(zip(names, symbols(names, looks), strict=True))
    body: list[str] = []
    for name in rows.names:
        body += _joined([mark for mark in there if label(mark) == name], found[name], forms, along, rows.middle(name))
    samples = {part: _form(*form) for part, form in forms.items()}
    return _in_rows(plot, plot.y, rows, along, body, _legend(rows.left, rows.bottom + 56, samples))


def _form(symbol: str, filled: bool) -> Callable[[float, float], str]:
    return lambda x, y: _symbol(x, y, symbol, INK, filled)


def _joined(
    marks: Sequence[Mark], style: Style, forms: Mapping[str, tuple[str, bool]], along: Span, middle: float
) -> Iterator[str]:
    """The dots of a row, and a line from the first to the last."""
    placed = [(at, mark) for mark in marks if (at := _y(mark, along)) is not None]
    if len(placed) > 1:
        ends = sorted(at for at, _ in placed)
        yield _line(ends[0], middle, ends[-1], middle, style.colour, ' stroke-width="2.5" stroke-opacity="0.35"')
    for at, mark in placed:
        yield from _interval(mark, along, middle, style.colour)
        yield _symbol(at, middle, *_seen(mark, style, forms))


def _seen(mark: Mark, style: Style, forms: Mapping[str, tuple[str, bool]]) -> tuple[str, str, bool]:
    symbol, filled = forms.get(mark.part, (style.symbol, style.filled))
    return symbol, style.colour, filled


# --- cells


def _strips(plot: Plot, looks: Mapping[str, Look]) -> Drawn:
    """What did less harm is lower; letters where there is room."""
    rows, width = Rows(unlike(mark.row for mark in plot.marks)), cell_width(plot)
    along = rows.along(cells(plot))
    body = [one for mark in plot.marks for one in _cell(mark, width, along, rows.middle(mark.row))]
    return _in_rows(plot, plot.x, rows, along, body, _legend(rows.left, rows.bottom + 56, _kinds(plot)))


def _cell(mark: Mark, width: float, along: Span, middle: float) -> Iterator[str]:
    start, end = along.near(float(mark.x)), along.near(float(mark.x) + width)
    height = ROW * HEIGHTS.get(mark.part, 1)
    if mark.part:
        more = f' fill-opacity="{CELL}" stroke="{MUTED}" stroke-width="0.4"'
        yield _rectangle(start, middle - height / 2, end - start, height, harm(mark.part), more)
    if end - start > 7 and mark.note.strip(" ."):
        yield _text((start + end) / 2, middle + 4, mark.note, "middle")


def _kinds(plot: Plot) -> dict[str, Callable[[float, float], str]]:
    return {kind: _kind(kind) for kind in harms(plot)}


def _kind(kind: str) -> Callable[[float, float], str]:
    return lambda x, y: _rectangle(x - 6, y - 6, 12, 12, harm(kind), f' fill-opacity="{CELL}" stroke="{MUTED}"')


def _matrix(plot: Plot, looks: Mapping[str, Look]) -> Drawn:
    """As wide as its texts."""
    heads = {name: wrapped(name, HEAD) for name in unlike(str(mark.x) for mark in plot.marks)}
    texts = [cell_text(mark.note) for mark in plot.marks]
    width = 12 + LETTER * max((len(line) for text in (*heads.values(), *texts) for line in text), default=0)
    head = LINE * max(map(len, heads.values()), default=0) + 8
    step = LINE * cell_lines(texts) + 12
    rows = Rows(unlike(mark.row for mark in plot.marks), step, head)
    middles = {name: rows.left + width * (place + 0.5) for place, name in enumerate(heads)}
    body = [*rows.texts()]
    for name, lines in heads.items():
        body.append(_paragraph(middles[name], head - 6 - LINE * (len(lines) - 1), lines))
    for mark, text in zip(plot.marks, texts, strict=True):
        body += _field(mark, text, middles[str(mark.x)], rows.middle(mark.row), (width, step))
    height, legend = _legend(rows.left, rows.bottom + 16, _kinds(plot))
    return max(WIDTH, rows.left + width * len(heads) + 4), rows.bottom + 16 + height, [*body, *legend]


def _field(mark: Mark, lines: Sequence[str], x: float, y: float, size: tuple[float, float]) -> Iterator[str]:
    """What was not expected has a heavy border."""
    width, height = size[0] - 4, size[1] - 4
    colour, thick = (INK, 2.5) if is_unexpected(mark) else (MUTED, 0.4)
    if mark.part:
        more = f' fill-opacity="{CELL}" stroke="{colour}" stroke-width="{thick}"'
        yield _rectangle(x - width / 2, y - height / 2, width, height, harm(mark.part), more)
    yield _paragraph(x, y + 4 - LINE * (len(lines) - 1) / 2, lines)


def _paragraph(x: float, y: float, lines: Sequence[str]) -> str:
    return "".join(_text(x, y + LINE * place, line, "middle") for place, line in enumerate(lines))


DRAWN: dict[Shape, Callable[[Plot, Mapping[str, Look]], Drawn]] = {
    Shape.lines: _lines,
    Shape.bars: _bars,
    Shape.dots: _dots,
    Shape.strips: _strips,
    Shape.matrix: _matrix,
}
