"""What a reader sees of faults: the matrix, the strips of one fault, its words, and the list of the catalogue."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
import samples
from samples import SEGV, SPIN, crash, crash_settings, part_of_crashes

from loadtest.contestants.contestants import Contestant, described
from loadtest.document import terminal
from loadtest.document.document import Document, Section
from loadtest.engine.run import Part
from loadtest.verbs.crash import catalogue, cells, listing, report, strips, verb
from loadtest.verbs.crash.catalogue import ADDRESS, ENVIRONMENT, WORKER, Entry, Expectation, Fault, Limits
from loadtest.verbs.crash.plan import CLASSIC_COLUMNS, COLUMNS
from loadtest.verbs.crash.results import Known, Recovery, Stored, Told
from loadtest.verbs.crash.words import words


def render(*sections: Section, width: int = 120) -> str:
    return terminal.render(Document([], sections), width)


def flat(text: str) -> str:
    return " ".join(text.split())


def cell(part: Part, fault: str, contestant: str) -> str:
    """Of the matrix; its lines in one."""
    filled = report.matrix(part).table
    assert filled
    heads = [head.replace("-\n", "-").replace("\n", " ") for head in filled.heads]
    [row] = [row for row in filled.rows if row[0].replace("\n  ", "") == fault]
    return row[heads.index(contestant)].replace("\n", " ")


def see(part: Part, fault: str, contestant: str, seen: str, number: int = 1, sanitizer: str = "", **changes) -> None:
    """Something else than what was expected."""
    for index, one in enumerate(part.results):
        tried = (one.step.fault, one.step.contestant, one.step.round, one.step.sanitizer)
        if tried == (fault, contestant, number, sanitizer):
            part.results[index] = crash(one.step, part.settings.fault(fault), seen, **changes)


def all_models(*faults: Fault, **changes) -> Part:
    return part_of(COLUMNS, *faults, **changes)


def part_of(contestants: tuple[Contestant, ...], *faults: Fault, **changes) -> Part:
    settings = replace(crash_settings(faults, **changes), contestants=described(contestants, samples.DESCRIBE))
    return part_of_crashes(settings)


ALL_NAMES = tuple(one.name for one in COLUMNS)


# --- the matrix


def test_a_cell_tells_the_verdict_and_how_long_it_lasted():
    part = part_of_crashes(crash_settings(supervised=("segv",)))
    assert cell(part, "segv", "prefork") == "connection"
    assert cell(part, "segv", "epoll") == "server lost to the end"
    assert cell(part, "segv", "epoll +parent") == "server lost 0.05 s"
    assert cell(part, "spin", "epoll +parent") == "", "it was not asked for"


def test_a_surprise_shows_what_was_expected_and_why():
    part = part_of_crashes(crash_settings())
    see(part, "segv", "prefork", "worker delayed")
    assert cell(part, "segv", "prefork").endswith("!= connection")
    assert report.mismatches(part) == [
        "segv, prefork: it was worker delayed; expected is connection. The process that dies serves one client."
    ]
    [*_, last] = verb.sections(samples.run(part, verb="crash"))
    assert last.notes == report.mismatches(part)
    usual = samples.run(part_of_crashes(crash_settings()), verb="crash")
    assert last.title not in [section.title for section in verb.sections(usual)]


def test_any_of_several_expected_verdicts_is_no_surprise():
    either = Expectation(("epoll",), ("server lost", "nobody none"), "The heap decides.")
    part = part_of_crashes(crash_settings((replace(SEGV, expected=(either,)),)))
    see(part, "segv", "epoll", "nobody none")
    assert report.mismatches(part) == []
    see(part, "segv", "epoll", "server wrong")
    assert cell(part, "segv", "epoll") == "server wrong to the end != server lost or nobody"


def test_what_was_done_under_a_given_parent_is_never_a_surprise():
    part = part_of_crashes(crash_settings(supervised=("segv",), alone=False))
    for one in part.results:
        assert not one.surprising
    assert report.mismatches(part) == []


def test_tries_that_differ_are_counted_and_the_outage_is_their_median():
    part = part_of_crashes(crash_settings(repeats=5))
    for number, back in ((1, 0.1), (2, 0.2), (3, 0.3)):
        see(part, "segv", "epoll", "server lost", number, recovery=Recovery(back, back))
    assert cell(part, "segv", "epoll") == "server lost 0.30 s", "two others did not come back"
    see(part, "segv", "epoll", "worker delayed", 5)
    assert cell(part, "segv", "epoll") == "server lost 4/5 worker delayed 1/5 0.30 s != server lost"
    assert report.mismatches(part)[0].startswith("segv, epoll: it was worker delayed in 1 of 5 tries; expected is")


def test_an_invalid_cell_is_a_dash_and_one_valid_try_is_enough_for_none():
    part = part_of_crashes(crash_settings(repeats=2))
    of_epoll = [one for one in part.of("epoll") if one.step.fault == "segv"]
    of_epoll[0].problems = ["the schedule was not kept"]
    assert cell(part, "segv", "epoll") == "server lost to the end"
    of_epoll[1].problems = ["the schedule was not kept"]
    assert cell(part, "segv", "epoll") == "-"


def test_what_cannot_happen_to_a_model_is_not_applicable_and_it_is_said_why():
    never = Expectation(("epoll", "coroutines-2"), (), "It has no second thread.")
    part = part_of_crashes(crash_settings((replace(SEGV, inapplicable=(never,)), SPIN)))
    assert cell(part, "segv", "epoll") == "n/a"
    assert "n/a: segv with epoll. It has no second thread." in flat(render(report.matrix(part)))


def test_a_fault_that_was_not_tried_has_no_row():
    part = part_of_crashes(crash_settings())
    part.results = [one for one in part.results if one.step.fault != "spin"]
    assert [row[0] for row in report.matrix(part).table.rows] == ["segv", "stack-overflow"]
    part.results.clear()
    assert not report.matrix(part).table.rows and not report.main_job(part).table.rows


def test_kinds_of_faults_are_apart():
    killed = replace(SEGV, name="worker-killed", id="worker-killed", kind=WORKER, requests=())
    part = part_of_crashes(crash_settings((SEGV, SPIN, killed)))
    assert report.matrix(part).table.rules == [2]


LONG = replace(SPIN, name="lock-holder-dies?mutex=robust&after=write", id="lock-holder-dies")


def test_seven_models_stand_side_by_side_in_120_columns_whatever_befell_them():
    shown = render(report.matrix(all_starved(CLASSIC_COLUMNS)))
    assert max(map(len, shown.splitlines())) <= 120
    head = next(line for line in shown.splitlines() if "epoll" in line)
    assert [name in head for name in ("connection", "prefork", "threads", "coroutines-2")] == [True] * 4
    assert "…" not in shown


def all_starved(contestants: tuple[Contestant, ...]) -> Part:
    part = part_of(contestants, SEGV, SPIN, LONG)
    for one in list(part.results):
        see(part, one.step.fault, one.step.contestant, "server starved")
    return part


@pytest.mark.parametrize(("width", "rows"), [(80, 3), (100, 2), (120, 2)])
def test_where_there_is_less_room_the_models_follow_below(width, rows):
    shown = render(report.matrix(all_starved(COLUMNS)), width=width)
    assert max(map(len, shown.splitlines())) <= width and "…" not in shown
    assert len(re.findall(r"^segv ", shown, re.MULTILINE)) == rows
    heads = " ".join(line for line in shown.splitlines() if not line.startswith("  * "))
    assert "multiprocess" in heads and "helpers" in heads and "fibers" in heads


def test_what_the_name_of_a_model_does_not_tell_stands_below():
    for name, told in (
        ("multiprocess", "two processes with a loop each"),
        ("helpers", "four threads of its process"),
        ("fibers", "a stack of its own"),
        ("fibers-2", "two kernel threads"),
    ):
        chosen = tuple(one for one in COLUMNS if one.name in ("epoll", name))
        shown = flat(render(report.matrix(part_of(chosen, SEGV))))
        assert f"* {name}: " in shown and told in shown and "coroutines-2:" not in shown
        assert told not in flat(render(report.matrix(part_of(CLASSIC_COLUMNS, SEGV))))


# --- with AddressSanitizer


REPORTED = replace(
    SPIN, name="use", id="use", expected_asan=(Expectation(ALL_NAMES, ("server lost",), "The write is reported."),)
)


def test_servers_with_asan_have_a_matrix_of_their_own_with_the_faults_that_were_tried_there():
    part = all_models(SEGV, REPORTED, asan=True)
    plain, asan = report.matrices(part)
    assert [row[0] for row in plain.table.rows] == ["segv", "use"]
    assert [row[0] for row in asan.table.rows] == ["use"]
    assert len(plain.table.heads) == len(asan.table.heads) == 1 + len(COLUMNS)
    assert all(
        "+asan" in head and "+asan" not in bare for head, bare in zip(asan.table.heads[1:], plain.table.heads[1:])
    )
    shown = render(asan)
    assert max(map(len, shown.splitlines())) <= 120 and "+asan: built with AddressSanitizer" in flat(shown)
    assert [len(report.matrices(all_models(SEGV, REPORTED)))] == [1]


def test_a_surprise_with_asan_tells_what_is_expected_there():
    part = all_models(REPORTED, asan=True)
    see(part, "use", "epoll", "server wrong", sanitizer=ADDRESS)
    assert report.mismatches(part) == [
        "use, epoll +asan: it was server wrong; expected is server lost. The write is reported."
    ]


def test_strips_show_both_builds_and_say_what_is_expected_of_each():
    part = all_models(REPORTED, asan=True)
    [strip, *_] = strips.strips(part)
    assert [row[0] for row in strip.table.rows][-2:] == ["fibers-2", "fibers-2 +asan"]
    shown = flat(render(strip))
    assert "Expected of coroutines and epoll: server starved." in shown
    assert "fibers and fibers-2 with AddressSanitizer: server lost. The write is reported." in shown


def test_words_tell_of_many_faults_what_asan_has_changed_and_count_the_usual_build_alone():
    part = all_models(*many(5), REPORTED, asan=True)
    told = words(part)
    assert "With AddressSanitizer use is server lost, and not server starved, in coroutines and epoll." in told
    assert "threads 2 of 7" in told[0] and not any("+asan" in one for one in told)
    few = words(all_models(REPORTED, asan=True))
    assert "ends the whole server in" in few[0] and "epoll +asan" in few[0]


# --- the strips


def test_a_strip_shows_where_the_fault_came():
    part = part_of_crashes(crash_settings((SEGV,)))
    line = next(line for line in render(strips.strips(part)[0]).splitlines() if line.startswith("epoll "))
    assert line.split()[1:] == ["........|LLLLLLLLLLLLLLLL", "server", "lost", "to", "the", "end", "EOF"]


def test_a_blank_in_a_strip_stays_where_it_is():
    part = part_of_crashes(crash_settings((SEGV,)))
    see(part, "segv", "epoll", "server lost", strip="  ......" + " " * 16)
    assert "  ......|                  server" in render(strips.strips(part)[0])


def test_each_fault_has_its_strips_its_numbers_and_what_the_scoreboard_tells():
    part = part_of_crashes(crash_settings())
    titles = [section.title for section in strips.strips(part)]
    assert titles[:3] == [
        "segv: Writes to a null pointer",
        "How many did segv harm, and what is left of the server?",
        "What does the scoreboard tell of segv?",
    ]
    assert len(titles) == 9
    assert strips.strips(part)[2].table.heads[-1] == "left of the server", "most of it is from before the drain"


def test_numbers_tell_how_others_were_harmed_and_how_the_server_ended():
    part = part_of_crashes(crash_settings((SEGV,), supervised=("segv",)))
    rows = {row[0]: row[1:] for row in strips.strips(part)[1].table.rows}
    assert rows["epoll"] == ("2/2", "178/180", "176 refused\n2 EOF", "16/16", "0/8", "0/1", "SIGSEGV")
    assert rows["epoll +parent"][-2:] == ("0/1 +1", "lives")
    assert rows["prefork"] == ("0/2", "0/180", "", "0/16", "8/8", "1/1", "lives")


def test_whom_nothing_was_measured_validly_of_has_dashes_everywhere():
    part = part_of_crashes(crash_settings((SEGV,)))
    for one in part.of("epoll"):
        one.problems = ["the schedule was not kept"]
    for section in strips.strips(part):
        [row] = [row for row in section.table.rows if row[0] == "epoll"]
        assert set(row[1:]) == {"-"}


def test_every_try_has_its_strip():
    part = part_of_crashes(crash_settings((SEGV,), repeats=3))
    names = [row[0] for row in strips.strips(part)[0].table.rows]
    assert names[-3:] == ["epoll", "", ""] and len(names) == 15


@pytest.mark.parametrize("width", [100, 120])
def test_strips_and_numbers_fit_into_the_usual_widths(width):
    part = all_models(SEGV, LONG, supervised=("segv", LONG.name))
    see(part, "segv", "coroutines-2", "server delayed", leftovers=["2 processes were left", "the file is there"])
    shown = render(*strips.strips(part), width=width)
    assert max(map(len, shown.splitlines())) <= width
    heads = [line for line in shown.splitlines() if "brought" in line or "newcomers" in line and "lost" not in line]
    assert shown.count("brought") == 2, heads


BLAMED = {
    "yes": ["POST /fault/segv"],
    "no": ["GET /sleep?ms=20"],
    "others, too": ["GET /sleep?ms=20", "POST /fault/segv"],
    "-": [],
}


@pytest.mark.parametrize("judgement", BLAMED)
def test_the_scoreboards_blame_is_judged_by_the_faulty_request(judgement):
    assert strips.blame(SEGV, Known({}, BLAMED[judgement])) == judgement


def test_where_no_request_is_faulty_nobody_says_whether_the_blame_is_right():
    assert strips.blame(replace(SEGV, kind=WORKER, requests=()), Known({}, ["GET /sleep?ms=20"])) == "-"


@pytest.mark.parametrize(
    ("stored", "cells"),
    [
        (Stored({"kept": 3, "lost": 1}, {"kept": 1, "never answered": 2, "never had": 1}), ("3/4", "1/3")),
        (Stored({"never had": 4}, {"never had": 4}), ("-", "-")),
    ],
)
def test_of_what_clients_had_stored_it_is_told_how_much_was_kept(stored, cells):
    part = part_of_crashes(crash_settings((SPIN,), sessions=4))
    see(part, "spin", "epoll", "server starved", stored=stored)
    assert "and 4 more have stored a session each" in flat(render(*strips.strips(part)))
    filled = strips.strips(part)[1].table
    shown = dict(zip(filled.heads, filled.rows[-1]))
    assert shown[""] == "epoll"
    assert (shown["sessions\nkept"], shown["counters\nkept"]) == cells


def test_nothing_is_said_of_sessions_where_nobody_was_to_store_one():
    """As in a folder of format 7.0."""
    part = part_of_crashes(crash_settings((SPIN,)))
    assert "session" not in flat(render(*strips.strips(part))).lower()
    assert strips.strips(part)[1].table.heads[-2:] == ("processes\nkept", "server")


def test_what_is_expected_is_told_of_those_who_were_tried():
    shown = flat(render(*strips.strips(part_of_crashes(crash_settings((SPIN,))))))
    assert "Expected of coroutines and epoll: server starved. A loop that does not return serves nobody." in shown
    assert "coroutines-2" not in shown


def test_what_wrk_told_stands_beside_what_was_seen():
    part = part_of_crashes(crash_settings((SPIN,)))
    assert len(strips.strips(part)) == 3, "it was not asked"
    see(part, "spin", "epoll", "server starved", told_by_wrk=Told(4321.0, 1.25, {"timeout": 8}))
    see(part, "spin", "coroutines", "server starved", told_by_wrk=Told(1234.0, None, {}))
    *failed, coroutines, epoll = strips.strips(part)[3].table.rows
    assert coroutines == ("coroutines", "1,234", "-", "none", "178/180")
    assert epoll == ("epoll", "4,321", "1.25", "8 timeout", "178/180")
    assert [row[1:] for row in failed] == 3 * [("-", "-", "-", "-")]


# --- the main job's table


def test_the_main_job_shows_what_became_of_the_others_at_its_first_fault():
    section = report.main_job(part_of_crashes(crash_settings(supervised=("segv",))))
    rows = {row[0]: row[1:] for row in section.table.rows}
    assert section.table.heads == ("", "segv\nharm", "\nlost in hand", "\nclients kept", "spin", "stack-overflow")
    assert rows["prefork"] == ("connection", "0/2", "8/8", "connection", "connection")
    assert rows["epoll"][:3] == ("server lost\nto the end", "2/2", "0/8")
    assert rows["epoll +parent"] == ("server lost\n0.05 s", "2/2", "0/8", "", "")


# --- in words


def test_faults_that_did_the_same_are_told_together():
    assert words(part_of_crashes(crash_settings(supervised=("segv",)))) == [
        "One request with the fault segv or stack-overflow ends the whole server in threads, coroutines and "
        "epoll; harms nobody else in fork-per-request and prefork; under a parent threads, coroutines and epoll are "
        "back after 0.05 s.",
        "One request with the fault spin leaves clients of the whole server without an answer in coroutines and epoll; "
        "harms nobody else in fork-per-request, prefork and threads.",
    ]


def test_who_was_tried_under_a_parent_alone_is_told_beside_those_with_one_of_their_own():
    few = part_of_crashes(crash_settings((SEGV,), supervised=("segv",), alone=False))
    assert words(few) == [
        "One request with the fault segv loses requests of clients of the whole server in threads +parent, "
        "coroutines +parent and epoll +parent; harms nobody else in fork-per-request and prefork; under a parent "
        "threads, coroutines and epoll are back after 0.05 s.",
    ]
    some = many(5)
    told = words(part_of_crashes(crash_settings(some, supervised=tuple(one.name for one in some), alone=False)))
    assert "threads +parent 1 of 6" in told[0] and not any("Everybody" in sentence for sentence in told)


def test_who_is_not_back_under_a_parent_is_named():
    part = part_of_crashes(crash_settings((SPIN,), supervised=("spin",)))
    for one in part.results:
        if one.step.keeper and one.step.contestant == "epoll":
            one.recovery.back = None
    assert words(part)[0].endswith(
        "; under a parent coroutines is back after 0.05 s; under a parent epoll is not back."
    )


def test_who_ended_with_a_client_that_was_answered_once_more_is_told_beside_the_others():
    part = part_of_crashes(crash_settings((SEGV,)))
    part.of("threads")[0].others.connections_kept = 1
    assert words(part)[0].startswith("One request with the fault segv ends the whole server in threads, coroutines")


def test_an_outage_that_was_too_short_to_be_seen_is_no_0_00_s():
    part = part_of_crashes(crash_settings((SEGV,), supervised=("segv",)))
    given = {one.step.contestant: one.recovery for one in part.results if one.step.keeper}
    given["threads"].back = 0.3
    assert words(part)[0].endswith("; under a parent threads, coroutines and epoll are back after 0.05 to 0.30 s.")
    given["epoll"].back = 0.0
    assert words(part)[0].endswith(" are back after 0.30 s at most.")
    given["coroutines"].back = given["threads"].back = 0.004
    assert words(part)[0].endswith(" are back so soon that no outage was seen.")
    of_many = part_of_crashes(crash_settings(many(5), supervised=("fault-1",)))
    for one in of_many.results:
        one.recovery.back = 0.0
    assert words(of_many)[-1].endswith("in which others were harmed, mostly so soon that no outage was seen.")


def test_a_server_that_lives_but_harms_others_is_told_by_the_harm():
    part = part_of_crashes(crash_settings((SEGV,)))
    see(part, "segv", "prefork", "worker delayed")
    assert "delays the other clients of its worker in prefork" in words(part)[0]
    assert words(part)[-1] == "With care: 1 verdict not as the catalogue expects; below stands why."


def test_the_worst_of_several_tries_is_told():
    part = part_of_crashes(crash_settings((SEGV,), repeats=3))
    see(part, "segv", "prefork", "server wrong", 2)
    assert "gives wrong answers to clients of the whole server in prefork" in words(part)[0]


def many(count: int) -> tuple[Fault, ...]:
    return (SPIN, *(replace(SEGV, name=f"fault-{number}", id=f"fault-{number}") for number in range(count)))


def test_many_faults_are_told_by_how_many_each_model_contained():
    part = part_of_crashes(crash_settings(many(5), supervised=("fault-1",)))
    assert words(part) == [
        "Of 6 faults, so many harmed no other client: fork-per-request 6 of 6, prefork 6 of 6, threads 1 of 6, "
        "coroutines 0 of 6 and epoll 0 of 6.",
        "In threads, coroutines and epoll, and in no other model, others were harmed by fault-0, fault-1, fault-2, "
        "fault-3 and fault-4.",
        "Under a parent (--supervise) service was back in 3 of 3 cases in which others were harmed, after 0.05 s in "
        "the median.",
    ]


def test_faults_that_nobody_contained_or_everybody_are_named():
    part = part_of_crashes(crash_settings(many(5)))
    for one in list(part.results):
        if one.step.fault in ("fault-1", "fault-2"):
            see(part, one.step.fault, one.step.contestant, "nobody none")
        if one.step.fault == "fault-3":
            see(part, one.step.fault, one.step.contestant, "server delayed")
    told = words(part)
    assert "Nobody to whom it can happen contained fault-3." in told
    assert "Everybody to whom it can happen contained fault-1 and fault-2." in told


def spoiled(part: Part, fault: str, *names: str) -> Part:
    for one in part.results:
        if one.step.fault == fault and one.step.contestant in names:
            one.problems = ["the schedule was not kept"]
    return part


def test_of_many_faults_what_has_no_valid_try_in_somebody_is_said_of_nobody():
    told = words(spoiled(part_of_crashes(crash_settings(many(5))), "spin", "coroutines", "epoll"))
    assert not any("Everybody" in one for one in told)
    assert "Not known of coroutines and epoll, for want of a valid try: spin." in told
    told = words(spoiled(part_of_crashes(crash_settings(many(5))), "fault-1", "prefork"))
    assert any(one.endswith("harmed by fault-0, fault-2, fault-3 and fault-4.") for one in told)
    part = part_of_crashes(crash_settings(many(6)))
    for number in range(5):
        spoiled(part, f"fault-{number}", "epoll")
    assert "Not known of epoll, for want of a valid try: 5 faults." in words(part)


def test_of_few_faults_those_without_a_valid_try_are_told_as_not_known():
    part = spoiled(part_of_crashes(crash_settings((SPIN,))), "spin", "epoll")
    assert words(part) == [
        "One request with the fault spin leaves clients of the whole server without an answer in coroutines; harms "
        "nobody else in fork-per-request, prefork and threads; not known of epoll: no valid try."
    ]


def test_a_parent_that_brings_nothing_back_is_told():
    part = part_of_crashes(crash_settings(many(5), supervised=("spin",)))
    for one in part.results:
        if one.step.keeper:
            one.recovery.back = None
    assert "A parent did not bring service back after spin." in words(part)


def test_what_docker_brought_back_is_told_as_its_doing():
    part = part_of_crashes(crash_settings((SEGV,), restarts=True))
    [told] = words(part)
    assert "in threads +restart, coroutines +restart and epoll +restart" in told
    assert told.endswith("; under Docker's restart policy threads, coroutines and epoll are back after 0.05 s.")
    part = part_of_crashes(crash_settings(many(5), restarts=True))
    for one in part.results:
        if one.step.fault == "spin":
            one.recovery.back = None
    assert "Docker did not bring service back after spin." in words(part)
    assert any(one.startswith("Under Docker's restart policy service was back in ") for one in words(part))


def test_what_docker_starts_again_has_a_name_and_a_legend_of_its_own():
    part = part_of_crashes(crash_settings((SEGV,), restarts=True, runner="docker"))
    assert set(cells.columns(cells.cells(part), part)) == {f"{one.name} +restart" for one in part.settings.contestants}
    shown = " ".join(render(*strips.strips(part)).split())
    assert "+restart: in a container that Docker starts again when the server has failed" in shown
    assert "Of a container nothing can be left" in shown and "+parent" not in shown


def test_what_holds_for_containers_is_not_said_of_others():
    shown = " ".join(render(*strips.strips(part_of_crashes(crash_settings((SEGV,))))).split())
    assert "Of a container" not in shown


def test_nothing_valid_gives_no_words():
    part = part_of_crashes(crash_settings())
    for one in part.results:
        one.problems = ["the schedule was not kept"]
    assert words(part) == []


# --- the list


HEAVY = Fault(
    "hoard?mib=64", "hoard", ENVIRONMENT, "No memory is left", limits=Limits(1024, 256), load="/fault/locked",
    expected=(Expectation(("prefork",), ("server lost",), "Nobody has any."),),
    inapplicable=(Expectation(("epoll",), (), "It asks for none."),), sanitizers={"address": "It maps terabytes."},
)  # fmt: skip
ENTRIES = (
    Entry("segv", "handler", SEGV.title, "It writes to address 0.", (SEGV, replace(SEGV, name="segv?late=yes"))),
    Entry("hoard", ENVIRONMENT, HEAVY.title, "All memory is taken.", (HEAVY,)),
)


def test_the_list_shows_faults_by_kind_with_their_parameters():
    shown = terminal.render(listing.document(ENTRIES), 100)
    assert shown.index("(handler)") < shown.index("segv") < shown.index("(environment)") < shown.index("hoard")
    assert "?late=yes" in shown and "?mib=64" in shown
    assert "(worker)" not in shown, "there is none"


def test_one_fault_is_listed_with_what_is_expected_of_whom_and_why():
    shown = flat(terminal.render(listing.document(ENTRIES, ["hoard"]), 100))
    assert "(--asan)" not in shown, "nothing is expected there"
    for sentence in (
        "hoard: No memory is left * All memory is taken.",
        "prefork server lost Nobody has any.",
        "epoll n/a It asks for none.",
        "at most 1024 MiB of address space and 256 descriptors",
        "Half of the other clients ask for /fault/locked.",
        "Not under the address sanitizer: It maps terabytes.",
    ):
        assert sentence in shown


def test_what_is_expected_with_asan_is_listed_too():
    entry = Entry("use", "handler", REPORTED.title, "It writes.", (REPORTED,))
    shown = flat(terminal.render(listing.document([entry], ["use"]), 100))
    assert "(--asan)?" in shown and "server lost The write is reported." in shown


def test_a_name_with_parameters_lists_that_case_alone():
    assert [one.title for one in listing.document(ENTRIES, ["segv?late=yes"]).sections] == [
        "segv: Writes to a null pointer",
        "What is expected of segv?late=yes?",
    ]
    assert len(listing.document(ENTRIES, ["segv", "hoard"]).sections) == 5


def test_the_list_as_json_holds_all_of_it():
    found = json.loads(listing.to_json(ENTRIES))["faults"]
    assert [one["id"] for one in found] == ["segv", "hoard"]
    assert found[1]["cases"][0]["expected"][0]["verdicts"] == ["server lost"]


@pytest.mark.skipif(not catalogue.FILE.exists(), reason="there is no catalogue")
def test_every_fault_of_the_catalogue_can_be_shown():
    part = all_models(*catalogue.faults(), supervised=tuple(fault.name for fault in catalogue.faults()), asan=True)
    for width in (100, 120):
        shown = render(*report.matrices(part), *strips.strips(part), width=width)
        assert max(map(len, shown.splitlines())) <= width
    assert report.mismatches(part) == []
    for fault in catalogue.faults():
        assert fault.title in terminal.render(listing.document(catalogue.entries(), [fault.name]), 120)
