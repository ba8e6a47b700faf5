"""A plot becomes a specification that draws every mark where it is, in colours of the page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from loadtest.contestants.contestants import MODELS
from loadtest.document.document import Axis, Look, Mark, Plot, Scale, Shape
from loadtest.page import looks as page_looks
from loadtest.page import vega

LOOKS = {
    "prefork": Look(2, "model"),
    "epoll": Look(5, "model"),
    "bare-epoll": Look(5, "bare"),
    "nginx": Look(5, "peer"),
    "quartet-epoll --workers 1": Look(5, "variant"),
}
LINES = [
    Mark(row, x, 10.0 * x, 9.0 * x, 11.0 * x)
    for row in ("prefork", "epoll", "nginx", "bare-epoll", "prefork +parent")
    for x in (1, 8, 64)
]
STACKED = [Mark(row, "", y, part=part) for row in ("prefork", "epoll") for part, y in (("user", 2.0), ("system", 5.0))]
OF_EACH = {
    Shape.lines: LINES,
    Shape.bars: [*STACKED, Mark("epoll", "", 9, part="summed RSS")],
    Shape.dots: [Mark("prefork", "", y, y - 0.1, y + 0.1, part=part) for part, y in (("peer", 0.9), ("bare", 0.5))],
    Shape.strips: [Mark("epoll", x / 10, part=part, note="l") for x, part in enumerate(("none", "lost", "starved"))],
    Shape.matrix: [Mark("segv", "epoll", part="lost", note="!= server lost"), Mark("segv", "prefork", note="n/a")],
}


def plot(
    shape: Shape, marks: Any = None, x: Axis = Axis("x"), y: Axis = Axis("y"), reference: float | None = 1
) -> Plot:
    return Plot("one", "A title", "A caption.", shape, x, y, marks or OF_EACH[shape], reference)


def spec(*arguments: Any, **more: Any) -> dict[str, Any]:
    return vega.spec(plot(*arguments, **more), LOOKS)


def inner(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object in it."""
    if isinstance(tree, dict):
        yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for one in tree:
            yield from inner(one)


def encodings(tree: Any, channel: str) -> list[Any]:
    return [one["encoding"][channel] for one in inner(tree) if channel in one.get("encoding", {})]


def marks(tree: Any, kind: str) -> list[Any]:
    return [one for one in inner(tree) if isinstance(one.get("mark"), dict) and one["mark"].get("type") == kind]


def by_name(channel: dict[str, Any]) -> dict[str, Any]:
    return dict(zip(channel["scale"]["domain"], channel["scale"]["range"], strict=True))


@pytest.mark.parametrize("shape", Shape)
def test_a_specification_is_plain_json_that_names_its_data_and_tells_what_it_shows(shape: Shape) -> None:
    found = json.loads(json.dumps(spec(shape), allow_nan=False))
    assert found["data"] == {"name": "marks"}
    assert found["description"] == "A title. A caption."
    assert found["width"] == "container" or shape == Shape.matrix


def test_contestants_of_one_model_have_its_colour_and_symbols_of_their_own() -> None:
    policies = {f"fibers-{name}": Look(1, "model") for name in ("fifo", "lifo", "mlfq", "edf")}
    known = {**policies, "threads": Look(0, "model"), "threads-rr": Look(0, "model")}
    found = page_looks.styles([Mark(name, 1, 1.0) for name in known], known)
    assert len({one.colour for name, one in found.items() if name in policies}) == 1
    assert len({(one.symbol, one.filled) for one in found.values()}) == len(known)
    alone = page_looks.styles([Mark(name, 1, 1.0) for name in ("fibers-fifo", "threads")], known)
    assert alone == {name: found[name] for name in alone}, "the first of a model looks as it always does"


def test_parts_of_one_contestant_have_one_symbol() -> None:
    found = page_looks.styles([Mark("epoll", 1, 1.0, part=part) for part in ("short", "long")], LOOKS)
    assert len({one.symbol for one in found.values()}) == 1 and len({one.dash for one in found.values()}) == 2


@pytest.mark.parametrize("shape", Shape)
def test_every_colour_is_a_variable_of_the_page(shape: Shape) -> None:
    text = json.dumps([spec(shape), vega.CONFIG])
    assert not re.search(r"#[0-9a-f]{3,8}\b|rgb|\b(black|white|gr[ae]y|red|green|blue|steelblue)\b", text)
    known = r"var\(--(model-[0-7]|ink|muted|grid|paper|harm-(none|delayed|lost|wrong|starved))\)"
    assert re.findall(r"var\([^)]*\)", text) == [one.group() for one in re.finditer(known, text)]


def test_a_line_has_the_colour_the_dash_and_the_symbol_of_its_contestant() -> None:
    found = spec(Shape.lines)
    colours, symbols = by_name(encodings(found, "stroke")[0]), by_name(encodings(found, "shape")[0])
    dashes, fills = by_name(encodings(found, "strokeDash")[0]), by_name(encodings(found, "fill")[0])
    assert list(colours) == ["prefork", "epoll", "nginx", "bare-epoll", "prefork +parent"]
    assert colours["prefork +parent"] == colours["prefork"] == "var(--model-2)"
    assert (symbols["nginx"], symbols["bare-epoll"]) == ("diamond", "cross")
    assert fills["nginx"] == fills["prefork +parent"] == "var(--paper)" != fills["bare-epoll"]
    assert len({(symbols[name], fills[name], tuple(dashes[name])) for name in colours}) == 5
    assert dashes["prefork"] == [1, 0] != dashes["prefork +parent"]


def test_who_is_unknown_is_neutral_and_two_alike_get_different_dashes() -> None:
    names = ("prefork +64 MiB", "prefork +256 MiB", "someone")
    found = page_looks.styles([Mark(name, 1, 1) for name in names], LOOKS)
    assert found["someone"].colour == "var(--muted)"
    assert found[names[0]].symbol == found[names[1]].symbol and found[names[0]].dash != found[names[1]].dash


def test_each_model_has_a_colour_and_whose_model_is_not_among_ours_has_none_of_theirs() -> None:
    named = {f"model {place}": Look(place, "model") for place in range(len(MODELS) + 1)}
    found = page_looks.styles([Mark(name, 1, 1) for name in named], named)
    *ours, other = [found[name].colour for name in named]
    assert ours == [f"var(--model-{place})" for place in range(len(MODELS))]
    assert other == "var(--muted)"


def test_few_numbers_of_connections_are_all_written_on_a_logarithmic_axis() -> None:
    x = encodings(spec(Shape.lines, x=Axis("connections", scale=Scale.log), y=Axis("rate", "1/s")), "x")[0]
    assert x["scale"] == {"domain": [1, 64], "nice": False, "type": "log"}
    assert x["axis"]["values"] == [1, 8, 64]
    assert x["title"] == "connections, log"


def test_an_axis_says_where_it_does_not_begin_at_zero() -> None:
    there = [Mark("prefork", "", 690.0), Mark("epoll", "", 910.0)]
    titles = [one["title"] for one in encodings(spec(Shape.dots, there, y=Axis("rate", "1/s"), reference=None), "x")]
    assert "rate (1/s), axis begins at 650" in titles


def test_axes_of_lines_begin_at_zero_and_have_units() -> None:
    y = encodings(spec(Shape.lines, y=Axis("rate", "1/s")), "y")[0]
    assert (y["title"], y["scale"]["domain"], y["axis"]["values"][1]) == ("rate (1/s)", [0, 800], 200)


def test_a_tail_is_drawn_over_one_divided_by_what_is_slower() -> None:
    shares = [Mark("epoll", share, 1.0) for share in (0.5, 0.9, 0.99, 0.9995, 1)]
    found = spec(Shape.lines, shares, x=Axis("share", scale=Scale.tail))
    calculated = {one["as"]: one["calculate"] for one in found["transform"] if "calculate" in one}
    x = encodings(found, "x")[0]
    assert calculated["at"] == "1 / (1 - datum.x)"
    assert (x["scale"]["type"], x["scale"]["domain"]) == ("log", [1, 10000])
    assert x["axis"]["values"] == [1, 2, 10, 100, 1000, 10000]
    assert "100 * (1 - 1 / datum.value)" in x["axis"]["labelExpr"]


def test_marks_without_a_number_or_a_place_are_filtered_and_stretch_no_axis() -> None:
    there = [Mark("epoll", 0, 1), Mark("epoll", 10, 5), Mark("epoll", 1000, 7), Mark("epoll", 10**6, None)]
    found = spec(Shape.lines, there, x=Axis("n", scale=Scale.log))
    assert found["transform"][:2] == [
        {"filter": "datum.x > 0"},
        {"calculate": "isValid(datum.y) ? datum.y : null", "as": "y"},
    ]
    (line,) = marks(found, "line")
    assert "transform" not in line, "a line is broken where there is no number"
    assert [one["transform"][0] for one in marks(found, "point")] == [{"filter": "isValid(datum.y)"}]
    assert encodings(found, "x")[0]["scale"]["domain"] == [10, 1000]


def test_a_band_is_drawn_for_those_lines_that_have_one_within_the_axis() -> None:
    there = [*LINES[:3], *[Mark("epoll", x, x) for x in (1, 8, 64)]]
    (band,) = marks(spec(Shape.lines, there, y=Axis("y", scale=Scale.log)), "area")
    assert band["transform"][0] == {"filter": {"field": "label", "equal": "prefork"}}
    assert band["encoding"]["y"]["field"] == "bottom" and band["encoding"]["y2"] == {"field": "high"}
    assert band["mark"]["color"] == "var(--model-2)"


def test_of_many_points_the_first_and_some_others_have_a_symbol() -> None:
    few, many = ([Mark("epoll", x, x) for x in range(1, count + 1)] for count in (16, 160))
    assert marks(spec(Shape.lines, few), "point")[0]["transform"] == [{"filter": "isValid(datum.y)"}]
    neighbours, number, numbered, chosen = marks(spec(Shape.lines, many), "point")[0]["transform"]
    assert chosen == {"filter": "datum.number % 10 == 1 || (!isValid(datum.before) && !isValid(datum.after))"}
    assert (neighbours["sort"], number) == ([{"field": "at"}], {"filter": "isValid(datum.y)"})
    assert numbered["window"][0]["op"] == "row_number"


def test_the_reference_is_one_line_across_the_axis_of_numbers() -> None:
    across = {Shape.lines: "y", Shape.bars: "x", Shape.dots: "x", Shape.strips: "x"}
    for shape, channel in across.items():
        rules = [one for one in marks(spec(shape), "rule") if one["mark"].get("strokeDash")]
        assert [(one["encoding"], one["data"]) for one in rules] == [({channel: {"datum": 1}}, {"values": [{}]})]
    assert "datum" not in json.dumps(encodings(spec(Shape.bars, reference=None), "x"))


def test_parts_of_a_bar_are_stacked_in_their_order_from_dark_to_light_with_a_legend() -> None:
    found = spec(Shape.bars, STACKED)
    dark = encodings(found, "opacity")[0]
    bar = marks(found, "bar")[0]
    assert bar["encoding"]["x"]["stack"] == "zero" and bar["encoding"]["order"]["field"] == "place"
    assert {"calculate": 'indexof(["user", "system"], datum.part)', "as": "place"} in found["transform"]
    assert list(by_name(dark)) == ["user", "system"] and by_name(dark)["user"] > by_name(dark)["system"] > 0.1
    assert dark["legend"]["columns"]
    assert encodings(found, "x")[0]["scale"]["domain"] == [0, 8]


def test_a_sum_that_counts_something_twice_is_an_outline_and_in_no_stack() -> None:
    bars = marks(spec(Shape.bars), "bar")
    outlines = [one for one in bars if one["encoding"]["x"].get("stack", "") is None]
    assert [one["transform"] for one in outlines] == [[{"filter": "indexof(datum.part, 'summed') == 0"}]]
    assert all("!(" in one["transform"][0]["filter"] for one in bars if one not in outlines)
    assert 'indexof(["user", "system"], datum.part)' in json.dumps(spec(Shape.bars)).replace('\\"', '"')


def test_bars_on_a_logarithmic_axis_are_dots() -> None:
    found = spec(Shape.bars, y=Axis("y", scale=Scale.log))
    assert not marks(found, "bar") and marks(found, "point")


def test_rows_keep_the_order_of_their_marks_and_names_of_columns_follow_them() -> None:
    there = [Mark(row, x, 1) for row in ("prefork", "epoll") for x in ("100 idle", "10 idle")]
    y = encodings(spec(Shape.bars, there), "y")[0]
    assert y["scale"]["domain"] == ["prefork, 100 idle", "prefork, 10 idle", "epoll, 100 idle", "epoll, 10 idle"]


def test_dots_of_a_row_are_joined_and_have_the_symbols_of_their_kinds() -> None:
    found = spec(Shape.dots)
    (symbols,) = encodings(found, "shape")
    joints = [one for one in marks(found, "rule") if one["encoding"].get("x2") == {"field": "last"}]
    assert by_name(symbols) == {"peer": "diamond", "bare": "cross"}
    assert [one["transform"][0]["groupby"] for one in joints] == [["label"]]
    assert encodings(found, "fill")[0]["condition"] == {
        "test": 'indexof(["peer"], datum.part) >= 0',
        "value": "var(--paper)",
    }


def test_dots_need_not_begin_at_zero_and_show_their_intervals() -> None:
    found = spec(Shape.dots)
    assert encodings(found, "x")[0]["scale"]["domain"] == [0.4, 1]
    assert [one["encoding"]["x"]["field"] for one in marks(found, "tick")] == ["low", "high"]


def test_a_number_that_may_be_higher_has_a_sign() -> None:
    found = spec(Shape.lines, [*LINES, replace(LINES[0], note="a lower bound")])
    (sign,) = [one for one in marks(found, "text") if one["mark"]["text"] == "≥"]
    assert "indexof(datum.note, 'lower bound') >= 0" in sign["transform"][0]["filter"]


def test_the_sign_of_a_stack_is_behind_all_of_its_parts() -> None:
    found = spec(Shape.bars, [replace(mark, note=">= 2") for mark in STACKED])
    (sign,) = [one for one in marks(found, "text") if one["mark"].get("text") == "≥"]
    summed = {"joinaggregate": [{"op": "sum", "field": "y", "as": "sum"}], "groupby": ["label"]}
    assert sign["encoding"]["x"]["field"] == "sum" and sign["transform"][1] == summed


def test_a_cell_of_a_strip_is_as_wide_as_a_step_and_the_higher_the_more_harm() -> None:
    found = spec(Shape.strips, x=Axis("time", "s"))
    cells = marks(found, "rect")
    assert {"calculate": "datum.x + 0.1", "as": "end"} in found["transform"]
    assert [one["transform"][0]["filter"]["equal"] for one in cells] == ["none", "lost", "starved"]
    heights = [one["mark"]["height"]["band"] for one in cells]
    assert heights == sorted(heights) and len(set(heights)) == 3
    assert encodings(found, "x")[0]["scale"]["domain"] == pytest.approx([0, 0.3])


def test_rows_of_two_matrices_are_alike_however_many_alternatives_a_cell_has() -> None:
    many = "server lost or\nserver starved or\nserver wrong or\nnobody"
    one, other = (spec(Shape.matrix, [Mark("segv", "epoll", note=note)]) for note in ("connection", many))
    assert one["height"] == other["height"]
    assert page_looks.cell_text(many) == ["server lost or", "server starved …"]
    assert len(page_looks.cell_text("server lost\n12 s\n!= connection")) == 3


def test_names_of_the_rows_of_a_matrix_are_whole() -> None:
    assert encodings(spec(Shape.matrix), "y")[0]["axis"]["labelLimit"] == 0


def test_a_cell_that_was_not_expected_has_a_heavy_border_and_texts_wrap() -> None:
    found = spec(
        Shape.matrix, [*OF_EACH[Shape.matrix], Mark("spin", "epoll", part="none", note="everybody was harmed")]
    )
    (cell,) = marks(found, "rect")
    assert cell["encoding"]["strokeWidth"]["condition"] == {"test": "test(/(^|\\n)!=/, datum.note)", "value": 2.5}
    assert by_name(cell["encoding"]["fill"]) == {"none": "var(--harm-none)", "lost": "var(--harm-lost)"}
    assert '"everybody was harmed": ["everybody was", "harmed"]' in found["transform"][-1]["calculate"]
    assert encodings(found, "x")[0]["scale"]["domain"] == ["epoll", "prefork"]


def test_a_tooltip_has_what_there_is_under_the_names_of_the_axes() -> None:
    told = encodings(spec(Shape.bars, STACKED, y=Axis("CPU time", "us")), "tooltip")[0]
    assert [one["title"] for one in told] == ["row", "part", "CPU time (us)"]


def test_a_name_cannot_end_an_expression() -> None:
    hostile = "'\"]) || alert(1) //"
    there = [Mark("epoll", "", 1, part=hostile)]
    for one in (spec(Shape.bars, there), spec(Shape.matrix, [Mark("a", "b", note=hostile)])):
        expressions = [text for part in inner(one) for key, text in part.items() if key in ("calculate", "test")]
        assert all(hostile not in text or json.dumps(hostile) in text for text in expressions)
        assert any(json.dumps(hostile) in text for text in expressions)


@pytest.mark.parametrize("shape", (Shape.lines, Shape.bars, Shape.dots))
def test_there_is_no_layer_for_signs_and_intervals_that_no_mark_has(shape: Shape) -> None:
    """A layer without marks would be an empty group of the drawing."""
    marked = [Mark("epoll", x=1.0 if shape == Shape.lines else "", y=2.0, low=1.0, high=3.0, note=">= 2")]
    plain = [replace(mark, low=None, high=None, note="") for mark in marked]
    full, bare = (json.dumps(vega.spec(plot(shape, marks=marks), LOOKS)) for marks in (marked, plain))
    assert "\\u2265" in full and "datum.low" in full
    assert "\\u2265" not in bare and "datum.low" not in bare
