"""The plots of memory: which figures they show, and which not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

import numpy as np
import pytest
import samples
import test_idle as idle

from loadtest.document.document import Mark, Plot, Scale, Section, Shape
from loadtest.engine import report
from loadtest.engine.run import Part, Run
from loadtest.system.memory import GroupMemory, MachineMemory
from loadtest.verbs.memory import plots
from loadtest.verbs.memory.clients import LEVELS, IdleResult, PlateauResult, PlateauSettings
from loadtest.verbs.memory.report import plateaus

MIB = 2**20


def plot(run: Run, name: str) -> Plot:
    return next(one for one in report.document(run).plots if one.id == name)


def of(found: Plot, row: str, part: str = "") -> list[Mark]:
    return [mark for mark in found.marks if (mark.row, mark.part) == (row, part)]


def both(rounds: int = 6) -> list[IdleResult]:
    """epoll up to the highest level, prefork as far as it goes, and ten times as dear; each round costs a little
    more."""
    cheap = [idle.result("epoll", level, n, memory=idle.memory(1024 + (2 + n) * level)) for n, level in every(rounds)]
    dear = [idle.result("prefork", level, n, memory=idle.memory(4096 + 80 * level, 9)) for n, level in every(rounds)]
    return [*cheap, *(one for one in dear if one.step.connections <= 1_000)]


def every(rounds: int) -> list[tuple[int, int]]:
    return [(number, level) for number in range(1, rounds + 1) for level in LEVELS]


def run(results: Sequence[IdleResult]) -> Run:
    return idle.found(results, [idle.shared("prefork"), idle.shared("epoll")], idle.settings(rounds=6))


# --- the price


def slopes(results: Sequence[IdleResult], name: str) -> list[float]:
    """KiB of heap and stack for each connection, of each round."""
    mine = [one for one in results if one.step.contestant == name]
    found = []
    for number in sorted({one.step.round for one in mine}):
        points = [
            (one.step.connections, (one.memory.anonymous or 0) / 1024) for one in mine if one.step.round == number
        ]
        found.append(float(np.polyfit(*zip(*points), 1)[0]))
    return found


def test_the_price_is_the_median_slope_with_its_interval():
    results = both()
    [mark] = of(plot(run(results), "memory-price-heap"), "epoll")
    each = slopes(results, "epoll")
    assert (mark.y, mark.low, mark.high) == pytest.approx((np.median(each), min(each), max(each)))
    assert mark.note == ""


def test_a_price_of_few_rounds_has_no_interval_and_says_so():
    [mark] = of(plot(run(both(rounds=5)), "memory-price-heap"), "epoll")
    assert (mark.low, mark.high, mark.note) == (None, None, "indicative: 5 of the 6 rounds that an interval takes")


def test_levels_on_no_line_are_no_point_but_a_reason():
    bent = [idle.stepwise(level) for level in LEVELS]
    dear = [one for one in both() if one.step.contestant == "prefork"]
    [mark] = of(plot(run([*bent, *dear]), "memory-price-heap"), "epoll")
    assert mark.y is None and mark.note == "no single price: a level lies 69% of the rise off the line"


def test_too_few_levels_are_no_plot_of_a_price():
    few = [one for one in both() if one.step.connections < 1_000]
    assert not [one for one in report.document(run(few)).plots if one.id.startswith("memory-price")]


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([1, 21], Scale.log),
        ([1, 20], Scale.linear),
        ([0, 500], Scale.linear),
        ([-1, 99], Scale.linear),
        ([None], Scale.linear),
    ],
)
def test_an_axis_is_logarithmic_where_values_lie_far_apart_and_all_are_above_0(values, scale):
    assert plots.scale([Mark("a", y=value) for value in values]) == scale


# --- level by level


def test_a_line_has_the_median_of_each_level_between_its_lowest_and_highest_round():
    results = both()
    marks = of(plot(run(results), "memory-levels-pss"), "epoll")
    assert [mark.x for mark in marks] == [100, 1_000, 5_000, 10_000]  # a logarithmic axis has no 0
    for mark in marks:
        sizes = [
            one.memory.pss / MIB for one in results if ("epoll", mark.x) == (one.step.contestant, one.step.connections)
        ]
        assert (mark.y, mark.low, mark.high) == pytest.approx((median(sizes), min(sizes), max(sizes)))


def test_a_line_that_ends_early_says_why_at_its_end():
    marks = of(plot(run(both()), "memory-levels-heap"), "prefork")
    assert [mark.x for mark in marks] == [100, 1_000]
    assert [mark.note for mark in marks] == [
        "",
        "goes no higher: it needs a process for each connection: 10,002 processes",
    ]


def test_the_parts_are_those_at_the_highest_level_that_everybody_has_reached():
    found = plot(run(both()), "memory-levels-parts")
    assert found.title == "What 1,000 idle connections take" and found.shape == Shape.bars
    pss = (4096 + 80 * 1_000) / 1024  # MiB, in each round
    sizes = {mark.part: mark.y for mark in found.marks if mark.row == "prefork"}
    assert sizes == pytest.approx({"private": pss / 2, "shared": pss / 2, "kernel": 8192 * 1_000 / MIB})


def test_the_caption_says_whose_kernel_memory_is_in_the_bar():
    native = plot(run(both()), "memory-levels-parts").caption
    assert native.startswith("The whole bar is the user memory of the server and the kernel memory of both ends of")
    group = GroupMemory(9 << 20, 2 << 20, 1 << 20, 3 << 20, 1 << 20)
    inside = [replace(one, memory=replace(one.memory, group=group)) for one in both()]
    contained = plot(run(inside), "memory-levels-parts").caption
    assert contained.startswith("The whole bar is the user memory of the server and what the kernel charges to its")


def test_summed_rss_is_the_outline_of_a_plot_of_its_own_where_it_is_known():
    bars, summed = (plot(run(both()), name) for name in ("memory-levels-parts", "memory-levels-parts-summed"))
    assert [mark for mark in summed.marks if mark.part != "summed RSS"] == [
        mark for mark in bars.marks if mark.part != "kernel"
    ], "RSS has nothing of the kernel's"
    assert "together they are PSS" in summed.caption
    assert of(summed, "prefork", "summed RSS")[0].y == pytest.approx(2 * (4096 + 80 * 1_000) / 1024)
    unknown = [replace(one, memory=replace(one.memory, rss=None)) for one in both()]
    assert "memory-levels-parts-summed" not in {one.id for one in report.document(run(unknown)).plots}


def test_kernel_memory_that_is_not_known_is_missing_from_the_bar_and_the_caption_says_so():
    results = [replace(one, machine=None, machine_problem="+9 MiB after") for one in both()]
    found = plot(run(results), "memory-levels-parts")
    assert of(found, "epoll", "kernel") == [Mark("epoll", part="kernel", note="not known: +9 MiB after")]
    assert found.caption.endswith("missing from it: prefork (kernel) and epoll (kernel).")
    assert "missing" not in plot(run(both()), "memory-levels-parts").caption


def test_kernel_memory_that_others_gave_back_is_no_part_of_a_bar():
    less = MachineMemory(slab=-MIB, stacks=0, page_tables=0, percpu=0, tcp=0)
    found = plot(run([replace(one, machine=less) for one in both()]), "memory-levels-parts")
    [mark] = of(found, "epoll", "kernel")
    assert mark.y is None and "others gave memory back" in mark.note


def test_an_invalid_look_enters_no_plot():
    results = both()
    spoiled = [replace(one, memory=idle.memory(9 << 20), problems=["bad"]) for one in results if one.step.round == 1]
    kept = [one for one in results if one.step.round != 1]
    assert report.document(run([*spoiled, *kept])).plots == report.document(run(kept)).plots


# --- what is shared


def test_what_is_shared_and_what_is_private_are_lines_over_the_requests():
    found = run(both())
    points = found.parts[1].results[0].points
    for point in points:
        point.memory = replace(point.memory, private=MIB * (1 + point.requests))
    for name, sizes in {
        "memory-sharing-shared": [(one.memory.pss - one.memory.private) / MIB for one in points],
        "memory-sharing-private": [one.memory.private / MIB for one in points],
    }.items():
        marks = of(plot(found, name), "prefork")
        assert [mark.x for mark in marks] == [0, 10, 100]
        assert [mark.y for mark in marks] == pytest.approx(sizes, rel=1e-6)
        assert marks[0].note == "5 processes"


# --- the plateaus


def section(*results: PlateauResult) -> Section:
    return plateaus(Part("plateaus", PlateauSettings(samples.TOUR.contestants, samples.TOUR.budgets[1]), list(results)))


def test_the_plateaus_parts_are_read_while_everybody_is_busy():
    start, busy, at_rest = samples.memory(1, 2), samples.memory(33, 8), samples.memory(17, 3)
    heap, parts, summed = section(samples.plateau("prefork", start, busy, at_rest)).plots
    assert {mark.part: mark.y for mark in heap.marks} == {"at start": 0.5, "busy": 2.0, "idle": 0.75}
    assert {mark.part: mark.y for mark in parts.marks} == {
        "private": 4.0, "shared": 4.0, "page tables": 33 / 32,
    }  # fmt: skip
    mapped = [mark for mark in parts.marks if mark.part != "page tables"]
    assert [*summed.marks] == [*mapped, Mark("prefork", y=66.0, part="summed RSS")]
    assert parts.caption.startswith("The whole bar is the user memory of the server and its page tables, without")


def test_a_containers_kernel_memory_takes_the_place_of_page_tables():
    busy = replace(samples.memory(19, 4), group=GroupMemory(9 << 20, 2 << 20, 1 << 20, 3 << 20, 1 << 20))
    parts = section(samples.plateau("prefork", busy, busy, busy)).plots[1]
    assert of(parts, "prefork", "kernel")[0].y == 4.0
    assert not of(parts, "prefork", "page tables")


def test_an_invalid_plateau_enters_no_plot_and_nobody_left_is_no_plot():
    one = samples.plateau("prefork", *[samples.memory(1, 2)] * 3)
    assert section(replace(one, problems=["bad"])).plots == []
    assert {mark.row for found in section(one).plots for mark in found.marks} == {"prefork"}


# --- the page


def test_ids_of_sections_and_plots_are_unique_and_sentences_refer_to_sections():
    found = report.document(run(both()))
    names = [one.id for one in found.sections] + [one.id for one in found.plots]
    assert len(set(names)) == len(names)
    assert [one.id for one in found.sections] == ["memory-price", "memory-levels", "memory-sharing"]
    told = {clause.section for sentence in found.words for clause in sentence.clauses}
    assert {"memory-price", "memory-sharing"} <= told <= {*names, ""}


def test_every_plot_says_how_to_read_it_its_unit_and_what_measured_it():
    for found in report.document(run(both())).plots:
        assert found.caption.endswith(".") and found.y.unit in ("MiB", "KiB")
        assert found.commands[0] in ("quartet-x", "quartet-fork") and found.commands[1] == "quartet-pace"


@pytest.mark.parametrize("kept", [0, 1])
def test_a_run_of_one_part_has_its_sections_alone(kept):
    whole = run(both())
    alone = report.document(replace(whole, parts=[whole.parts[kept]]))
    assert [one.id for one in alone.sections] == [["memory-price", "memory-levels"], ["memory-sharing"]][kept]
    assert alone.words
