"""A plot as a small drawing, for where no library draws. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from loadtest.document.document import Axis, Look, Mark, Plot, Scale, Shape
from loadtest.page import elements
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
ENTRY = 146  # of a legend, at least
HEAD = 12  # letters of a column's name in a line
APART = 36  # ticks
MARKED = 16  # points on a line; of more only some have a symbol, the first of each piece among them


def drawing(plot: Plot, looks: Mapping[str, Look], palette: str = "") -> str:
    """An element that needs no script; its colours are the page's. With a palette it can stand alone, in a file."""
    width, height, body = DRAWN[plot.shape](plot, looks)
    box, size, paper = f'viewBox="0 0 {elements.n(width)} {elements.n(height)}"', "", ""
    if palette:
        size = f'width="{elements.n(width)}" height="{elements.n(height)}" '
        paper = f"<style>{escape(palette)}</style>{elements.rectangle(0, 0, width, height, PAPER)}"
    about = f"<title>{escape(plot.title)}</title><desc>{escape(plot.caption)}</desc>"
    attributes = f'{size}{box} role="img" font-family="system-ui, sans-serif" font-size="12"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {attributes}>{about}{paper}{"".join(body)}</svg>'


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


# --- axes and legends


def _legend(
    left: float, top: float, entries: Mapping[str, Callable[[float, float], str]]
) -> tuple[float, Iterator[str]]:
    """Its height, and its elements: what an entry looks like at a place, and its name."""
    wide = max(ENTRY, 30 + LETTER * max(map(len, entries), default=0))
    across = max(1, int((WIDTH - left) // wide))
    places = [(left + 10 + wide * (i % across), top + 18 * (i // across)) for i in range(len(entries))]
    drawn_entries = (
        look(x, y) + elements.text(x + 14, y + 4, name)
        for (x, y), (name, look) in zip(places, entries.items(), strict=True)
    )
    return 18 * -(-len(entries) // across), drawn_entries


def _across(axis: Axis, span: Span, top: float, bottom: float) -> Iterator[str]:
    """The axis below, with its grid."""
    for at, text in span.ticks():
        yield elements.line(at, top, at, bottom, GRID)
        yield elements.text(at, bottom + 16, text, "middle", MUTED)
    yield elements.line(span.start, bottom, span.end, bottom, MUTED)
    yield elements.text((span.start + span.end) / 2, bottom + 34, described(axis, span.ruler), "middle")


def _up(axis: Axis, span: Span, left: float, right: float) -> Iterator[str]:
    for at, text in span.ticks():
        yield elements.line(left, at, right, at, GRID)
        yield elements.text(left - 6, at + 4, text, "end", MUTED)
    yield elements.line(left, span.start, left, span.end, MUTED)
    turned = f' transform="rotate(-90 12 {elements.n((span.start + span.end) / 2)})"'
    yield elements.text(12, (span.start + span.end) / 2, described(axis, span.ruler), "middle", more=turned)


# --- lines


def _lines(plot: Plot, looks: Mapping[str, Look]) -> Drawn:
    there = drawn(plot)
    up = Span(ruler(plot.y.scale, values(plot), zero=True), TOP + HEIGHT, TOP)
    left = 30 + LETTER * max(len(text) for _, text in up.ticks())
    across = Span(measured(plot.x.scale, [float(mark.x) for mark in there]), left, WIDTH - RIGHT)
    found = styles(there, looks)
    body = [*_across(plot.x, across, TOP, TOP + HEIGHT), *_up(plot.y, up, left, WIDTH - RIGHT)]
    for name, style in found.items():
        body += _series([mark for mark in plot.marks if label(mark) == name], style, across, up)
    if plot.reference is not None:
        at = up.near(plot.reference)
        body.append(elements.line(left, at, WIDTH - RIGHT, at, INK, elements.dashed((5, 3))))
    height, legend = _legend(left, TOP + HEIGHT + 56, {name: _sample(style) for name, style in found.items()})
    return WIDTH, TOP + HEIGHT + 56 + height, [*body, *legend]


def _sample(style: Style) -> Callable[[float, float], str]:
    def look(x: float, y: float) -> str:
        line = elements.line(x - 10, y, x + 10, y, style.colour, elements.dashed(style.dash))
        return line + elements.symbol(x, y, style.symbol, style.colour, style.filled)

    return look


Placed = tuple[float, float, Mark]  # where, on the drawing


def _series(marks: Sequence[Mark], style: Style, across: Span, up: Span) -> Iterator[str]:
    """Its band, its line, its symbols. The line is broken where there is no number, or the axis has no place for it."""
    pieces = list(_pieces(marks, across, up))
    apart = max(1, -(-sum(map(len, pieces)) // MARKED))
    look = f'fill="none" stroke="{style.colour}" stroke-width="1.5"{elements.dashed(style.dash)}'
    for piece in [piece for piece in pieces if len(piece) > 1]:
        yield from _band(piece, style, up)
        yield f'<polyline points="{" ".join(f"{elements.n(x)},{elements.n(y)}" for x, y, _ in piece)}" {look}/>'
    places = [(x, y) for piece in pieces for x, y, _ in piece[::apart]]
    yield from elements.symbols(places, style.symbol, style.colour, style.filled)
    yield from (elements.bound(x, y - 8) for piece in pieces for x, y, mark in piece if is_bound(mark))


def _y(mark: Mark, up: Span) -> float | None:
    return None if mark.y is None else up.at(mark.y)


def _pieces(marks: Sequence[Mark], across: Span, up: Span) -> Iterator[list[Placed]]:
    """Of neighbours along the axis that all have a place."""
    there = sorted(marks, key=lambda mark: float(mark.x))
    places = [(across.at(float(mark.x)), _y(mark, up), mark) for mark in there]
    for has_place, together in groupby(places, key=lambda one: None not in one[:2]):
        if has_place:
            yield [(x, y, mark) for x, y, mark in together if x is not None and y is not None]


def _band(placed: Sequence[Placed], style: Style, up: Span) -> Iterator[str]:
    ends = [(x, mark.low, mark.high) for x, _, mark in placed if mark.low is not None and mark.high is not None]
    if len(ends) < 2:
        return
    below = [f"{elements.n(x)},{elements.n(up.near(low))}" for x, low, _ in ends]
    above = [f"{elements.n(x)},{elements.n(up.near(high))}" for x, _, high in reversed(ends)]
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
        return 16 + LETTER * max((len(elements.short(name)) for name in self.names), default=0)

    @property
    def bottom(self) -> float:
        return self.top + self.step * len(self.names)

    def middle(self, name: str) -> float:
        return self.top + self.step * (self.names.index(name) + 0.5)

    def texts(self) -> Iterator[str]:
        yield from (
            elements.text(self.left - 8, self.middle(name) + 4, elements.short(name), "end") for name in self.names
        )

    def along(self, scale: Ruler) -> Span:
        return Span(scale, self.left, WIDTH - RIGHT)


def _in_rows(
    plot: Plot, axis: Axis, rows: Rows, along: Span, body: Iterable[str], legend: tuple[float, Iterable[str]]
) -> Drawn:
    """With an axis below, the line that is the reference, and a legend."""
    frame = [*_across(axis, along, rows.top, rows.bottom), *rows.texts()]
    reference = [] if plot.reference is None else [along.near(plot.reference)]
    line = [elements.line(at, rows.top, at, rows.bottom, INK, elements.dashed((5, 3))) for at in reference]
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
    fill, more = ("none", elements.dashed((3, 2))) if dark is None else (INK, f' fill-opacity="{dark}"')
    return lambda x, y: elements.rectangle(x - 6, y - 6, 12, 12, fill, f' stroke="{INK}"{more}')


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
        yield elements.bound(along.near(start) + 11, middle + 4)
    for mark in there:
        if is_outlined(mark.part):
            width = along.near(mark.y or 0) - along.start
            yield elements.rectangle(
                along.start, middle - 10, width, 20, "none", f' stroke="{INK}"{elements.dashed((3, 2))}'
            )
        elif not dark:
            yield from _interval(mark, along, middle, INK)


def _place(mark: Mark, dark: Mapping[str, float]) -> int:
    return list(dark).index(mark.part) if mark.part in dark else 0


def _bar(start: float, end: float, middle: float, height: float, colour: str, dark: float) -> str:
    x, width = min(start, end), abs(end - start)
    return elements.rectangle(
        x, middle - height / 2, width, height, colour, f' fill-opacity="{dark}" stroke="{colour}"'
    )


def _interval(mark: Mark, along: Span, middle: float, colour: str) -> Iterator[str]:
    """And the sign of a number that may be higher."""
    end = along.near(mark.y or 0)
    if mark.low is not None and mark.high is not None:
        low, high = along.near(mark.low), along.near(mark.high)
        yield elements.line(low, middle, high, middle, colour)
        yield from (elements.line(at, middle - 4, at, middle + 4, colour) for at in (low, high))
        end = max(end, high)
    if is_bound(mark):
        yield elements.bound(end + 11, middle + 4)


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
    return lambda x, y: elements.symbol(x, y, symbol, INK, filled)


def _joined(
    marks: Sequence[Mark], style: Style, forms: Mapping[str, tuple[str, bool]], along: Span, middle: float
) -> Iterator[str]:
    """The dots of a row, and a line from the first to the last."""
    placed = [(at, mark) for mark in marks if (at := _y(mark, along)) is not None]
    if len(placed) > 1:
        ends = sorted(at for at, _ in placed)
        yield elements.line(
            ends[0], middle, ends[-1], middle, style.colour, ' stroke-width="2.5" stroke-opacity="0.35"'
        )
    for at, mark in placed:
        yield from _interval(mark, along, middle, style.colour)
        yield elements.symbol(at, middle, *_seen(mark, style, forms))


def _seen(mark: Mark, style: Style, forms: Mapping[str, tuple[str, bool]]) -> tuple[str, str, bool]:
    symbol, filled = forms.get(mark.part, (style.symbol, style.filled))
    return symbol, style.colour, filled


# --- cells


def _strips(plot: Plot, looks: Mapping[str, Look]) -> Drawn:
    """What did less harm is lower; letters where there is room."""
    rows, width = Rows(unlike(mark.row for mark in plot.marks)), cell_width(plot)
    along = rows.along(cells(plot))
    each = [(mark, along.near(float(mark.x)), along.near(float(mark.x) + width)) for mark in plot.marks]
    filled = (_cell(mark, start, end, rows.middle(mark.row)) for mark, start, end in each if mark.part)
    letters = [
        elements.words((start + end) / 2, rows.middle(mark.row) + 4, mark.note)
        for mark, start, end in each
        if end - start > 7 and mark.note.strip(" .")
    ]
    body = [*elements.fields(filled), *elements.group(letters, elements.CENTRED)]
    return _in_rows(plot, plot.x, rows, along, body, _legend(rows.left, rows.bottom + 56, _kinds(plot)))


def _cell(mark: Mark, start: float, end: float, middle: float) -> elements.Field:
    height = ROW * HEIGHTS.get(mark.part, 1)
    return start, middle - height / 2, end - start, height, harm(mark.part), ""


def _kinds(plot: Plot) -> dict[str, Callable[[float, float], str]]:
    return {kind: _kind(kind) for kind in harms(plot)}


def _kind(kind: str) -> Callable[[float, float], str]:
    return lambda x, y: elements.rectangle(x - 6, y - 6, 12, 12, harm(kind), f' fill-opacity="{CELL}" stroke="{MUTED}"')


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
    named = [_paragraph(middles[name], head - 6 - LINE * (len(lines) - 1), lines) for name, lines in heads.items()]
    body += elements.group(named, elements.CENTRED)
    placed = [(mark, middles[str(mark.x)], rows.middle(mark.row)) for mark in plot.marks]
    filled = (_field(mark, x, y, (width, step)) for mark, x, y in placed if mark.part)
    written = [_paragraph(x, y + 4 - LINE * (len(text) - 1) / 2, text) for (_, x, y), text in zip(placed, texts)]
    body += [*elements.fields(filled), *elements.group(written, elements.CENTRED)]
    height, legend = _legend(rows.left, rows.bottom + 16, _kinds(plot))
    return max(WIDTH, rows.left + width * len(heads) + 4), rows.bottom + 16 + height, [*body, *legend]


def _field(mark: Mark, x: float, y: float, size: tuple[float, float]) -> elements.Field:
    """What was not expected has a heavy border."""
    width, height = size[0] - 4, size[1] - 4
    heavy = f' stroke="{INK}" stroke-width="2.5"' if is_unexpected(mark) else ""
    return x - width / 2, y - height / 2, width, height, harm(mark.part), heavy


def _paragraph(x: float, y: float, lines: Sequence[str]) -> str:
    return "".join(elements.words(x, y + LINE * place, line) for place, line in enumerate(lines))


DRAWN: dict[Shape, Callable[[Plot, Mapping[str, Look]], Drawn]] = {
    Shape.lines: _lines,
    Shape.bars: _bars,
    Shape.dots: _dots,
    Shape.strips: _strips,
    Shape.matrix: _matrix,
}
