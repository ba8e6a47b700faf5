"""A plot as a Vega-Lite specification, without its data: the page hands over its marks as the data "marks". Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from loadtest.document.document import Axis, Look, Mark, Plot, Scale, Shape
from loadtest.page.looks import (
    BOUNDS,
    CELL,
    GRID,
    HEIGHTS,
    INK,
    MUTED,
    OUTLINED,
    PAPER,
    UNEQUAL,
    cell_lines,
    cell_text,
    cell_width,
    drawn,
    harm,
    harms,
    inside,
    is_bound,
    is_outlined,
    label,
    opacities,
    parts,
    row_lines,
    styles,
    symbols,
    unlike,
    wrapped,
)
from loadtest.page.scales import Ruler, cells, described, measured, ruler, title, totals, values

Spec = dict[str, Any]

HEIGHT = 320  # pixels, of lines
ROW = 26  # of a row of bars, dots or a strip
NAME = 170  # pixels of a row's name
HEAD = 12  # letters of a column's name in a line
LINE, LETTER = 13, 6.6  # of a text in a cell: the height of a line, and the width of a letter
MARKED = 16  # points on a line; of more only some have a symbol
LABEL = 'isString(datum.x) && datum.x ? datum.row + ", " + datum.x : datum.row'
LINE_LABEL = 'datum.part ? datum.row + ", " + datum.part : datum.row'
ON_AXIS = {Scale.linear: "isValid({})", Scale.log: "{} > 0", Scale.tail: "inrange({}, [0, 0.9999999])"}
NUMBER: Spec = {"filter": "isValid(datum.y)"}
INTERVAL: Spec = {"filter": "isValid(datum.low) && isValid(datum.high)"}
OUTLINE = f"indexof(datum.part, '{OUTLINED}') == 0"
TEXT: Spec = {"type": "text", "color": INK, "tooltip": False}
FONT = "system-ui, sans-serif"
CONFIG: Spec = {
    "background": "transparent",
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED, "titleColor": INK, "gridColor": GRID, "domainColor": MUTED, "tickColor": MUTED,
        "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "tickSize": 4, "gridWidth": 0.6,
    },
    "legend": {
        "orient": "bottom", "direction": "horizontal", "title": None, "labelColor": INK, "labelFontSize": 12,
        "labelLimit": 260, "symbolSize": 80, "symbolStrokeWidth": 1.5, "symbolBaseFillColor": INK,
        "symbolBaseStrokeColor": INK, "columnPadding": 14, "offset": 8,
    },
    "mark": {"color": INK},
    "text": {"color": INK, "font": FONT, "fontSize": 11},
    "rule": {"color": INK},
    "style": {"cell": {"stroke": None}},
}  # fmt: skip


def spec(plot: Plot, looks: Mapping[str, Look]) -> Spec:
    """As wide as its container; a matrix is as wide as its texts. What all have, the page adds: CONFIG."""
    drawing = DRAWN[plot.shape](plot, looks)
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "description": f"{plot.title}. {plot.caption}",
        "data": {"name": "marks"},
        "width": "container",
        "autosize": {"type": "fit-x", "contains": "padding"},
        **drawing,
    }


def _number(field: str, axis: Axis, along: Ruler) -> Spec:
    written = "format(100 * (1 - 1 / datum.value), '~f') + ' %'" if axis.scale == Scale.tail else None
    label_of = {"labelExpr": written} if written else {"format": ",~f" if along.high >= 1e-5 else "~g"}
    kind = {"type": "linear", "zero": False} if axis.scale == Scale.linear else {"type": "log"}
    return {
        "field": field,
        "type": "quantitative",
        "title": described(axis, along),
        "scale": {"domain": [along.low, along.high], "nice": False, **kind},
        "axis": {
            "values": list(along.ticks),
            "labelOverlap": "greedy",
            "labelSeparation": 6,
            "labelFlush": False,
            **label_of,
        },
    }


def _named(field: str, names: Sequence[str], looks_like: Sequence[Any], legend: Spec | None = None) -> Spec:
    scale = {"type": "ordinal", "domain": list(names), "range": list(looks_like)}
    return {"field": field, "type": "nominal", "scale": scale, "legend": legend}


def _legend(names: Sequence[str], rows: Sequence[str]) -> Spec:
    """In as many columns as the container takes, beside the names of the rows; again when the width changes."""
    beside, entry = _widest(rows) + 20, _widest(names) + 32
    room = "(width > 0 && containerSize()[0] || 660)"
    return {"columns": {"expr": f"max(1, floor(({room} - {beside:.0f}) / {entry:.0f}))"}}


def _widest(names: Sequence[str]) -> float:
    """Of the lines, in pixels."""
    return 6 * max((len(line) for name in names for line in row_lines(name)), default=0)


def _inked(field: str, names: Sequence[str], looks_like: Sequence[Any], legend: Spec, hollow: Sequence[str]) -> Spec:
    """The symbols of the legend have no contestant's colour; some are not filled."""
    is_hollow, outlined = f"indexof({json.dumps(hollow)}, datum.value) >= 0", f"indexof(datum.value, '{OUTLINED}') == 0"
    legend_symbols = {
        "fill": {"condition": {"test": is_hollow, "value": "transparent"}, "value": INK},
        "stroke": {"value": INK},
        "strokeDash": {"condition": {"test": outlined, "value": [3, 2]}, "value": [1, 0]},
    }
    return _named(field, names, looks_like, {**legend, "encoding": {"symbols": legend_symbols}})


def _coloured(plot: Plot, looks: Mapping[str, Look]) -> Spec:
    """The axis names the rows."""
    found = styles(drawn(plot), looks)
    return _named("label", list(found), [one.colour for one in found.values()])


def _tooltip(plot: Plot) -> list[Spec]:
    """What the marks have, under the names of the axes."""
    fields = {"row": "", "part": "part", "x": title(plot.x), "y": title(plot.y), "low": "low", "high": "high"}
    shown = drawn(plot)
    there = [field for field in (*fields, "note") if any(getattr(mark, field) not in ("", None) for mark in shown)]
    return [{"field": field, "type": "nominal", "title": fields.get(field) or field} for field in there]


def _layered(plot: Plot, channel: str, encoding: Spec, layers: Sequence[Spec]) -> Spec:
    """All of them on the same axes; then the reference, which is a line across `channel`."""
    marks: Spec = {"encoding": encoding, "layer": list(layers)}
    if plot.reference is None:
        return marks
    mark = {"type": "rule", "color": INK, "strokeDash": [5, 3], "strokeWidth": 1, "tooltip": False}
    rule = {"data": {"values": [{}]}, "mark": mark, "encoding": {channel: {"datum": plot.reference}}}
    return {"layer": [marks, rule]}


def _lower_bounds(plot: Plot, encoding: Spec, dx: int = 0, dy: int = 0) -> list[Spec]:
    """A sign beside each number that may be higher; no layer where there is none."""
    if not any(map(is_bound, drawn(plot))):
        return []
    told = " || ".join(f"indexof(datum.note, '{word}') >= 0" for word in BOUNDS)
    mark = {**TEXT, "text": "≥", "dx": dx, "dy": dy, "fontWeight": "bold"}
    return [{"transform": [{"filter": told}], "mark": mark, "encoding": encoding}]


def _lines(plot: Plot, looks: Mapping[str, Look]) -> Spec:
    """Bands below, then lines, then symbols. A line is broken where there is no number."""
    there = drawn(plot)
    across = measured(plot.x.scale, [float(mark.x) for mark in there])
    up = ruler(plot.y.scale, values(plot), zero=True)
    axes = {"x": _number("at", plot.x, across), "y": _number("y", plot.y, up)}
    return {
        "height": HEIGHT,
        "transform": [
            {"filter": _on(plot.x, "datum.x")},
            {"calculate": f"{_on(plot.y, 'datum.y')} ? datum.y : null", "as": "y"},
            {"calculate": LINE_LABEL, "as": "label"},
            {"calculate": "1 / (1 - datum.x)" if plot.x.scale == Scale.tail else "datum.x", "as": "at"},
        ],
        **_layered(plot, "y", axes, [*_curves(plot, there, up, looks), *_lower_bounds(plot, {}, dy=-11)]),
    }


def _on(axis: Axis, field: str) -> str:
    return ON_AXIS[axis.scale].format(field)


def _curves(plot: Plot, there: Sequence[Mark], up: Ruler, looks: Mapping[str, Look]) -> list[Spec]:
    found = styles(there, looks)
    names, each = list(found), list(found.values())
    banded = {label(mark) for mark in there if mark.low is not None}
    legend = _legend(names, [])
    stroke = _named("label", names, [one.colour for one in each], legend)
    fill = _named("label", names, [one.fill for one in each], legend)
    dash = _named("label", names, [list(one.dash) for one in each], legend)
    shape = _named("label", names, [one.symbol for one in each], legend)
    symbol = {"type": "point", "size": 46, "strokeWidth": 1.4, "opacity": 1}
    return [
        *(_band(name, one.colour, up) for name, one in found.items() if name in banded),
        {
            "mark": {"type": "line", "strokeWidth": 1.6, "clip": True, "tooltip": False},
            "encoding": {"stroke": stroke, "strokeDash": dash},
        },
        {
            "transform": _marked(there),
            "mark": symbol,
            "encoding": {"stroke": stroke, "fill": fill, "shape": shape, "tooltip": _tooltip(plot)},
        },
    ]


def _band(name: str, colour: str, up: Ruler) -> Spec:
    """On a logarithmic axis, which has no zero, to its end. It is in no legend: lines are."""
    is_there = " && ".join(f"isValid(datum.{field})" for field in ("y", "low", "high"))
    bottom = {"calculate": f"{is_there} ? max(datum.low, {up.low}) : null", "as": "bottom"}
    return {
        "transform": [{"filter": {"field": "label", "equal": name}}, bottom],
        "mark": {"type": "area", "color": colour, "opacity": 0.1, "clip": True, "tooltip": False},
        "encoding": {"y": _bare("bottom"), "y2": {"field": "high"}},
    }


def _marked(there: Sequence[Mark]) -> list[Spec]:
    """Of each line its first, and so many more points that their symbols can be told apart; and who stands alone
    between two gaps."""
    names = [label(mark) for mark in there]
    step = -(-max(map(names.count, names), default=1) // MARKED)
    if step == 1:
        return [NUMBER]
    beside = [{"op": op, "field": "y", "as": name} for op, name in (("lag", "before"), ("lead", "after"))]
    neighbours = {"window": beside, "groupby": ["label"], "sort": [{"field": "at"}]}
    number = {"window": [{"op": "row_number", "as": "number"}], "groupby": ["label"]}
    alone = "!isValid(datum.before) && !isValid(datum.after)"
    return [neighbours, NUMBER, number, {"filter": f"datum.number % {step} == 1 || ({alone})"}]


def _rows(names: Sequence[str], limit: int = NAME) -> Spec:
    """One below another, in their order. `limit`: pixels of a name; 0 is none."""
    lines = {name: row_lines(name) for name in names}
    axis = {"ticks": False, "domain": False, "labelLimit": limit, "labelColor": INK, "labelPadding": 6,
            "labelLineHeight": LINE, "labelOffset": _middle(lines),
            "labelExpr": f"{json.dumps(lines)}[datum.label]"}  # fmt: skip
    return {"field": "label", "type": "nominal", "title": None, "scale": {"domain": list(names)}, "axis": axis}


def _middle(lines: Mapping[str, Sequence[str]]) -> Spec:
    """Of names with several lines: a label's place is that of its first line."""
    several = [name for name, those in lines.items() if len(those) > 1]
    test = f"indexof({json.dumps(several)}, datum.value) >= 0"
    return {"condition": {"test": test, "value": -LINE / 2}, "value": 0}


def _height(names: Sequence[str], step: float = ROW) -> float:
    return max(step, *(LINE * len(row_lines(name)) + 8 for name in names)) * len(names) if names else step


def _valid(plot: Plot) -> list[Spec]:
    return [
        {"filter": f"isValid(datum.y) && {_on(plot.y, 'datum.y')}"},
        {"calculate": LABEL, "as": "label"},
        {"calculate": "isValid(datum.high) ? max(datum.high, datum.y) : datum.y", "as": "end"},
    ]


def _bars(plot: Plot, looks: Mapping[str, Look]) -> Spec:
    """A length on a logarithmic axis says nothing: there they are dots."""
    if plot.y.scale != Scale.linear:
        return _dots(plot, looks)
    stacked = inside(plot)
    names = unlike(map(label, drawn(plot)))
    along = _number("y", plot.y, ruler(Scale.linear, totals(plot), zero=True))
    whiskers = [] if stacked else _whiskers(plot, {"value": INK})
    signs = _lower_bounds(plot, {"x": _bare("sum" if stacked else "end")}, dx=9)
    signs = [_of_sums(one) if stacked else one for one in signs]
    layers = [*_stacks(plot, stacked, looks), *_outlines(plot), *whiskers, *signs]
    return {
        "height": _height(names),
        "transform": [*_valid(plot), {"calculate": f"indexof({json.dumps(stacked)}, datum.part)", "as": "place"}],
        **_layered(plot, "x", {"y": _rows(names), "x": along}, layers),
    }


def _of_sums(layer: Spec) -> Spec:
    """Where the parts of a row end."""
    total = {"joinaggregate": [{"op": "sum", "field": "y", "as": "sum"}], "groupby": ["label"]}
    return {**layer, "transform": [{"filter": f"!({OUTLINE})"}, total, *layer["transform"]]}


def _stacks(plot: Plot, stacked: Sequence[str], looks: Mapping[str, Look]) -> list[Spec]:
    """Parts are told apart by how dark they are, and by their names."""
    colour = _coloured(plot, looks)
    bar: Spec = {"type": "bar", "height": {"band": 0.64}}
    along: Spec = {"x": {**_bare("y"), "stack": "zero"}, "order": {"field": "place", "type": "quantitative"}}
    if not stacked:
        return [_stack({**bar, "opacity": 0.8}, {**along, "fill": colour, "tooltip": _tooltip(plot)})]
    summed = [part for part in parts(plot) if is_outlined(part)]
    legend = _legend([*stacked, *summed], unlike(map(label, drawn(plot))))
    dark = _inked("part", [*stacked, *summed], [*opacities(len(stacked)), *(1 for _ in summed)], legend, summed)
    filled = {"fill": colour, "opacity": {**dark, "type": "ordinal"}, "tooltip": _tooltip(plot)}
    edges = {"stroke": colour, "detail": {"field": "part"}}
    edge = {**bar, "filled": False, "strokeWidth": 0.8, "tooltip": False}
    return [_stack(bar, {**along, **filled}), _stack(edge, {**along, **edges}), _part_names(along)]


def _stack(mark: Spec, encoding: Spec) -> Spec:
    return {"transform": [{"filter": f"!({OUTLINE})"}], "mark": mark, "encoding": encoding}


def _part_names(along: Spec) -> Spec:
    """Inside, where there is room."""
    room = f"scale('x', datum.y) - scale('x', 0) > {LETTER} * length(datum.part) + 4"
    encoding = {
        **along,
        "x": {**along["x"], "bandPosition": 0.5},
        "text": {"field": "part"},
        "detail": {"field": "part"},
        "opacity": {"condition": {"test": room, "value": 1}, "value": 0},
    }
    return _stack({**TEXT, "baseline": "middle"}, encoding)


def _outlines(plot: Plot) -> list[Spec]:
    """Around the parts: a sum that counts some of them more than once."""
    if not any(map(is_outlined, parts(plot))):
        return []
    mark = {"type": "bar", "filled": False, "stroke": INK, "strokeWidth": 1.2, "strokeDash": [3, 2]}
    encoding = {"x": {**_bare("y"), "stack": None}, "tooltip": _tooltip(plot)}
    return [{"transform": [{"filter": OUTLINE}], "mark": {**mark, "height": {"band": 0.86}}, "encoding": encoding}]


def _whiskers(plot: Plot, colour: Spec) -> list[Spec]:
    """An interval, with a short line at each end; no layer where there is none."""
    if not any(mark.low is not None and mark.high is not None for mark in drawn(plot)):
        return []
    rule: Spec = {"type": "rule", "strokeWidth": 1.2, "tooltip": False}
    tick: Spec = {"type": "tick", "size": 8, "thickness": 1.2, "tooltip": False}
    ends = [{"mark": tick, "encoding": {"x": _bare(end)}} for end in ("low", "high")]
    layers = [{"mark": rule, "encoding": {"x": _bare("low"), "x2": {"field": "high"}}}, *ends]
    return [{"transform": [INTERVAL], "encoding": {"stroke": colour}, "layer": layers}]


def _bare(field: str) -> Spec:
    """On an axis that another layer describes."""
    return {"field": field, "type": "quantitative"}


def _dots(plot: Plot, looks: Mapping[str, Look]) -> Spec:
    names = unlike(map(label, drawn(plot)))
    along = _number("y", plot.y, ruler(plot.y.scale, values(plot)))
    colour = _coloured(plot, looks)
    shape, is_hollow = _symbols(plot, looks)
    fill = {**colour, "condition": {"test": is_hollow, "value": PAPER}}
    point = {"type": "point", "size": 70, "opacity": 1, "strokeWidth": 1.6}
    symbols = {"mark": point, "encoding": {
        "shape": shape, "fill": fill, "stroke": colour, "tooltip": _tooltip(plot),
    }}  # fmt: skip
    signs = _lower_bounds(plot, {"x": _bare("end")}, dx=11)
    layers = [*_joints(plot, colour), *_whiskers(plot, colour), symbols, *signs]
    axes = {"y": _rows(names), "x": along}
    return {"height": _height(names), "transform": _valid(plot), **_layered(plot, "x", axes, layers)}


def _symbols(plot: Plot, looks: Mapping[str, Look]) -> tuple[Spec, str]:
    """Of each part, or where there are none of each row, which the axis names; and which of them are not filled."""
    names = parts(plot)
    if not names:
        found = styles(drawn(plot), looks)
        hollow = [name for name, one in found.items() if not one.filled]
        shape = _named("label", list(found), [one.symbol for one in found.values()])
        return shape, f"indexof({json.dumps(hollow)}, datum.label) >= 0"
    each = symbols(names, looks)
    hollow = [name for name, (_, filled) in zip(names, each) if not filled]
    legend = _legend(names, unlike(map(label, drawn(plot))))
    shape = _inked("part", names, [symbol for symbol, _ in each], legend, hollow)
    return shape, f"indexof({json.dumps(hollow)}, datum.part) >= 0"


def _joints(plot: Plot, colour: Spec) -> list[Spec]:
    if not parts(plot):
        return []
    ends = [{"op": op, "field": "y", "as": name} for op, name in (("min", "first"), ("max", "last"))]
    rule = {"type": "rule", "strokeWidth": 2.5, "opacity": 0.35, "tooltip": False}
    line = {"x": _bare("first"), "x2": {"field": "last"}, "stroke": colour}
    return [{"transform": [{"aggregate": ends, "groupby": ["label"]}], "mark": rule, "encoding": line}]


def _strips(plot: Plot, looks: Mapping[str, Look]) -> Spec:
    """What did less harm is lower; letters where there is room."""
    width, kinds = cell_width(plot), harms(plot)
    across, names = cells(plot), unlike(mark.row for mark in plot.marks)
    pixels = f"width * {width / (across.high - across.low):.6g}"
    at = _number("x", plot.x, across)
    letter = {**TEXT, "fontSize": {"expr": f"{pixels} > 7 ? min(11, {pixels}) : 0"}, "dx": {"expr": f"{pixels} / 2"}}
    texts = [{"transform": [{"filter": "trim(datum.note) && datum.note != '.'"}], "mark": letter,
              "encoding": {"text": {"field": "note"}}}]  # fmt: skip
    lettered = any(mark.note.strip(" .") for mark in plot.marks)
    return {
        "height": _height(names),
        "transform": [{"calculate": "datum.row", "as": "label"}, {"calculate": f"datum.x + {width}", "as": "end"}],
        **_layered(plot, "x", {"y": _rows(names), "x": at}, [*_cells(plot, kinds), *(texts if lettered else [])]),
    }


def _cells(plot: Plot, kinds: Sequence[str]) -> list[Spec]:
    encoding = {"x2": {"field": "end"}, "fill": _kinds(plot), "tooltip": _tooltip(plot)}
    cell = {"type": "rect", "stroke": MUTED, "strokeWidth": 0.4, "fillOpacity": CELL}
    return [
        {"transform": [{"filter": {"field": "part", "equal": kind}}], "encoding": encoding,
         "mark": {**cell, "height": {"band": HEIGHTS.get(kind, 1)}}} for kind in kinds
    ]  # fmt: skip


def _kinds(plot: Plot) -> Spec:
    kinds = harms(plot)
    legend = _legend(kinds, unlike(mark.row for mark in plot.marks))
    cell = {"fillOpacity": {"value": CELL}, "stroke": {"value": MUTED}, "strokeWidth": {"value": 0.5}}
    return _named("part", kinds, [harm(kind) for kind in kinds], {
        **legend, "symbolType": "square", "encoding": {"symbols": cell},
    })  # fmt: skip


def _matrix(plot: Plot, looks: Mapping[str, Look]) -> Spec:
    columns, names = unlike(str(mark.x) for mark in plot.marks), unlike(mark.row for mark in plot.marks)
    heads = {name: wrapped(name, HEAD) for name in columns}
    texts = {mark.note: cell_text(mark.note) for mark in plot.marks}
    longest = max((len(line) for text in (*heads.values(), *texts.values()) for line in text), default=0)
    return {
        "width": {"step": max(44, LETTER * longest + 12)},
        "height": _height(names, LINE * cell_lines(texts.values()) + 12),
        "autosize": {"type": "pad"},
        "encoding": {"y": _rows(names, limit=0), "x": _columns(heads)},
        "transform": [
            {"calculate": "datum.row", "as": "label"},
            {"calculate": f"{json.dumps(texts)}[datum.note]", "as": "text"},
        ],
        "layer": [_fields(plot), _texts()],
    }


def _columns(heads: Mapping[str, Sequence[str]]) -> Spec:
    """Their names end just above the cells, however many lines they have."""
    most = max(map(len, heads.values()), default=1)
    even = {name: [*[""] * (most - len(head)), *head] for name, head in heads.items()}
    axis = {"orient": "top", "labelAngle": 0, "ticks": False, "domain": False, "labelColor": INK, "labelLimit": 0,
            "labelLineHeight": LINE, "labelPadding": 6 + LINE * (most - 1), "labelOverlap": False,
            "labelExpr": f"{json.dumps(even)}[datum.label]"}  # fmt: skip
    return {"field": "x", "type": "nominal", "title": None, "axis": axis, "scale": {"domain": list(heads)}}


def _fields(plot: Plot) -> Spec:
    """What was not expected has a heavy border."""
    unexpected = f"test(/(^|\\n){UNEQUAL}/, datum.note)"
    return {
        "mark": {"type": "rect", "fillOpacity": CELL, "width": {"band": 0.94}, "height": {"band": 0.9}},
        "encoding": {
            "fill": _kinds(plot),
            "stroke": {"condition": {"test": unexpected, "value": INK}, "value": MUTED},
            "strokeWidth": {"condition": {"test": unexpected, "value": 2.5}, "value": 0.4},
            "tooltip": _tooltip(plot),
        },
    }


def _texts() -> Spec:
    above = {"expr": f"-{LINE / 2} * (length(datum.text) - 1)"}
    mark = {**TEXT, "lineHeight": LINE, "baseline": "middle", "dy": above}
    return {"mark": mark, "encoding": {"text": {"field": "text"}}}


DRAWN = {
    Shape.lines: _lines,
    Shape.bars: _bars,
    Shape.dots: _dots,
    Shape.strips: _strips,
    Shape.matrix: _matrix,
}
