"""Scripts of loads and faults: how they are read, which fault harmed whom, what a reader sees, and real servers."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

import pytest
import samples
from conftest import BINARIES, ROOT
from typer.testing import CliRunner

from loadtest.cli import commands
from loadtest.clients.pace import Record
from loadtest.contestants.contestants import described
from loadtest.document import terminal
from loadtest.document.document import Document
from loadtest.engine import folder
from loadtest.engine.measurement import Bench
from loadtest.engine.run import Exit, Part
from loadtest.places.launch import Local
from loadtest.system.cpus import CpuSets
from loadtest.system.processes import Address
from loadtest.system.records import from_json
from loadtest.verbs.crash import catalogue, verb
from loadtest.verbs.crash.catalogue import Expectation, Limits
from loadtest.verbs.crash.plan import COLUMNS
from loadtest.verbs.crash.results import PARENT, Others, Processes, Recovery, Verdict
from loadtest.verbs.crash.script import clients, measure, plan, report, schedule
from loadtest.verbs.crash.script.ledgers import Play
from loadtest.verbs.crash.script.measure import SCRIPT
from loadtest.verbs.crash.script.plan import PlaySettings
from loadtest.verbs.crash.script.results import Effect, Played, PlayStep
from loadtest.verbs.crash.script.schedule import Blow, Load, Script

OK, EOF, REFUSED, NEVER = "ok", "EOF before response", "refused", "never answered"
EXAMPLE = ROOT / "loadtest/verbs/crash/examples/two-crashes.txt"
TEXT = """\
# two crashes and a busy handler
seed 7                 # of the arrivals
0.0 load 200
1.0 segv
3.0 load 400
4.0\tspin?ms=500
6.000 end

"""


def parse(text: str) -> Script:
    return schedule.parse(text, "dir/my.txt")


# --- how a script is read


def test_a_script_says_what_comes_when():
    segv, spin = catalogue.select("segv"), catalogue.select("spin?ms=500")
    assert parse(TEXT) == Script("my.txt", 7, (Load(0, 200), Load(3, 400)), (Blow(1, segv), Blow(4, spin)), 6.0)


def test_without_a_seed_arrivals_are_even():
    assert parse("0 load 1\n1 segv\n2 end").seed is None


def test_lines_may_end_as_they_do_on_other_systems():
    assert parse(TEXT.replace("\n", "\r\n")) == parse(TEXT)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "0 load 200\n1 sgev\n2 end",
            "dir/my.txt:2: sgev: there is no such fault; did you mean segv? (--list shows all)",
        ),
        (
            "0 load 200\n2 segv\n1 end",
            "dir/my.txt:3: 1 s is before 2 s, where the event above it is; times must ascend",
        ),
        ("1 segv\n2 end", "dir/my.txt:1: the first event must be a load at 0, such as: 0.0 load 200"),
        ("0.1 load 200\n1 segv\n2 end", "dir/my.txt:1: the first event must be a load at 0, such as: 0.0 load 200"),
        ("# nothing", "dir/my.txt: there is no end, such as: 6.0 end"),
        ("0 load 200\n1 segv", "dir/my.txt: there is no end, such as: 6.0 end"),
        ("0 load 200\n1 segv\n1.799 end", "dir/my.txt:3: the end comes too soon after segv; each fault needs 0.8 s"),
        (
            "0 load 200\n1 segv\n1.799 spin\n4 end",
            "dir/my.txt:3: spin comes too soon after segv; each fault needs 0.8 s",
        ),
        (
            "0 load 200\n0.399 segv\n4 end",
            "dir/my.txt:2: segv comes too early; before the first fault there must be 0.4 s",
        ),
        (
            "0 load 200\n1 kill-worker\n4 end",
            "dir/my.txt:2: kill-worker is a fault of kind worker; a script has those of kind handler",
        ),
        ("0 load 200\n601 end", "dir/my.txt:2: 601 s is too long; a script takes 600 s at most"),
        ("0 load 5001\n1 segv\n2 end", "dir/my.txt:1: load 5001: expected 1 to 5000 requests a second"),
        ("0 load 0\n1 segv\n2 end", "dir/my.txt:1: load 0: expected 1 to 5000 requests a second"),
        ("0 load\n1 segv\n2 end", "dir/my.txt:1: expected a whole number, such as: load 200"),
        ("0 load 1.5\n1 segv\n2 end", "dir/my.txt:1: expected a whole number, such as: load 200"),
        (
            "0 load 5000\n1 segv\n600 end",
            "dir/my.txt: it asks 3,000,000 times; a script asks 300,000 times at most",
        ),
        ("0 load 200\n0 load 300\n1 segv\n2 end", "dir/my.txt:2: there is a load at 0 s already"),
        (
            "0 load 200\n1 segv\n2 load 300\n2 end",
            "dir/my.txt:4: there is a load at the end; nobody would ask any more",
        ),
        ("0 load 200\n1 end", "dir/my.txt:2: there is no fault before the end"),
        ("0 load 200\n1 segv\n2 end\n3 end", "dir/my.txt:4: nothing may come after the end"),
        ("0 load 200\nsegv 1\n2 end", "dir/my.txt:2: expected a time in seconds, such as 1.5 or 1.250, not segv"),
        ("0 load 200\n-1 segv\n2 end", "dir/my.txt:2: expected a time in seconds, such as 1.5 or 1.250, not -1"),
        (
            "0 load 200\n1.2345 segv\n2 end",
            "dir/my.txt:2: expected a time in seconds, such as 1.5 or 1.250, not 1.2345",
        ),
        ("0 load 200\n1\n2 end", "dir/my.txt:2: expected load RATE, the name of a fault, or end after the time"),
        ("0 load 200\n1 segv ms=3\n2 end", "dir/my.txt:2: segv takes nothing behind it, not ms=3"),
        ("0 load 200\nseed 1\n1 segv\n2 end", "dir/my.txt:2: the seed must stand above all events"),
        ("seed 1\nseed 2\n0 load 200\n1 segv\n2 end", "dir/my.txt:2: there is a seed already"),
        ("seed x\n0 load 200\n1 segv\n2 end", "dir/my.txt:1: expected a whole number, such as: seed 7"),
        (
            "0 load 1\n" + "".join(f"{n} segv\n" for n in range(1, 52)),
            "dir/my.txt:52: with segv there are too many faulty requests; a script has 50",
        ),
    ],
)
def test_what_makes_no_sense_is_one_sentence_with_file_and_line(text, sentence):
    with pytest.raises(ValueError) as raised:
        parse(text)
    assert str(raised.value).startswith(sentence)
    assert "\n" not in str(raised.value)


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path):
    def problem(content: bytes | None) -> str:
        path = tmp_path / "my.txt"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ValueError) as raised:
            schedule.read(path)
        return str(raised.value).replace(str(path), "FILE")

    assert problem(None) == "--script FILE: No such file or directory"
    assert problem(b"0 load 200\n1 caf\xe9\n2 end") == "FILE:2: this is not UTF-8"
    assert problem(b"#" * 100_001) == "--script FILE: it is longer than 100,000 bytes"
    with pytest.raises(ValueError, match="Is a directory"):
        schedule.read(tmp_path)


def test_the_example_can_be_played():
    script = schedule.read(EXAMPLE)
    assert [blow.fault.name for blow in script.blows] == ["segv", "spin?ms=500", "segv"]


# --- the plan

ALL = described(COLUMNS, cache(Local(BINARIES, Path(os.devnull)).describe))
ADDRESS = Address("127.0.0.1", 8080)


def settings(text: str = TEXT, **changes: object) -> PlaySettings:
    common = {"contestants": ALL, "cpus": CpuSets((0,), (0,)), "pace": str(BINARIES / "quartet-pace"), "tolerance": 1.0}
    return plan.settings_of(parse(text), **{**common, **changes})


def test_every_model_plays_it_once_a_round_unless_a_fault_cannot_happen_to_it():
    assert [step.contestant for step in plan.steps(settings(repeats=2))] == 2 * [one.name for one in COLUMNS]
    absent = replace(catalogue.select("segv"), inapplicable=(Expectation(("epoll", "threads"), (), "No."),))
    script = replace(parse(TEXT), blows=(Blow(1, absent),))
    played = [step.contestant for step in plan.steps(replace(settings(), script=script))]
    assert played == [one.name for one in COLUMNS if one.name not in ("epoll", "threads")]


def test_a_given_parent_is_for_those_who_have_none():
    supervised = settings(supervised=True)
    assert [step.contestant for step in plan.steps(supervised) if step.keeper] == [
        *("threads", "coroutines", "coroutines-2", "epoll", "helpers", "fibers", "fibers-2")
    ]
    for step in plan.steps(supervised):
        assert ("--supervise" in SCRIPT.server(supervised, step).contestant.arguments) == bool(step.keeper)


def test_clients_and_workers_are_enough_for_the_highest_rate():
    assert (settings().clients, settings().workers) == (16, 16 + 2 + 9)
    assert settings(TEXT.replace("400", "5000")).clients == 200
    locked = settings(TEXT.replace("segv", "lock-holder-dies"))
    assert (locked.loads, locked.workers) == (["/fault/locked?mutex=plain", "/fault/cached"], 24 + 2 + 9)


def test_the_server_has_the_tightest_limits_of_all_faults():
    assert settings().limits == Limits()
    chosen = settings("0 load 9\n1 fd-leak\n2 bad-alloc\n3 end")
    assert chosen.limits == Limits(address_space_mib=1024, descriptors=256)
    assert SCRIPT.server(chosen, PlayStep("epoll")).under == ("prlimit", "--as=1073741824", "--nofile=256", "--")


def test_quartet_pace_is_told_all_of_the_script():
    [command] = SCRIPT.load(ADDRESS, settings(), PlayStep("epoll"))
    words = " ".join(command)
    assert "--rate 200,3000ms=400 -d 6000ms" in words
    assert "--poisson --seed 7" in words
    assert words.endswith("--fault 1000ms:/fault/segv --fault 4000ms:/fault/spin?ms=500 --json -")
    assert "--poisson" not in " ".join(SCRIPT.load(ADDRESS, settings(TEXT.replace("seed 7", "")), PlayStep("epoll"))[0])
    locked = settings(TEXT.replace("segv", "lock-holder-dies"))
    [command] = SCRIPT.load(ADDRESS, locked, PlayStep("epoll"))
    assert [word for word in command if "=" in word and ":" in word and "/" in word][:3] == [
        "waiting=2:/sleep?ms=20",
        "asking=1:/fault/locked?mutex=plain",
        "asking-2=1:/fault/cached",
    ]


def test_the_number_of_requests_is_known_where_arrivals_are_even():
    even = settings("0 load 200\n1 segv\n2.5 load 10\n4 end")
    assert even.script.requests() == 515
    assert even.script.requests(1.0) == 200
    assert clients.least(even) == {"newcomer": 80, "waiting": 257}
    assert "waiting" not in clients.least(settings())


def test_the_server_is_looked_at_twice_around_every_fault():
    found = list(clients.moments(parse(TEXT)).items())
    assert found == sorted(found, key=lambda item: item[1])
    times = [moment for _, moment in found]
    for at, until in ((0, 1), (1, 4), (4, 6)):
        assert sum(at < moment < until for moment in times) == 2


# --- which fault harmed whom

SHORT = "0 load 20\n1 segv\n2 segv\n3 end"
LANES = ["waiting", "newcomer", "faulty", "faulty-2"]


def even(until: float = 3.0, **changes: object) -> list[Record]:
    """A request every 50 ms on connection 1, each answered by process 7 after 10 ms."""
    dues = [number / 20 for number in range(round(until * 20))]
    return [replace(Record(due, due, due + 0.01, 1, OK, worker=7), **changes) for due in dues]


def blows(*outcomes: str) -> list[Record]:
    """Of the faulty clients, which ask for something usual every second, too."""
    found = []
    for lane, outcome in enumerate(outcomes, start=2):
        usual = [
            Record(at, at, at + 0.01, lane, OK, worker=7, lane=lane) for at in (0.5, 1.0, 1.5, 2.0) if at != lane - 1
        ]
        found += [*usual, Record(lane - 1.0, lane - 1.0, lane - 0.99, lane, outcome, lane=lane)]
    return found


def play(*records: Record) -> Play:
    return Play(parse(SHORT), LANES, records)


def verdicts(found: Play) -> list[str]:
    return [str(ledger.verdict) for ledger in found.ledgers()]


def test_a_fault_that_harms_nobody_else_is_its_clients_matter():
    found = play(*even(), *blows(EOF, EOF))
    assert verdicts(found) == ["connection none", "connection none"]
    assert [len(ledger.faults) for ledger in found.ledgers()] == [1, 1], "the other one asked for something usual then"
    assert found.strip == "." * 60
    assert found.harmed == 0


def test_each_request_belongs_to_one_fault():
    records = even()
    found = play(*records, *blows(EOF, EOF))
    asked = [ledger.account.asked for ledger in found.ledgers()]
    assert asked == [20, 20], "the first ones ended before the first fault"


def test_what_is_in_hand_when_the_second_fault_comes_is_lost_by_the_second():
    lost = Record(1.99, 1.99, 2.001, 9, EOF)
    found = play(*even(), lost, *blows(EOF, EOF))
    assert verdicts(found) == ["connection none", "server lost"]
    assert [ledger.account.in_hand_lost for ledger in found.ledgers()] == [0, 1]


def test_who_waits_in_vain_since_the_first_fault_is_not_harmed_by_the_second():
    starved, delayed = Record(1.2, 1.2, None, 9, NEVER), Record(1.3, 1.3, 2.1, 8, OK, worker=7)
    found = play(*even(), starved, delayed, *blows(EOF, EOF))
    assert verdicts(found) == ["server starved", "connection none"]
    assert [ledger.account.harmed for ledger in found.ledgers()] == [{NEVER: 1, "delayed": 1}, {}]


def test_requests_that_are_not_sent_behind_one_that_hangs_starve_after_a_later_fault_too():
    hangs, queued = Record(1.2, 1.2, None, 1, NEVER), Record(2.5, None, None, 0, NEVER)
    assert verdicts(play(*even(1.2), hangs, queued, *blows(EOF, EOF))) == ["server starved", "server starved"]


def test_a_second_worker_after_a_restart_is_not_counted_beside_the_dead_one():
    """Otherwise one of two workers would seem to be harmed, and not the server."""
    before, after = even(1.0), [replace(one, worker=8) for one in even() if 1.1 <= one.due < 2]
    lost = [Record(due, due, due + 0.01, 1, EOF) for due in (2.05, 2.1)]
    guilty = [replace(one, worker=8) if one.due == 1.5 else one for one in blows(EOF, EOF)]
    found = play(*before, *after, *lost, *guilty)
    assert [len(ledger.workers_before) for ledger in found.ledgers()] == [1, 1]
    assert verdicts(found)[1] == "server lost"


def test_service_that_is_gone_when_the_next_fault_comes_did_not_come_back():
    gone = [Record(one.due, None, one.due, 0, REFUSED) for one in even() if one.due >= 1]
    hangs = [Record(one.due, one.due, None, 1, NEVER) for one in even() if one.due >= 1]
    for later in (gone, hangs):
        found = play(*even(1.0), *later, *blows(EOF, EOF))
        assert [ledger.recovery.back for ledger in found.ledgers()] == [None, None]


def test_service_is_not_back_when_half_of_the_clients_hang_at_the_next_fault():
    """Of what was due last nobody knows yet whether it is in time: only those who were answered would be seen."""
    hangs = [replace(one, due=one.due + 0.02, sent=one.due, done=None, outcome=NEVER) for one in even() if one.due >= 1]
    found = play(*even(), *hangs, *blows(EOF, EOF))
    assert [ledger.recovery.back for ledger in found.ledgers()] == [None, None]


def test_who_is_late_is_told_by_the_time_before_the_first_fault():
    slower = [replace(one, done=one.due + 0.06) if one.due >= 1.1 else one for one in even()]
    late = Record(2.3, 2.3, 2.7, 9, OK, worker=7)
    assert verdicts(play(*slower, late, *blows(EOF, EOF))) == ["connection none", "server delayed"]


def test_service_is_back_when_what_is_due_later_is_answered_in_time():
    lost = [Record(one.due, None, one.due, 0, REFUSED) for one in even() if 1 <= one.due < 1.3]
    found = play(*(one for one in even() if not 1 <= one.due < 1.3), *lost, *blows(EOF, EOF))
    first, second = (ledger.recovery.back for ledger in found.ledgers())
    assert (first, second) == (pytest.approx(0.3), 0.0)


def test_the_strip_is_of_the_whole_time():
    lost = [replace(one, outcome=EOF) if one.due in (1.05, 2.5) else one for one in even()]
    found = play(*lost, *blows(EOF, EOF))
    assert [slot for slot, letter in enumerate(found.strip) if letter == "L"] == [21, 50]
    assert found.harmed == 2


def test_two_requests_of_one_fault_are_its_clients_and_nobody_elses():
    script = parse("0 load 20\n1 deadlock\n2 segv\n3 end")
    lanes = [*LANES, "faulty-3"]
    hung = [Record(1.0, 1.0, None, 10 + lane, NEVER, lane=lane) for lane in (2, 3)]
    died = Record(2.0, 2.0, 2.01, 20, EOF, lane=4)
    first, second = Play(script, lanes, [*even(), *hung, died]).ledgers()
    assert [one.outcome for one in first.faults] == [NEVER, NEVER]
    assert [one.outcome for one in second.faults] == [EOF]


# --- what is said of it


def effects(watch: measure.Watch, *records: Record, supervised: bool = False) -> list[Effect]:
    chosen = settings(SHORT)
    step = PlayStep("epoll", PARENT if supervised else "")
    return list(measure.effects(chosen, step, list(play(*records).ledgers()), watch))


def watched(*looks: set[int]) -> measure.Watch:
    watch = measure.Watch(None, None)  # type: ignore[arg-type]
    for index, pids in enumerate(looks):
        for number in (0, 1):
            watch.processes[clients.look(index, number)] = {(pid, 0) for pid in pids}
    return watch


def test_only_the_first_fault_without_a_given_parent_has_an_expectation():
    gone = [Record(one.due, None, one.due, 0, REFUSED) for one in even() if one.due >= 1]
    records = [*even(1.0), *gone, *blows(EOF, REFUSED)]
    first, second = effects(watched({1}, set(), set()), *records)
    assert (first.expected, second.expected) == (["server lost"], [])
    assert (first.already_down, second.already_down) == (False, True)
    assert (first.faulty, second.faulty) == ([EOF], [REFUSED])
    assert (first.processes, second.processes) == (Processes(1, 0, 0, None), Processes(0, 0, 0, None))
    assert effects(watched({1}, {2}, {2}), *records, supervised=True)[0].expected == []


def test_who_took_the_place_of_a_dead_worker_is_told_fault_by_fault():
    lost = [Record(one.due, None, one.due, 0, REFUSED) for one in even() if 1 <= one.due < 1.3]
    rest = [one for one in even() if not 1 <= one.due < 1.3]
    first, second = effects(watched({1, 2}, {1, 3}, {1, 3}), *rest, *lost, *blows(EOF, EOF), supervised=True)
    assert (first.processes, first.recovery.by) == (Processes(2, 1, 1, None), "--supervise")
    assert (second.processes, second.recovery.by) == (Processes(2, 2, 0, None), "")


def test_a_fault_that_a_dead_server_cannot_take_is_a_problem_only_for_the_first():
    unsent = replace(blows(EOF)[-1], outcome=NEVER, sent=None, done=None)
    first = list(play(*even(), unsent, *blows(EOF, EOF)[4:]).ledgers())
    assert measure.problems(first) == ["the faulty request was never sent"]
    later = list(play(*even(), *blows(EOF), replace(unsent, due=2.0, lane=3)).ledgers())
    assert measure.problems(later) == []
    refused = [replace(one, status=404) if one.outcome == "error status" else one for one in blows(EOF, "error status")]
    assert measure.problems(list(play(*even(), *refused).ledgers())) == ["the server refused the fault (status 404)"]


def test_answers_that_take_as_long_as_a_fault_is_watched_tell_nothing():
    assert list(measure.too_slow(play(*even(), *blows(EOF, EOF)).whole)) == []
    slow = [replace(one, done=one.due + 0.06) for one in even()]
    assert len(list(measure.too_slow(play(*slow, *blows(EOF, EOF)).whole))) == 1


# --- what a reader sees


def of(name: str, *seen: str, supervised: bool = False, **changes: object) -> Played:
    """It played TEXT, with these verdicts."""
    effects = []
    for blow, verdict in zip(parse(TEXT).blows, seen, strict=True):
        harmed = not verdict.endswith("none")
        others = Others(400, 2, 2 if harmed else 0, {REFUSED: 9} if harmed else {}, 40, 3 if harmed else 0, 8, 8)
        recovery = Recovery(0.0, None if harmed else 0.0, "nobody" if harmed else "")
        down = bool(effects) and effects[-1].recovery.back is None
        expected = [] if effects or supervised else ["server lost"]
        counts = Processes(1, 1, 0, None)
        verdict_of = Verdict(*verdict.split())
        effects.append(Effect(blow.fault.name, blow.at, [EOF], verdict_of, expected, others, recovery, counts, down))
    found = Played(
        step=PlayStep(name, PARENT if supervised else ""),
        server_command="quartet-sample",
        effects=effects,
        asked=1800,
        harmed=18,
        strip="." * 20 + "L" * 100,
        blamed=["POST /fault/segv"] * 2,
        server_status=None,
    )
    return replace(found, **changes)


def part_of(*played: Played, **changes: object) -> Part:
    chosen = plan.settings_of(parse(TEXT), contestants=samples.TOUR.contestants, cpus=CpuSets((1,), (0,)), **changes)
    return Part("script", chosen, list(played))


def shown(part: Part) -> str:
    return terminal.render(Document([], report.sections(part)), 120)


def test_faults_stand_below_each_other_and_contestants_beside_each_other():
    part = part_of(of("prefork", "connection none", "nobody none"), of("epoll", "server lost", "server lost"))
    text = shown(part)
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert "1 s segv connection server lost" in rows
    assert "4 s spin?ms=500 nobody (server" in rows, "in parentheses: it was down already"
    assert "(/fault/cached)" in text and "as from seed 7" in text
    assert text.isascii() or "─" in text


def test_a_strip_is_cut_into_lines_of_equal_time_that_say_when_they_begin():
    script = parse(TEXT)
    strip = "." * 20 + "D" * 60 + "s" * 40
    assert list(report.lines(script, strip)) == [
        ("0.0", "." * 20 + "|" + "D" * 60),
        ("4.0", "|" + "s" * 40),
    ]
    for one in report.lines(script, strip):
        assert len(one[1].replace("|", "")) <= 80
    assert max(map(len, shown(part_of(of("epoll", "server lost", "server lost"))).splitlines())) <= 120


def test_what_is_left_is_told_below_the_strip():
    text = shown(part_of(of("epoll", "server lost", "server lost", server_status=-11)))
    assert "18 of 1,800 requests of the others were harmed. The server is gone: SIGSEGV." in text
    assert "The scoreboard blames 2 x POST /fault/segv." in " ".join(text.split())


def test_an_invalid_try_shows_dashes_and_no_number():
    text = shown(part_of(of("epoll", "server lost", "server lost", problems=["others took 31% of a CPU"])))
    assert "server lost" not in text.split("  *")[0]
    assert "18 of 1,800" not in text


def test_tries_that_differ_are_counted():
    tries = [of("epoll", "server lost", "server lost"), of("epoll", "worker lost", "server lost")]
    tries[1] = replace(tries[1], step=replace(tries[1].step, round=2))
    tries[1].effects[0].expected = []
    text = " ".join(shown(part_of(*tries, repeats=2)).split())
    assert "server lost 1/2 worker lost 1/2" in text


def test_a_surprise_is_exit_3_and_says_what_was_expected_and_why():
    usual, strange = of("epoll", "server lost", "server lost"), of("epoll", "request none", "nobody none")
    assert verb.status(samples.run(part_of(usual), verb="crash")) == Exit.ok
    assert verb.status(samples.run(part_of(strange), verb="crash")) == Exit.gate
    spoiled = replace(strange, problems=["others took 31% of a CPU"])
    assert verb.status(samples.run(part_of(spoiled), verb="crash")) == Exit.invalid
    [sentence] = report.mismatches(part_of(strange))
    assert sentence.startswith("segv at 1 s, epoll: it was request; expected is server lost. ")
    assert verb.sections(samples.run(part_of(strange), verb="crash"))[-1].notes == [sentence]
    assert report.mismatches(part_of(usual)) == []


def test_it_is_told_in_a_sentence_for_each_fault():
    part = part_of(of("prefork", "connection none", "nobody none"), of("epoll", "server lost", "server lost"))
    assert report.told(part) == [
        "segv at 1 s harms nobody else in prefork; loses requests of clients of the whole server, and service does not "
        "come back in epoll.",
        "spin?ms=500 at 4 s harms nobody else in prefork; finds the service down already in epoll.",
    ]
    part.results[0].effects[0].recovery.back = 0.004
    assert report.told(part)[0].startswith("segv at 1 s harms nobody else in prefork;"), "and not for 0.00 s"
    part.results[1].server_status = -11
    assert report.told(part)[0] == "segv at 1 s harms nobody else in prefork; ends the whole server in epoll."
    assert report.told(part)[-1] == "At the end no server was left of epoll."


def test_the_strips_of_all_contestants_stand_in_one_table_with_their_plot():
    part = part_of(of("prefork", "connection none", "nobody none"), of("epoll", "server lost", "server lost"))
    [strips] = [one for one in report.sections(part) if one.title.startswith("When were")]
    assert (strips.id, [plot.id for plot in strips.plots]) == ("script-strips", ["script-strip"])
    assert [row[0] for row in strips.table.rows] == ["prefork", "", "epoll", ""]


def test_who_cannot_play_it_is_told_with_the_reason():
    absent = replace(catalogue.select("segv"), inapplicable=(Expectation(("epoll",), (), "It has no thread."),))
    part = part_of(of("prefork", "connection none", "nobody none"))
    blows = (Blow(1, absent), part.settings.script.blows[1])
    part.settings = replace(part.settings, script=replace(part.settings.script, blows=blows))
    assert "epoll is left out: segv cannot happen to it. It has no thread." in shown(part)


def test_a_folder_holds_the_whole_script_so_that_it_can_go_on_without_the_file(tmp_path):
    run = samples.run(part_of(of("epoll", "server lost", "server lost")), verb="crash")
    folder.save(run, tmp_path)
    assert folder.load(tmp_path) == run
    kept = json.loads(json.dumps(asdict(run.parts[0].settings)))
    assert from_json(PlaySettings, kept).script == parse(TEXT)


# --- the command line


def refused(*arguments: str) -> str:
    return str(CliRunner().invoke(commands.app, ["crash", *arguments]).exception)


def test_a_script_stands_alone(tmp_path):
    (tmp_path / "my.txt").write_text(TEXT)
    script = ["--script", str(tmp_path / "my.txt")]
    assert "give it without --fault and --matrix" in refused(*script, "--fault", "segv")
    assert "give it without --fault and --matrix" in refused(*script, "--matrix")
    assert "No such file" in refused("--script", str(tmp_path / "other.txt"))


def test_bad_scripts_are_usage_errors(tmp_path):
    (tmp_path / "my.txt").write_text("0 load 200\n1 sgev\n2 end")
    argv = [ROOT / "loadtest/quartet", "crash", "--script", tmp_path / "my.txt"]
    found = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT)
    assert found.returncode == Exit.usage
    assert found.stderr.strip().endswith(
        "my.txt:2: sgev: there is no such fault; did you mean segv? (--list shows all)"
    )


def test_the_clients_side_needs_the_standard_library_alone():
    """The load container has nothing more."""
    command = [sys.executable, "-S", "-c", "import loadtest.verbs.crash.script.clients"]
    subprocess.run(command, cwd=ROOT, check=True)


# --- the truth, from servers that really suffer

# So long that no look at the processes is late for the next fault, on a busy machine too. Even: some request is in
# hand at any time.
REAL = "0 load 200\n1.2 segv\n3.0 load 400\n3.2 segv\n5.2 end"


def played(
    name: str, tmp_path: Path, text: str = REAL, supervised: bool = False
) -> tuple[Played, list[dict[str, str]]]:
    """And its records."""
    chosen = settings(text, supervised=supervised)
    bench = Bench(chosen, Local(BINARIES, tmp_path / "servers.log"), tmp_path)
    known = chosen.contestant(name).known
    found: Played = SCRIPT.measure(bench, PlayStep(name, PARENT if supervised and not known.has_parent else ""))
    [text] = bench.printed.values()
    return found, list(csv.DictReader(text.splitlines()))


def test_a_loop_under_a_parent_loses_what_is_in_hand_at_each_crash_and_comes_back(tmp_path):
    found, _ = played("epoll", tmp_path, supervised=True)
    first, second = found.effects
    assert [one.verdict.radius for one in found.effects] == ["server", "server"]
    assert first.verdict.harm == second.verdict.harm == "lost"
    assert (first.faulty, second.faulty) == ([EOF], [EOF])
    assert first.recovery.by == second.recovery.by == "--supervise"
    assert not second.already_down
    assert found.strip[-2:] == ".."
    assert "POST /fault/segv" in found.blamed


def test_a_pool_of_processes_takes_two_crashes_and_nobody_else_notices(tmp_path):
    """But for a delay, which a busy machine makes as well."""
    found, _ = played("prefork", tmp_path, supervised=True)
    assert {one.verdict.harm for one in found.effects} <= {"none", "delayed"}
    assert [one.faulty for one in found.effects] == [[EOF], [EOF]]
    assert [one.processes.new for one in found.effects] == [1, 1]
    assert found.server_status is None


def test_a_loop_without_a_parent_is_down_when_the_second_fault_comes(tmp_path):
    found, _ = played("epoll", tmp_path)
    first, second = found.effects
    assert (str(first.verdict), first.expected) == ("server lost", ["server lost"])
    assert (second.already_down, second.faulty) == (True, [REFUSED])
    assert found.server_status == -11


def test_the_same_seed_gives_the_same_due_times_and_another_one_others(tmp_path):
    def due(name: str, text: str) -> list[tuple[str, str]]:
        return sorted((one["class"], one["due"]) for one in played(name, tmp_path, text)[1])

    script = "0 load 200\n0.4 segv\n0.6 load 400\n1.2 end"
    first = due("epoll", f"seed 3\n{script}")
    assert due("prefork", f"seed 3\n{script}") == first
    assert due("epoll", f"seed 4\n{script}") != first
    assert due("epoll", script) != first
