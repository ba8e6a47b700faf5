"""The small drawing of a plot: every mark at its place, readable without script, whatever names there are."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest
from test_vega import LOOKS, OF_EACH, plot

from loadtest.document.document import Axis, Mark, Scale, Shape
from loadtest.page import scales, svg

XML = "{http://www.w3.org/2000/svg}"


def drawing(*arguments: Any, **more: Any) -> ElementTree.Element:
    return ElementTree.fromstring(svg.drawing(plot(*arguments, **more), LOOKS))


def texts(root: ElementTree.Element) -> list[str]:
    return [one.text or "" for one in root.iter(f"{XML}text")]


def text_at(root: ElementTree.Element, text: str) -> tuple[float, float]:
    one = next(one for one in root.iter(f"{XML}text") if one.text == text)
    return float(one.attrib["x"]), float(one.attrib["y"])


def bars(root: ElementTree.Element) -> list[tuple[float, float]]:
    """From where to where."""
    found = [one.attrib for one in root.iter(f"{XML}rect") if "model" in one.attrib["fill"]]
    return [(float(one["x"]), float(one["x"]) + float(one["width"])) for one in found]


def dots(root: ElementTree.Element) -> list[tuple[float, float]]:
    moved = [re.findall(r"[\d.]+", one.attrib.get("transform", "")) for one in root.iter(f"{XML}path")]
    return [(float(x), float(y)) for x, y in moved]


def fields(root: ElementTree.Element) -> list[tuple[float, ...]]:
    """Of all cells: where, how wide and how high."""
    outlines = [one.attrib["d"] for one in root.iter(f"{XML}path") if "harm" in one.attrib.get("fill", "")]
    found = re.findall(r"M([\d.]+) ([\d.]+)h([\d.]+)v([\d.]+)h-([\d.]+)z", "".join(outlines))
    assert all(width == back for _, _, width, _, back in found)
    return [tuple(map(float, one[:4])) for one in found]


@pytest.mark.parametrize("shape", Shape)
def test_a_drawing_scales_tells_what_it_is_and_has_no_script(shape: Shape) -> None:
    root = drawing(shape)
    assert root.attrib["role"] == "img" and re.fullmatch(r"0 0 [\d.]+ [\d.]+", root.attrib["viewBox"])
    assert [one.text for one in root[:2]] == ["A title", "A caption."]
    assert {one.tag for one in root.iter()}.isdisjoint({f"{XML}script", f"{XML}style", f"{XML}image"})


@pytest.mark.parametrize("shape", Shape)
def test_every_colour_is_a_variable_of_the_page(shape: Shape) -> None:
    colours = {one.attrib[key] for one in drawing(shape).iter() for key in ("fill", "stroke") if key in one.attrib}
    assert colours and all(one == "none" or re.fullmatch(r"var\(--[a-z]+(-[a-z0-9]+)?\)", one) for one in colours)


@pytest.mark.parametrize("shape", Shape)
def test_nothing_is_drawn_outside(shape: Shape) -> None:
    root = drawing(shape)
    width, height = map(float, root.attrib["viewBox"].split()[2:])
    for one in root.iter():
        assert 0 <= float(one.attrib.get("x", 0)) <= width and 0 <= float(one.attrib.get("y", 0)) <= height


@pytest.mark.parametrize("shape", Shape)
def test_names_are_text_whatever_is_in_them(shape: Shape) -> None:
    hostile = '</svg><script>alert("1")</script>&'
    x: float | str = 1.0 if shape in (Shape.lines, Shape.strips) else hostile
    root = drawing(shape, [Mark(hostile, x, 1.0, part=hostile, note=hostile)], x=Axis(hostile), y=Axis(hostile))
    assert any("<script>" in text for text in texts(root))
    assert not list(root.iter(f"{XML}script")) and not list(root.iter("script"))


def test_points_of_a_line_are_where_their_axes_have_them() -> None:
    there = [Mark("epoll", x, y) for x, y in ((1, 0.0), (10, 500.0), (100, 1000.0))]
    root = drawing(Shape.lines, there, x=Axis("n", scale=Scale.log), y=Axis("rate", "1/s"), reference=None)
    (line,) = root.iter(f"{XML}polyline")
    first, second, third = (tuple(map(float, one.split(","))) for one in line.attrib["points"].split())
    assert second == pytest.approx(((first[0] + third[0]) / 2, (first[1] + third[1]) / 2), abs=0.02)
    assert (text_at(root, "10")[0], text_at(root, "1,000")[1]) == pytest.approx((second[0], third[1] + 4), abs=0.02)
    assert "rate (1/s)" in texts(root)


def test_a_share_is_placed_by_what_is_slower() -> None:
    there = [Mark("epoll", share, 1.0) for share in (0, 0.9, 0.99, 0.999)]
    (line,) = drawing(Shape.lines, there, x=Axis("share", scale=Scale.tail)).iter(f"{XML}polyline")
    places = [float(one.split(",")[0]) for one in line.attrib["points"].split()]
    steps = [after - before for before, after in zip(places, places[1:])]
    assert steps == pytest.approx([steps[0]] * 3, abs=0.03)
    assert {"0 %", "90 %", "99 %", "99.9 %"} <= set(texts(drawing(Shape.lines, there, x=Axis("s", scale=Scale.tail))))


def test_a_line_is_broken_where_a_point_has_no_place_or_no_number() -> None:
    values = (5, 5, 6, None, 6, 7, 8, None)
    there = [Mark("epoll", x, y, 4, 9) for x, y in enumerate(values)]
    root = drawing(Shape.lines, [*there, Mark("epoll", 8, 5)], x=Axis("n", scale=Scale.log))
    assert [len(one.attrib["points"].split()) for one in root.iter(f"{XML}polyline")] == [2, 3]
    assert [len(one.attrib["points"].split()) for one in root.iter(f"{XML}polygon")] == [4, 6]
    in_legend = 1
    assert len(dots(root)) == 6 + in_legend, "one that stands alone has its symbol"


def test_of_many_points_the_first_of_each_piece_has_a_symbol_and_some_others() -> None:
    there = [Mark("epoll", x, None if x in (30, 32) else 5) for x in range(1, 49)]
    root = drawing(Shape.lines, there)
    places = [x for x, _ in dots(root)][:-1]
    assert len(places) < 20
    step = (places[-1] - places[0]) / (48 - 1)
    assert any(abs(x - places[0] - 30 * step) < 2 * step for x in places), "31 stands alone"


def test_a_drawing_that_stands_alone_brings_its_colours_and_its_paper() -> None:
    text = svg.drawing(plot(Shape.bars), LOOKS, ":root { --ink: #000000 }\n/* </style> & */")
    root = ElementTree.fromstring(text)
    assert root.find(f"{XML}style").text == ":root { --ink: #000000 }\n/* </style> & */"
    width, height = root.attrib["viewBox"].split()[2:]
    assert (root.attrib["width"], root.attrib["height"]) == (width, height)
    paper = next(root.iter(f"{XML}rect")).attrib
    assert (paper["width"], paper["height"], paper["fill"]) == (width, height, "var(--paper)")
    assert [one.tag for one in root][:2] == [f"{XML}title", f"{XML}desc"]


def test_of_a_line_only_lower_bounds_have_a_sign_above_their_point() -> None:
    root = drawing(Shape.lines, [Mark("epoll", 1, 50, note="a lower bound"), Mark("epoll", 2, 100, note="6 rounds")])
    assert texts(root).count("≥") == 1
    assert text_at(root, "≥") == pytest.approx((text_at(root, "1")[0], svg.TOP + svg.HEIGHT / 2 - 8), abs=0.02)


def test_a_band_goes_from_the_low_ends_to_the_high_ones() -> None:
    there = [Mark("epoll", x, 50, 25, 100) for x in (1, 2)]
    (band,) = drawing(Shape.lines, there).iter(f"{XML}polygon")
    heights = [float(one.split(",")[1]) for one in band.attrib["points"].split()]
    assert heights == pytest.approx([svg.TOP + svg.HEIGHT * 0.75] * 2 + [svg.TOP] * 2)


def test_stacked_parts_follow_each_other_in_proportion_and_their_sum_is_around_them() -> None:
    there = [Mark("epoll", "", y, part=part) for part, y in (("user", 2.0), ("system", 6.0), ("summed RSS", 10.0))]
    root = drawing(Shape.bars, there, y=Axis("CPU time", "us"))
    (start, middle), (next_start, end) = bars(root)
    assert next_start == middle and end - middle == pytest.approx(3 * (middle - start), abs=0.05)
    outline = next(one.attrib for one in root.iter(f"{XML}rect") if one.attrib["fill"] == "none")
    assert float(outline["width"]) == pytest.approx((end - start) * 10 / 8, abs=0.05)
    assert {"user", "system", "summed RSS", "epoll", "CPU time (us)"} <= set(texts(root))


def test_the_sign_of_a_stack_is_behind_all_of_its_parts() -> None:
    root = drawing(Shape.bars, [Mark("epoll", "", 2, part="user", note=">= 2"), Mark("epoll", "", 3, part="system")])
    assert texts(root).count("≥") == 1
    assert text_at(root, "≥")[0] == pytest.approx(bars(root)[-1][1] + 11, abs=0.02)


def test_bars_begin_at_zero_and_a_lower_bound_has_a_sign() -> None:
    root = drawing(Shape.bars, [Mark("prefork", "", 90, 80, 100, note="a lower bound"), Mark("epoll", "", 100)])
    (start, end), (_, full) = bars(root)
    assert text_at(root, "0")[0] == start
    assert (end - start) / (full - start) == pytest.approx(0.9, abs=0.001)
    assert text_at(root, "≥")[0] > full


def test_dots_of_a_row_are_at_their_values_and_joined() -> None:
    there = [Mark("epoll", "", 1.0, part="peer"), Mark("epoll", "", 4.0, part="bare"), Mark("prefork", "", 2.0)]
    root = drawing(Shape.dots, there, y=Axis("ratio", scale=Scale.log), reference=None)
    (peer, row), (bare, _), *_ = dots(root)
    joint = next(one.attrib for one in root.iter(f"{XML}line") if "stroke-opacity" in one.attrib)
    assert [float(joint[end]) for end in ("x1", "x2", "y1")] == [peer, bare, row]
    assert (text_at(root, "1")[0], text_at(root, "4")[0]) == pytest.approx((peer, bare), abs=0.02)


def test_cells_of_a_strip_are_at_their_seconds_and_the_fault_at_its_own() -> None:
    kinds = ("none", "none", "lost", "starved")
    there = [Mark("epoll", x / 4 - 0.5, part=part, note="s") for x, part in enumerate(kinds)]
    root = drawing(Shape.strips, there, x=Axis("time", "s"), reference=0)
    cells = sorted(fields(root))
    starts, _, widths, heights = zip(*cells, strict=True)
    fault = next(float(one.attrib["x1"]) for one in root.iter(f"{XML}line") if "stroke-dasharray" in one.attrib)
    assert fault == starts[2] and heights[1] < heights[2] < heights[3]
    assert widths[0] == pytest.approx(starts[1] - starts[0], abs=0.02)
    alike = [one.attrib["fill"] for one in root.iter(f"{XML}path")]
    assert alike == ["var(--harm-none)", "var(--harm-lost)", "var(--harm-starved)"], "one path for all that look alike"


def test_a_matrix_has_its_texts_in_row_and_column_and_marks_what_was_not_expected() -> None:
    root = drawing(Shape.matrix)
    seen = root.find(f".//{XML}path[@fill='var(--harm-lost)']")
    ((x, y, width, height),) = fields(root)
    assert seen.attrib["stroke-width"] == "2.5" and seen.attrib["stroke"] == "var(--ink)"
    column, row = text_at(root, "epoll")[0], text_at(root, "segv")[1]
    assert column < text_at(root, "prefork")[0]
    assert text_at(root, "!= server lost") == pytest.approx((column, row), abs=0.02)
    assert (x + width / 2, y + height / 2 + 4) == pytest.approx((column, row), abs=0.02)
    unsurprising = drawing(Shape.matrix, [Mark("segv", "epoll", part="lost", note="server lost")])
    assert "stroke" not in unsurprising.find(f".//{XML}path[@fill='var(--harm-lost)']").attrib
    assert text_at(root, "n/a") == pytest.approx((text_at(root, "prefork")[0], row), abs=0.02)


def test_entries_of_a_legend_do_not_run_into_each_other() -> None:
    names = ("bare-fork-per-request", "bare-fork-per-connection", "epoll", "nginx")
    root = drawing(Shape.lines, [Mark(name, x, 1) for name in names for x in (1, 2)])
    places = [(*text_at(root, name), name) for name in names]
    for (x, y, name), (after, below, _) in zip(places, places[1:]):
        assert below > y or after - 24 > x + svg.LETTER * len(name)


def test_ticks_are_round_few_and_apart() -> None:
    assert scales.ruler(Scale.linear, [0, 93_000], zero=True).ticks == (0, 20_000, 40_000, 60_000, 80_000, 100_000)
    assert scales.ruler(Scale.linear, [0.93, 1.04]).ticks == pytest.approx((0.9, 0.95, 1, 1.05))
    assert scales.ruler(Scale.log, [3, 4000]).ticks == (10, 100, 1000)
    assert scales.ruler(Scale.log, [3, 40]).ticks == (2, 5, 10, 20, 50)
    assert scales.ruler(Scale.log, [0.9, 1.1]).ticks == pytest.approx((0.9, 0.95, 1, 1.05, 1.1))
    assert scales.ruler(Scale.linear, [5, 5], zero=True).ticks[0] == 0
    assert scales.ruler(Scale.linear, [0, 0]).ticks[-1] == 1


def test_numbers_of_an_axis_are_short() -> None:
    assert [scales.written(one) for one in (60_000, 0.25, 0, 1e-7, -3)] == ["60,000", "0.25", "0", "1e-07", "-3"]


def test_of_what_stands_too_close_only_one_tick_is_written() -> None:
    there = [Mark("epoll", x, 1) for x in (1000, 1001, 2000)]
    assert [text for text in texts(drawing(Shape.lines, there)) if text.startswith(("1,0", "2,0"))] == [
        "1,000",
        "2,000",
    ]


def test_nothing_measured_is_an_empty_drawing() -> None:
    for shape in (Shape.lines, Shape.bars, Shape.dots):
        assert not bars(drawing(shape, [Mark("epoll", 1.0 if shape == Shape.lines else "")]))
    assert set(OF_EACH) == set(Shape)


@pytest.mark.parametrize("shape", (Shape.bars, Shape.dots, Shape.strips))
def test_a_name_of_any_length_leaves_room_for_what_is_drawn(shape: Shape) -> None:
    marks = [Mark("quartet-epoll --max-connections " + "9" * 200, x=0.0 if shape == Shape.strips else "", y=1.0)]
    root = drawing(shape, marks=marks)
    widths = [float(one.attrib["width"]) for one in root.iter(f"{XML}rect")]
    assert all(width >= 0 for width in widths)
    assert text_at(root, next(text for text in texts(root) if text.endswith("…")))[0] < svg.WIDTH / 2
