"""Two folders side by side, on a page."""

from __future__ import annotations

from dataclasses import replace
from statistics import median

import pytest
import samples
from samples import SEGV, crash_settings, part_of_crashes
from test_comparison import measured
from test_crash_report import see

from loadtest.document import terminal
from loadtest.document.document import Document, Mark, Plot, Section
from loadtest.engine.run import Failure, Run
from loadtest.verbs.compare import machines, plots
from loadtest.verbs.compare.comparison import page


def beside(a: Run, b: Run) -> Document:
    return page(a, b, "results/one", "results/two")


def plot_of(document: Document, name: str) -> Plot:
    return next(plot for plot in document.plots if plot.id.endswith(name))


def of_epoll(plot: Plot) -> dict[str, Mark]:
    return {mark.part: mark for mark in plot.marks if mark.row == "epoll"}


def both(document: Document) -> Section:
    [found] = [section for section in document.sections if section.id.startswith("both-")]
    return found


def elsewhere(run: Run, **changes) -> Run:
    return replace(run, environment=replace(run.environment, **changes))


def kinds(document: Document) -> set[str]:
    return {one.kind for one in document.caveats}


# --- plots


def test_each_metric_of_a_load_has_both_medians_with_their_intervals():
    a, b = measured(), measured(0.5, seed=2)
    marks = of_epoll(plot_of(beside(a, b), "-goodput"))
    for side, run in (("A", a), ("B", b)):
        rates = sorted(one.client.good / one.client.seconds for one in run.results if one.cell.contestant == "epoll")
        assert marks[side].y == pytest.approx(median(rates))
        assert (marks[side].low, marks[side].high) == pytest.approx((rates[0], rates[-1])), "of eight rounds"
        assert "8 rounds" in marks[side].note


def test_contestants_keep_their_order_and_have_two_dots_each():
    rows = [(mark.row, mark.part) for mark in plot_of(beside(measured(), measured(seed=2)), "-goodput").marks]
    assert rows == [(one.name, side) for one in samples.TRIED for side in ("A", "B")]


def test_few_rounds_have_no_interval_and_are_called_indicative():
    marks = of_epoll(plot_of(beside(measured(rounds=3), measured(rounds=3)), "-goodput"))
    assert (marks["A"].low, marks["A"].high) == (None, None) and "3 rounds" in marks["A"].note
    assert marks["A"].note.endswith("indicative")


def test_invalid_rounds_are_in_no_dot_and_are_counted():
    a, b = measured(), measured(seed=2)
    theirs = [one for one in b.results if one.cell.contestant == "epoll"]
    for one in theirs[:5]:
        one.problems = ["too late"]
    mark = of_epoll(plot_of(beside(a, b), "-goodput"))["B"]
    assert mark.y == pytest.approx(median(one.client.good / one.client.seconds for one in theirs[5:]))
    assert "3 of 8 rounds" in mark.note


def test_who_has_no_valid_round_has_no_dot_and_the_table_says_so():
    a, b = measured(), measured(seed=2)
    for one in (one for one in b.results if one.cell.contestant == "epoll"):
        one.problems = ["too late"]
    document = beside(a, b)
    assert of_epoll(plot_of(document, "-goodput"))["B"] == Mark("epoll", part="B", note="none of 8 rounds has a value")
    [row] = [row for row in both(document).table.rows if row[0] == "epoll"]
    assert row[1].endswith("| -")


def test_a_server_that_could_have_answered_more_is_a_lower_bound():
    a, b = measured(), measured(seed=2)
    for one in (one for one in b.results if one.cell.contestant == "epoll"):
        one.server_cpu_seconds = 0.5
    marks = of_epoll(plot_of(beside(a, b), "-goodput"))
    assert marks["B"].note.startswith("a lower bound; 8 rounds; used 50.0% of its CPU")
    assert not marks["A"].note.startswith("a lower bound")
    assert "lower bound" not in of_epoll(plot_of(beside(a, b), "-cpu"))["B"].note, "of requests a second alone"
    [row] = [row for row in both(beside(a, b)).table.rows if row[0] == "epoll"]
    assert "| >= " in row[1]
    assert plot_of(beside(a, b), "-goodput").caption.endswith("≥: a lower bound, the server could have answered more.")
    assert "lower bound" not in plot_of(beside(a, b), "-cpu").caption


def test_a_lower_bound_of_a_latency_has_a_reason_of_its_own():
    a, b = measured(), measured(seed=2)
    for one in (one for one in b.results if one.cell.contestant == "epoll"):
        one.client = replace(one.client, good=one.client.requests * 98 // 100)
    found = plot_of(beside(a, b), "-latency-p99")
    assert of_epoll(found)["B"].note == "a lower bound; 8 rounds"
    assert "never answered well" in found.caption and "could have" not in found.caption


def test_quantiles_that_nobody_waited_for_have_no_number():
    a, b = measured(), measured(seed=2)
    for one in (one for one in b.results if one.cell.contestant == "epoll"):
        one.client = replace(one.client, latency=None, good=one.client.requests // 2)
    mark = of_epoll(plot_of(beside(a, b), "-latency-p99"))["B"]
    assert mark.y is None and mark.note == "longer than the clients waited"


def test_a_load_that_one_of_them_lacks_is_not_shown():
    both = samples.trial_run(samples.settings(rates=(1000.0,)))
    ids = {section.id for section in beside(both, measured()).sections}
    assert "both-plaintext-c16" in ids and not any("1000-s" in one for one in ids)


def test_all_names_on_the_page_are_there_once():
    tour = samples.tour()
    document = beside(tour, tour)
    ids = [section.id for section in document.sections] + [plot.id for plot in document.plots]
    assert len(ids) == len(set(ids)) and "" not in ids
    assert {clause.section for one in document.words for clause in one.clauses} <= set(ids)
    assert set(document.looks) >= {mark.row for plot in document.plots for mark in plot.marks}


def test_the_plain_text_of_it_fits_into_the_usual_width():
    tour = samples.tour()
    assert max(map(len, terminal.render(beside(tour, tour), 120).splitlines())) <= 120


# --- verdicts


def test_verdicts_that_differ_stand_beside_each_other():
    a, b = (samples.run(part_of_crashes(crash_settings()), verb="crash") for _ in range(2))
    see(b.parts[0], "segv", "prefork", "worker delayed")
    [section] = [one for one in beside(a, b).sections if one.id == "verdicts"]
    assert section.table.rows == [("segv", "prefork", "connection", "worker delayed")]
    assert section.notes[0] == "14 of 15 verdicts that are valid in both runs are the same."


def test_runs_with_the_same_verdicts_say_so_and_invalid_ones_are_not_compared():
    a, b = (samples.run(part_of_crashes(crash_settings((SEGV,))), verb="crash") for _ in range(2))
    b.results[0].problems = ["the schedule was not kept"]
    document = beside(a, b)
    assert [str(one) for one in document.words] == ["4 of 4 verdicts that are valid in both runs are the same."]
    assert [one.id for one in document.sections] == ["verdicts", "machines"]


def test_what_cannot_be_compared_is_refused():
    faults = samples.run(part_of_crashes(crash_settings((SEGV,))), verb="crash")
    with pytest.raises(ValueError, match="no figures that could be compared"):
        beside(faults, measured())
    with pytest.raises(ValueError, match="never compared with a native one"):
        beside(faults, elsewhere(faults, runner="docker"))


# --- machines and what must not be concluded


def test_two_machines_stand_beside_each_other_and_what_differs_is_marked():
    section = machines.section(measured(), elsewhere(measured(), kernel="6.12"), "one", "two")
    rows = {row[0]: row[1:] for row in section.table.rows}
    assert rows["kernel"] == ("6.1", "6.12", "differs") and rows["CPU"] == ("Sample CPU", "Sample CPU", "")
    assert section.table.heads == ("", "A: one", "B: two", "")


def test_a_version_that_one_of_them_lacks_is_absent_there():
    section = machines.section(measured(), elsewhere(measured(), versions={}), "one", "two")
    assert ("version of wrk", "4.1.0", "absent", "differs") in section.table.rows


def test_the_same_machine_and_code_need_no_warning_but_that_of_time():
    assert kinds(beside(measured(), measured(seed=2))) == {"AT DIFFERENT TIMES"}


@pytest.mark.parametrize(
    ("changes", "kind", "told"),
    [
        ({"cpu_model": "Other CPU"}, "ANOTHER MACHINE", "cpu model"),
        ({"irq_time": "yes"}, "ANOTHER MACHINE", "interrupt time"),
        ({"versions": {"wrk": "4.2.0"}}, "OTHER SOFTWARE", "wrk 4.1.0 and 4.2.0"),
        ({"commit": "fedcba"}, "OTHER CODE", "A was measured at commit abcdef, B at fedcba."),
        ({"commit": "abcdef+"}, "UNCOMMITTED", "The files of B"),
    ],
)
def test_what_differs_has_its_caveat_with_what_must_not_be_concluded(changes, kind, told):
    [found] = [one for one in beside(measured(), elsewhere(measured(seed=2), **changes)).caveats if one.kind == kind]
    assert told in found.text and found.therefore


def test_other_questions_are_told():
    other = measured(seed=2)
    other.parts[0].settings = replace(other.parts[0].settings, duration=5)
    [found] = [one for one in beside(measured(), other).caveats if one.kind == "ASKED OTHERWISE"]
    assert "duration 1 and 5" in found.text


def test_a_contestant_with_other_options_is_told():
    other = measured(seed=2)
    settings = other.parts[0].settings
    changed = [replace(one, arguments=("--new",)) if one.name == "epoll" else one for one in settings.contestants]
    other.parts[0].settings = replace(settings, contestants=tuple(changed))
    [found] = [one for one in beside(measured(), other).caveats if one.kind == "ASKED OTHERWISE"]
    assert "epoll has other options" in found.text and "nginx" not in found.text


def test_what_is_wrong_with_one_of_them_is_told_of_that_one():
    cut = replace(measured(seed=2), state="interrupted", failures=[Failure("epoll", "round 1", "it did not start")])
    cut.results[0].problems = ["too late"]
    found = {one.kind: one.text for one in beside(measured(), cut).caveats}
    assert found["INTERRUPTED"] == "B is interrupted." and found["INVALID"].startswith("1 of 40 results of B")
    assert found["FAILED"] == "Steps of epoll failed in B."


def test_too_few_rounds_are_no_proof_of_equality():
    [found] = [one for one in beside(measured(rounds=3), measured(rounds=3)).caveats if one.kind == "CANNOT TELL"]
    assert found.text.startswith("5 of 5 comparisons")


def test_commands_can_be_pasted_whatever_the_names_are():
    commands = dict(page(measured(), measured(), "my results", "<b>").commands)
    assert commands["compares them again"] == "loadtest/quartet compare 'my results' '<b>'"


def test_a_load_is_named_by_all_that_tells_it_from_others():
    labels = replace(plots.found(measured()).popitem()[0][0], rate=1000.0, arrivals="even", keep_alive=False)
    assert plots.load(labels) == "plaintext -c16 fresh 1000/s even"
