"""The plots of the main job: which figures they show, and which not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import samples

from loadtest.clients.client_side import Newcomers, Quantiles
from loadtest.document.document import Mark, Plot, Scale
from loadtest.engine import report
from loadtest.engine.run import Run
from loadtest.statistics.stats import estimate
from loadtest.verbs.load.results import Trial, values
from loadtest.verbs.tour import report as tour

SECTIONS = "equal-rate full-load ballast latency cpu newcomers crowd memory".split()


def plots(run: Run) -> dict[str, Plot]:
    return {one.id: one for section in tour.sections(run) for one in section.plots}


def mark(run: Run, plot: str, row: str, part: str = "") -> Mark:
    [found] = [one for one in plots(run)[plot].marks if (one.row, one.part) == (row, part)]
    return found


def trials(run: Run, part: int, name: str) -> list[Trial]:
    return run.parts[part].of(name)


EQUAL, FULL, WORK, HEAVY = 0, 1, 2, 3  # parts
FIGURES = [
    ("equal-rate-us", EQUAL, "cpu"),
    ("full-load-plaintext", FULL, "throughput"),
    ("cpu-plaintext-us", FULL, "cpu"),
]


@pytest.mark.parametrize(("plot", "part", "metric"), FIGURES)
def test_a_dot_is_the_median_of_the_rounds_with_its_interval(plot, part, metric):
    run = samples.tour()
    for name in ("fork-per-request", "epoll"):
        each = [values(one)[metric] or 0 for one in trials(run, part, name)]
        shown, interval = mark(run, plot, name), estimate(each).interval
        assert interval and len(each) == 9
        assert (shown.y, shown.low, shown.high) == pytest.approx((np.median(each), interval.low, interval.high))


def test_few_rounds_have_no_interval_and_say_so():
    run = samples.tour()
    shown, each = mark(run, "full-load-cpu", "epoll"), trials(run, WORK, "epoll")
    assert shown.y == pytest.approx(np.median([one.client.requests / one.client.seconds for one in each]))
    assert (shown.low, shown.high) == (None, None) and shown.note.startswith("indicative: 3 of the 6 rounds")


def test_the_notes_have_the_groups_of_the_table():
    run = samples.tour()
    [section] = [one for one in tour.sections(run) if one.id == "equal-rate"]
    assert section.table
    letters = {row[0]: row[3] for row in section.table.rows}
    assert {one.row: one.note for one in section.plots[0].marks} == {
        name: f"group {letter}" for name, letter in letters.items()
    }


def test_a_lower_bound_is_noted_with_its_reason():
    run = samples.tour()
    for one in trials(run, FULL, "epoll"):
        one.server_cpu_seconds = 0.5
    assert "a lower bound (used 50.0% of its CPU, less than 97%)" in mark(run, "full-load-plaintext", "epoll").note
    assert "lower bound" not in mark(run, "full-load-plaintext", "threads").note


def test_who_has_no_valid_round_is_a_reason_without_a_number_wherever_he_was_invalid():
    run = samples.tour()
    for one in trials(run, FULL, "epoll"):
        one.problems = ["the schedule was not kept"]
    for name in ("full-load-plaintext", "cpu-plaintext-us"):
        assert mark(run, name, "epoll") == Mark("epoll", note="invalid: the schedule was not kept")
    others = [
        plot for name, plot in plots(run).items() if name in ("latency-plaintext-tail", "newcomers-waits-plaintext")
    ]
    assert len(others) == 2 and not [one for plot in others for one in plot.marks if one.row == "epoll"]


def test_an_invalid_round_changes_no_plot_but_the_notes():
    run, without = samples.tour(), samples.tour()
    trials(run, FULL, "epoll")[0].problems = ["bad"]
    spoiled = trials(run, FULL, "epoll")[0]
    spoiled.newcomers = Newcomers({"ok": 1, "timed out": 9}, Quantiles(1, *[9e6] * 6))
    without.parts[FULL].results.remove(trials(without, FULL, "epoll")[0])
    assert "newcomers-served-plaintext" not in plots(run)
    assert [one for one in numbers(run) if "epoll" in one] == [one for one in numbers(without) if "epoll" in one]


def numbers(run: Run) -> list[tuple[object, ...]]:
    return [(name, one.row, one.x, one.part, one.y, one.low) for name, plot in plots(run).items() for one in plot.marks]


def test_the_ballast_is_a_line_of_its_model():
    run = samples.tour()
    marks = plots(run)["ballast-us"].marks
    assert [(one.row, one.x) for one in marks] == [("fork-per-request", mib) for mib in (0, 64, 512)]
    each = [values(one)["cpu"] for one in run.parts[HEAVY].of("fork-per-request +64 MiB")]
    assert marks[1].y == pytest.approx(np.median(each))


def test_an_axis_is_logarithmic_where_models_lie_far_apart():
    found = plots(samples.tour())
    assert found["full-load-plaintext"].y.scale == Scale.log
    assert found["full-load-cpu"].y.scale == Scale.linear


def test_newcomers_are_shown_by_their_usual_and_their_longest_wait():
    run = samples.tour()
    waits = [1000.0 * number for number in range(1, 10)]  # microseconds
    for one, wait in zip(trials(run, FULL, "epoll"), waits):
        one.newcomers = Newcomers({"ok": 5}, Quantiles(5, wait, wait, wait, wait, wait, 2 * wait))
    assert mark(run, "newcomers-waits-plaintext", "epoll", "median").y == 5.0
    assert mark(run, "newcomers-waits-plaintext", "epoll", "longest").y == 18.0


def test_bars_of_newcomers_are_there_where_somebody_was_not_served():
    run = samples.tour()
    assert not [name for name in plots(run) if name.startswith("newcomers-served")]
    trials(run, FULL, "epoll")[0].newcomers = Newcomers({"timed out": 10}, None)
    shown = mark(run, "newcomers-served-plaintext", "epoll")
    assert (shown.y, shown.note) == (pytest.approx(100 * 8 / 9), "80/90")
    assert mark(run, "newcomers-served-plaintext", "threads").y == 100
    assert "newcomers-served-cpu" not in plots(run)


def test_user_and_system_time_are_bars_where_they_are_known():
    run = samples.tour()
    assert {"equal-rate-cpu", "cpu-plaintext-cpu", "cpu-cpu-cpu"} <= plots(run).keys()
    each = [values(one)["cpu system"] for one in trials(run, FULL, "epoll")]
    assert mark(run, "cpu-plaintext-cpu", "epoll", "system").y == pytest.approx(np.median(each))
    for one in [trial for part in run.parts[:HEAVY] for trial in part.results]:
        one.system_share = None
    assert plots(run).keys().isdisjoint({"equal-rate-cpu", "cpu-plaintext-cpu", "cpu-cpu-cpu"})


# --- the page


def test_the_sections_have_their_ids_and_all_ids_are_unique():
    run = samples.tour()
    assert [one.id for one in tour.sections(run)][:8] == SECTIONS
    found = report.document(run)
    names = [one.id for one in found.sections if one.id] + [one.id for one in found.plots]
    assert len(set(names)) == len(names)


def test_every_plot_says_how_to_read_it_and_what_measured_it():
    for one in plots(samples.tour()).values():
        assert one.caption.endswith(".") and one.title and one.y.title
    load = plots(samples.tour())["full-load-plaintext"]
    assert list(load.commands) == ["quartet-sample", "wrk"]


KEPT = {
    EQUAL: "equal-rate",
    FULL: "full-load latency cpu newcomers",
    WORK: "full-load latency cpu newcomers",
    HEAVY: "ballast",
    4: "memory",
    5: "crowd",
}


@pytest.mark.parametrize(("part", "expected"), KEPT.items())
def test_a_run_of_one_part_has_its_sections_alone(part, expected):
    whole = samples.tour()
    alone = replace(whole, parts=[whole.parts[part]])
    assert [one.id for one in tour.sections(alone)] == expected.split()
    assert bool(tour.head(alone)) == (part <= HEAVY)


def test_a_run_of_no_part_has_no_section():
    nothing = replace(samples.tour(), parts=[])
    assert tour.sections(nothing) == tour.head(nothing) == []
