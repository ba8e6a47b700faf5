"""The figures of faults: strips over time, what was seen beside what is expected, how many were harmed."""

from __future__ import annotations

from dataclasses import replace

import samples
from samples import FAULTS, SEGV, SPIN, crash_settings, part_of_crashes
from test_crash_report import all_models, many, see
from test_crash_script import of, part_of

from loadtest.document.anchors import slug, slugs
from loadtest.document.document import Mark, Plot, Section, Shape
from loadtest.engine import report as engine
from loadtest.engine.run import Part
from loadtest.verbs.crash import alike, plots, report, strips, verb, words
from loadtest.verbs.crash.catalogue import ADDRESS, Expectation
from loadtest.verbs.crash.plots import EVERY, Chosen, letters
from loadtest.verbs.crash.results import PARENT, Recovery
from loadtest.verbs.crash.script import report as script

INVALID = ["the schedule was not kept"]


def at(plot: Plot | None, row: str, column: str) -> Mark:
    assert plot
    [found] = [mark for mark in plot.marks if (mark.row, mark.x) == (row, column)]
    return found


def spoil(part: Part, fault: str, contestant: str) -> None:
    for one in part.of(contestant):
        one.problems = INVALID if one.step.fault == fault else []


# --- names of links


def test_a_link_has_small_letters_digits_and_dashes_and_no_two_are_alike():
    assert slug("lock-holder-dies?mutex=plain") == "lock-holder-dies-mutex-plain"
    assert slug("<b>&?ÄÖ</b>") == "b-b" and slug("???") == "x"
    assert slugs(["a?b", "a=b", "a?b", "a-b"]) == {"a?b": "a-b", "a=b": "a-b-2", "a-b": "a-b-3"}


# --- strips


def test_a_strip_has_a_cell_for_each_50_ms_in_seconds_after_the_fault():
    plot = plots.timeline(part_of_crashes(crash_settings((SEGV,))), SEGV)
    assert plot and plot.shape == Shape.strips and plot.reference == 0.0
    cells = [mark for mark in plot.marks if mark.row == "epoll"]
    assert [mark.x for mark in cells] == [round(-0.4 + 0.05 * slot, 3) for slot in range(24)]
    assert {(mark.note, mark.part) for mark in cells if mark.x < 0} == {(".", "none")}
    assert {(mark.note, mark.part) for mark in cells if mark.x >= 0} == {("L", "lost")}


def test_a_fault_that_came_late_is_at_0_all_the_same():
    part = part_of_crashes(crash_settings((SEGV,)))
    see(part, "segv", "epoll", "server lost", fault_at=0.52, strip="." * 10 + "l" * 14)
    plot = plots.timeline(part, SEGV)
    cells = [mark for mark in plot.marks if mark.row == "epoll"]
    assert cells[0].x == -0.5 and [mark.x for mark in cells if mark.note == "l"][0] == 0.0


def test_each_letter_is_a_kind_of_harm_and_a_blank_is_no_cell():
    part = part_of_crashes(crash_settings((SEGV,)))
    see(part, "segv", "epoll", "server lost", strip=".dlws DLWS")
    cells = [(mark.note, mark.part) for mark in plots.timeline(part, SEGV).marks if mark.row == "epoll"]
    kinds = ["none", "delayed", "lost", "wrong", "starved", "delayed", "lost", "wrong", "starved"]
    assert cells == list(zip(".dlwsDLWS", kinds))


def test_rows_stand_in_the_order_of_the_columns_and_those_under_a_parent_follow_their_model():
    part = part_of_crashes(crash_settings((SEGV,), supervised=("segv",)))
    rows = list(dict.fromkeys(mark.row for mark in plots.timeline(part, SEGV).marks))
    assert rows[:4] == ["fork-per-request", "prefork", "threads", "threads +parent"] and len(rows) == 8


def test_who_has_no_valid_try_is_left_out_and_named():
    part = part_of_crashes(crash_settings((SEGV,)))
    spoil(part, "segv", "epoll")
    plot = plots.timeline(part, SEGV)
    assert "epoll" not in {mark.row for mark in plot.marks}
    assert plot.caption.endswith("Left out, for want of a valid try: epoll.")
    for one in part.results:
        one.problems = INVALID
    assert plots.timeline(part, SEGV) is None and plots.harmed(part, SEGV) is None


def test_of_several_tries_the_first_valid_one_is_shown():
    part = part_of_crashes(crash_settings((SEGV,), repeats=3))
    first, second, _ = part.of("epoll")
    first.problems, second.strip = INVALID, "d"
    plot = plots.timeline(part, SEGV)
    assert [mark.note for mark in plot.marks if mark.row == "epoll"] == ["d"]
    assert "the first valid one is shown" in plot.caption


def test_a_long_strip_has_longer_cells_with_the_worst_of_each():
    assert list(letters("." * 3 + "d" + "L", 0.0)) == [
        (0.0, "."), (0.05, "."), (0.1, "."), (0.15, "d"), (0.2, "L"),
    ]  # fmt: skip
    found = list(letters("..S" * 200 + " " * 120, 0.0))
    assert found == [(round(0.15 * cell, 3), "S") for cell in range(200)], "600 slots and blanks: three in a cell"
    assert [letter for _, letter in letters("lLd" + "." * 500)][0] == "L"


# --- side by side


def test_the_matrix_shows_what_was_seen_with_the_worst_harm_as_its_kind():
    plot = plots.matrix(part_of_crashes(crash_settings(supervised=("segv",))), "crash")
    assert plot.id == "crash-seen" and plot.shape == Shape.matrix
    assert at(plot, "segv", "epoll") == Mark("segv", "epoll", part="lost", note="server lost\nto the end")
    assert at(plot, "segv", "epoll +parent").note == "server lost\n0.05 s"
    assert at(plot, "spin", "prefork") == Mark("spin", "prefork", part="none", note="connection")


def test_the_matrix_of_what_is_expected_has_the_same_places():
    part = part_of_crashes(crash_settings(supervised=("segv",)))
    [seen, foreseen] = plots.side_by_side(part, "crash")
    expected = {(one.fault, one.contestant) for one in (r.step for r in part.results) if not one.keeper}
    assert {(mark.row, mark.x) for mark in foreseen.marks} == expected
    assert at(foreseen, "spin", "epoll") == Mark("spin", "epoll", part="starved", note="server starved")
    assert len(seen.marks) == len(foreseen.marks) + 3, "with a given parent nothing is expected"


def test_how_many_cells_are_as_expected_is_told_first():
    part = part_of_crashes(crash_settings(supervised=("segv",)))
    assert plots.matrix(part, "crash").caption.startswith(
        "15 of 15 cells are as the catalogue expects. Of 3 others nothing is expected. A row is"
    )


def test_a_surprise_tells_what_was_expected_and_is_counted():
    part = part_of_crashes(crash_settings())
    see(part, "segv", "prefork", "worker delayed")
    plot = plots.matrix(part, "crash")
    assert at(plot, "segv", "prefork") == Mark(
        "segv", "prefork", part="delayed", note="worker delayed\nto the end\n!= connection"
    )
    assert plot.caption.startswith("14 of 15 cells are as the catalogue expects. 1 cell with a border and !=: ")
    assert at(plots.expected(part, "crash"), "segv", "prefork").note == "connection"


def test_any_of_several_expected_verdicts_is_shown_and_is_no_surprise():
    either = Expectation(("epoll",), ("nobody none", "server lost"), "The heap decides.")
    part = part_of_crashes(crash_settings((replace(SEGV, expected=(either,)),)))
    assert at(plots.expected(part, "crash"), "segv", "epoll").note == "nobody or\nserver lost"
    assert at(plots.expected(part, "crash"), "segv", "epoll").part == "lost"
    assert "!=" not in at(plots.matrix(part, "crash"), "segv", "epoll").note


def test_an_invalid_cell_is_a_dash_without_a_kind_and_is_counted():
    part = part_of_crashes(crash_settings())
    spoil(part, "segv", "epoll")
    plot = plots.matrix(part, "crash")
    assert at(plot, "segv", "epoll") == Mark("segv", "epoll", note="-")
    assert plot.caption.startswith("14 of 14 cells are as the catalogue expects. 1 cell with -: no try was valid.")


def test_what_cannot_happen_is_not_applicable_in_both_and_is_not_counted():
    never = Expectation(("epoll",), (), "It has no second thread.")
    part = part_of_crashes(crash_settings((replace(SEGV, inapplicable=(never,)), SPIN)))
    for plot in plots.side_by_side(part, "crash"):
        assert at(plot, "segv", "epoll") == Mark("segv", "epoll", note="n/a")
    assert plots.matrix(part, "crash").caption.startswith("9 of 9 cells")


def test_tries_that_differ_are_counted_and_the_worst_gives_the_kind():
    part = part_of_crashes(crash_settings(repeats=3))
    see(part, "segv", "prefork", "worker delayed", 2)
    mark = at(plots.matrix(part, "crash"), "segv", "prefork")
    assert mark.part == "delayed" and mark.note == "connection 2/3\nworker delayed 1/3\n!= connection"


def test_a_fault_of_which_nothing_is_expected_is_in_no_matrix_of_expectations():
    part = part_of_crashes(crash_settings((replace(SEGV, expected=()),)))
    assert plots.expected(part, "crash") is None
    assert plots.matrix(part, "crash").caption.startswith("Of 5 others nothing is expected.")


def test_servers_with_asan_have_figures_of_their_own():
    use = replace(SPIN, name="use", id="use", expected_asan=SPIN.expected)
    part = all_models(SEGV, use, asan=True)
    plain, asan = plots.matrix(part, "a", EVERY), plots.matrix(part, "b", Chosen(ADDRESS))
    assert not any("+asan" in str(mark.x) for mark in plain.marks)
    assert {mark.row for mark in asan.marks} == {"use"} and all("+asan" in str(mark.x) for mark in asan.marks)
    assert [section.id for section in report.matrices(part)] == ["crash-matrix", "crash-matrix-asan"]


def test_a_run_without_results_has_no_figures():
    part = part_of_crashes(crash_settings())
    part.results.clear()
    assert plots.side_by_side(part, "crash") == []
    assert report.main_job(part).plots == []


# --- how many


def test_the_share_of_the_others_that_was_harmed_is_told_by_symptom():
    plot = plots.harmed(part_of_crashes(crash_settings((SEGV,))), SEGV)
    shares = {(mark.row, mark.part): (mark.y, mark.note) for mark in plot.marks}
    assert shares["epoll", "EOF"] == (round(100 * 2 / 180, 2), "2 of 180 requests")
    assert shares["epoll", "refused"] == (round(100 * 176 / 180, 2), "176 of 180 requests")
    assert shares["prefork", "EOF"] == (0.0, "0 of 180 requests"), "a row for who was not harmed"
    assert plot.y.unit == "%"


def test_shares_are_those_of_all_valid_tries():
    part = part_of_crashes(crash_settings((SEGV,), repeats=3))
    first, second, third = part.of("epoll")
    first.problems = INVALID
    second.others.harmed, third.others.harmed = {"reset": 9}, {}
    plot = plots.harmed(part, SEGV)
    [mark] = [mark for mark in plot.marks if mark.row == "epoll"]
    assert (mark.y, mark.part, mark.note) == (2.5, "reset", "9 of 360 requests")


def test_where_nobody_was_harmed_there_is_no_figure_of_it():
    part = part_of_crashes(crash_settings((SEGV,)))
    for one in list(part.results):
        see(part, "segv", one.step.contestant, "nobody none")
    assert plots.harmed(part, SEGV) is None


# --- where they stand


def test_the_sections_of_a_fault_have_its_name_and_one_chapter():
    part = part_of_crashes(crash_settings((SEGV, SPIN)))
    found = strips.strips(part)
    ids = [section.id for section in found]
    assert ids[:3] == ["crash-segv", "crash-segv-harmed", "crash-segv-scoreboard"] and ids[3] == "crash-spin"
    assert {section.chapter for section in found[:3]} == {"The fault segv"}
    assert [plot.id for plot in found[0].plots] == ["crash-segv-strip", "crash-segv-seen", "crash-segv-expected"]
    assert {mark.row for mark in found[0].plots[1].marks} == {"segv"}
    assert [plot.id for plot in found[1].plots] == ["crash-segv-harmed-share"]


def test_the_main_job_has_both_matrices_and_a_strip_for_each_fault():
    section = report.main_job(part_of_crashes(crash_settings()))
    strips_of = [f"crash-{fault.name}-strip" for fault in FAULTS]
    assert section.id == "crash"
    assert [plot.id for plot in section.plots] == ["crash-seen", "crash-expected", *strips_of]


def test_only_the_first_of_several_strips_tells_how_they_are_read():
    part = part_of_crashes(crash_settings((SEGV, SPIN)))
    spoil(part, "spin", "prefork")
    on_a_page = [plot for section in strips.strips(part) for plot in section.plots if plot.id.endswith("-strip")]
    of_the_job = [plot for plot in report.main_job(part).plots if plot.id.endswith("-strip")]
    for first, second in (on_a_page, of_the_job):
        assert "A row is a server" in first.caption
        assert second.caption == ("Read as the strips of segv above. Left out, for want of a valid try: prefork.")


def test_every_sentence_leads_to_a_section_that_is_there_and_no_name_is_there_twice():
    strange = part_of_crashes(crash_settings(many(5)))
    see(strange, "fault-1", "prefork", "worker delayed")
    for part in (part_of_crashes(crash_settings()), part_of_crashes(crash_settings(many(3))), strange):
        document = engine.document(samples.run(part, verb="crash"))
        ids = [section.id for section in document.sections] + [plot.id for plot in document.plots]
        assert len(ids) == len(set(ids)) and "" not in ids
        assert document.words and document.title
        assert {clause.section for one in document.words for clause in one.clauses} <= set(ids)


def test_each_name_of_a_fault_leads_to_its_own_strips():
    [first, _] = words.sentences(part_of_crashes(crash_settings()))
    assert [(one.text, one.section) for one in first.clauses[:2]] == [
        ("One request with the fault segv", "crash-segv"), (" or stack-overflow", "crash-stack-overflow"),
    ]  # fmt: skip


def test_names_that_would_give_the_same_link_have_two():
    one, other = (replace(SEGV, name=f"spin?ms=3{more}") for more in ("", "?"))
    sections = strips.strips(part_of_crashes(crash_settings((one, other))))
    ids = [section.id for section in sections] + [plot.id for section in sections for plot in section.plots]
    assert len(ids) == len(set(ids)) and "crash-spin-ms-3-2" in ids


def test_hostile_names_stay_out_of_links_and_as_they_are_in_marks():
    evil = replace(SEGV, name='"><script>alert(1)</script>')
    [section, *_] = strips.strips(part_of_crashes(crash_settings((evil,))))
    assert section.id == "crash-script-alert-1-script"
    assert {mark.row for mark in section.plots[1].marks} == {evil.name}


def test_commands_tell_the_servers_and_the_clients():
    server, clients, *_ = plots.timeline(part_of_crashes(crash_settings((SEGV,))), SEGV).commands
    assert server == "quartet-sample --enable-faults"
    assert "quartet-pace" in clients and "400ms:/fault/segv" in clients
    part = part_of_crashes(crash_settings((SEGV,)))
    part.results[0].server_command = "quartet-fork --listen 127.0.0.1:0 --workers 18"
    assert "--listen 127.0.0.1:8080" in plots.timeline(part, SEGV).commands[0] and "127.0.0.1:8080" in clients


# --- a script


def two() -> Part:
    return part_of(of("prefork", "connection none", "nobody none"), of("epoll", "server lost", "server lost"))


def test_a_scripts_strips_stand_below_the_moments_of_its_faults():
    [_, section, *_] = script.sections(two())
    plot = section.plots[0]
    moments = [(mark.x, mark.note, mark.part) for mark in plot.marks if mark.row == "faults"]
    assert moments == [(1.0, "1", "fault"), (4.0, "2", "fault")] and plot.reference == 1.0
    assert "1: segv at 1 s and 2: spin?ms=500 at 4 s" in plot.caption
    cells = [mark for mark in plot.marks if mark.row == "epoll"]
    assert [(mark.x, mark.note) for mark in cells[19:21]] == [(0.95, "."), (1.0, "L")] and len(cells) == 120


def test_a_scripts_matrix_tells_what_an_earlier_fault_may_have_done():
    plot = script.sections(two())[0].plots[0]
    assert at(plot, "1 s segv", "epoll").note == "server lost\nto the end"
    assert at(plot, "4 s spin?ms=500", "epoll").note == "(server lost)\nto the end"
    assert "In parentheses" in plot.caption
    assert plot.caption.startswith("1 of 2 servers met the first fault as the catalogue expects, in the others")


def test_a_surprise_in_a_script_is_marked_and_an_invalid_try_is_a_dash():
    strange, invalid = of("prefork", "connection none", "nobody none"), of("epoll", "server lost", "server lost")
    invalid.problems = INVALID
    [section, strips, *_] = script.sections(part_of(strange, invalid))
    assert at(section.plots[0], "1 s segv", "prefork").note == "connection\n!= server lost"
    assert at(section.plots[0], "1 s segv", "epoll") == Mark("1 s segv", "epoll", note="-")
    assert {mark.row for mark in strips.plots[0].marks} == {"faults", "prefork"}
    assert strips.plots[0].caption.endswith("Left out, for want of a valid try: epoll.")


def test_a_script_that_nobody_played_validly_has_no_figures():
    part = two()
    for one in part.results:
        one.problems = INVALID
    assert [plot for section in script.sections(part) for plot in section.plots] == []


def test_how_many_each_fault_of_a_script_harmed_is_told_of_all_requests():
    plot = script.sections(two())[-1].plots[0]
    shares = {(mark.row, mark.part): (mark.y, mark.note) for mark in plot.marks}
    assert shares["epoll", "4 s spin?ms=500"] == (0.5, "9 of 1800 requests")
    assert shares["prefork", "1 s segv"] == (0.0, "0 of 1800 requests")


def test_a_scripts_words_lead_to_it():
    run = samples.run(two(), verb="crash")
    ids = [section.id for section in verb.sections(run)]
    assert ids[:3] == ["script", "script-strips", "script-harmed"]
    assert {clause.section for one in verb.told(run) for clause in one.clauses} == {"script"}


def test_several_tries_of_a_script_show_the_longest_outage_and_the_worst_harm():
    tries = [of("epoll", verdict, "server lost", supervised=True) for verdict in ("server delayed", "server lost")]
    for number, (one, back) in enumerate(zip(tries, (0.3, 0.2)), start=1):
        one.step = replace(one.step, keeper=PARENT, round=number)
        one.effects[0].recovery = Recovery(back, back)
    plot = script.sections(part_of(*tries, repeats=2, supervised=True))[0].plots[0]
    seen = at(plot, "1 s segv", "epoll +parent")
    assert (seen.part, seen.note) == ("lost", "server delayed 1/2\nserver lost 1/2\n0.30 s")
    assert plot.caption.startswith("The catalogue expects nothing of these servers.")


# --- many faults


def alike_of(part: Part) -> Section:
    found = alike.section(part)
    assert found
    return found


def test_of_faults_that_did_the_same_the_first_stands_for_the_others():
    rows = {row[0]: row[1:] for row in alike_of(part_of_crashes(crash_settings(many(3)))).table.rows}
    assert rows["fault-0"] == ("fault-1 and fault-2", "3 x server lost, 2 x connection")
    assert rows["spin"] == ("no other", "3 x connection, 2 x server starved")


def test_one_of_each_group_that_harmed_others_is_shown_over_time():
    part = part_of_crashes(crash_settings(many(4)))
    for one in part.results:
        if one.step.fault in ("fault-1", "fault-2"):
            see(part, one.step.fault, one.step.contestant, "nobody none")
    section = alike_of(part)
    assert [plot.id for plot in section.plots] == ["crash-spin-strip", "crash-fault-0-strip"]
    assert [row[0] for row in section.table.rows] == ["spin", "fault-0", "fault-1"]


def test_a_group_that_may_be_like_one_that_is_shown_is_not_shown_again():
    part = part_of_crashes(crash_settings(many(3)))
    spoil(part, "fault-0", "prefork")
    assert [plot.id for plot in alike_of(part).plots] == ["crash-spin-strip", "crash-fault-0-strip"]
    see(part, "fault-2", "threads", "worker lost")
    assert [plot.id for plot in alike_of(part).plots][2:] == ["crash-fault-2-strip"]


def test_no_more_than_six_groups_are_shown_over_time():
    part = part_of_crashes(crash_settings(many(9)))
    for number, one in enumerate(part.of("epoll")):
        see(part, one.step.fault, "epoll", ("server lost", "server wrong", "worker lost")[number % 3])
        see(part, one.step.fault, "threads", ("server lost", "server wrong", "worker lost")[number // 3 % 3])
    section = alike_of(part)
    assert len(section.table.rows) > alike.MOST == len(section.plots)


def test_many_faults_have_the_groups_below_the_matrix_and_few_have_none():
    ids = [section.id for section in verb.sections(samples.run(part_of_crashes(crash_settings(many(3))), verb="crash"))]
    assert ids == ["crash-matrix", "crash-alike"]
    few = verb.sections(samples.run(part_of_crashes(crash_settings()), verb="crash"))
    assert "crash-alike" not in [section.id for section in few]


def test_of_a_fault_with_an_invalid_cell_nobody_says_which_did_the_same():
    part = part_of_crashes(crash_settings(many(3)))
    for one in part.of("epoll"):
        one.problems = INVALID if one.step.fault in ("fault-0", "fault-1") else []
    rows = {row[0]: row[1:] for row in alike_of(part).table.rows}
    assert rows["fault-0"] == rows["fault-1"] and rows["fault-0"][0] == "cannot be told"
    assert "1 x no valid try" in rows["fault-1"][1] and rows["fault-2"][0] == "no other"


def test_a_verdict_that_is_not_as_expected_is_a_caveat():
    part = part_of_crashes(crash_settings())
    run = samples.run(part, verb="crash")
    assert "NOT AS EXPECTED" not in [one.kind for one in engine.document(run).caveats]
    see(part, "segv", "prefork", "worker delayed")
    [found] = [one for one in engine.document(run).caveats if one.kind == "NOT AS EXPECTED"]
    assert found.text.endswith("the catalogue expects: segv with prefork.") and found.therefore


def test_a_script_that_begins_otherwise_than_expected_is_a_caveat():
    run = samples.run(two(), verb="crash")
    [found] = [one for one in engine.document(run).caveats if one.kind == "NOT AS EXPECTED"]
    assert found.text.endswith("segv with prefork.")
