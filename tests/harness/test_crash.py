"""What a crash costs: from made-up attempts, and from real servers that really die."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

import pytest
from conftest import BINARIES, FAKES, ROOT

from loadtest.clients.pace import OUTCOMES, Record
from loadtest.contestants.contestants import MODELS, described
from loadtest.engine.measurement import Bench
from loadtest.engine.run import Part
from loadtest.places.launch import Local
from loadtest.system import MeasurementError
from loadtest.system.cpus import CpuSets
from loadtest.system.records import from_json
from loadtest.verbs.crash import clients, measure
from loadtest.verbs.crash.clients import Attempt, CrashSettings, CrashStep, Observation
from loadtest.verbs.crash.measure import CRASH, CUT, Crash, Survivors

OK, EOF, REFUSED, NEVER, WRONG_STATUS = "ok", "EOF before response", "refused", "never answered", "error status"

ALL = described(MODELS, cache(Local(BINARIES, Path(os.devnull)).describe))
SETTINGS = CrashSettings(ALL, CpuSets((0,), (0,)), fault_at=0.5, end=1.5, pace=str(BINARIES / "quartet-pace"))


def attempts(*outcomes: str) -> list[Attempt]:
    """One a second, each done half a second later."""
    return [Attempt(1, float(k), None if outcome == NEVER else k + 0.5, outcome) for k, outcome in enumerate(outcomes)]


# --- losses and outages


def test_a_survivor_has_no_outage():
    assert measure.time_without_service(attempts(OK, OK, OK, OK), fault_at=2, end=4) == (0, False)


def test_a_request_in_hand_at_the_fault_is_a_loss_but_no_outage():
    assert measure.time_without_service(attempts(OK, EOF, OK, OK), fault_at=2, end=4) == (0, False)


def test_a_dead_server_is_out_of_service_until_the_end():
    assert measure.time_without_service(attempts(OK, EOF, REFUSED, REFUSED), fault_at=2, end=4) == (2, True)


def test_a_restart_ends_the_outage():
    outcomes = (OK, OK, REFUSED, EOF, REFUSED, OK, OK)
    assert measure.time_without_service(attempts(*outcomes), fault_at=2, end=7) == (3, False)


def test_several_outages_add_up():
    outcomes = (OK, REFUSED, OK, REFUSED, REFUSED, OK)
    assert measure.time_without_service(attempts(*outcomes), fault_at=1, end=6) == (3, False)


def test_the_order_of_the_record_does_not_matter():
    shuffled = attempts(OK, REFUSED, REFUSED, OK)[::-1]
    assert measure.time_without_service(shuffled, fault_at=1, end=4) == (2, False)


def test_in_hand_is_what_was_sent_before_the_fault_and_not_ended_by_then():
    inside = [Attempt(1, 0.9, 1.2, OK, 0.9), Attempt(2, 0.9, 1.1, EOF, 0.9), Attempt(3, 0.9, None, NEVER, 0.9)]
    outside = [
        Attempt(4, 0.5, 0.9, OK, 0.5),  # answered before
        Attempt(5, 0.9, 1.1, EOF, 1.05),  # due before, and sent later
        Attempt(6, 1.1, 1.2, OK, 1.1),
        Attempt(0, 0.9, 1.1, REFUSED),  # never sent
    ]
    assert measure.in_hand([*outside, *inside], fault_at=1.0) == inside
    assert measure.lost(inside) == 2


def test_every_loss_is_one_in_hand_or_one_turned_away():
    lost = [outcome for outcome in OUTCOMES if outcome != OK]
    early, late = ([Attempt(1, due, 1.5, outcome, due) for outcome in lost] for due in (0.9, 1.1))
    assert measure.lost(measure.in_hand([*early, *late], 1.0)) == len(lost)
    assert measure.turned_away([*early, *late], 1.0) == len(lost)
    assert measure.lost([*early, *late]) == 2 * len(lost)


def test_the_slowest_answer_is_of_requests_after_the_fault():
    tried = [Attempt(1, 0, 9, OK), Attempt(1, 1, 1.25, OK), Attempt(1, 2, 2.5, OK), Attempt(1, 3, 99, EOF)]
    assert measure.slowest_answer(tried, fault_at=1) == 0.5
    assert measure.slowest_answer(tried, fault_at=3) is None


# --- when a crash tells nothing


def test_a_crash_with_losses_from_the_fault_on_tells_something():
    assert measure.crash_problem(EOF, attempts(OK, EOF, REFUSED, NEVER), fault_at=1.2) == ""


@pytest.mark.parametrize("faulty", [OK, WRONG_STATUS, "timed out", REFUSED])
def test_a_fault_that_cuts_no_connection_crashed_nothing(faulty):
    assert measure.crash_problem(faulty, attempts(OK, OK), fault_at=1) == f"the fault crashed nothing ({faulty})"


def test_losses_before_the_fault_make_a_crash_invalid():
    assert measure.crash_problem(EOF, attempts("reset", OK, OK), fault_at=2) == "1 requests failed before the fault"


def test_answers_with_an_error_make_a_crash_invalid():
    assert measure.crash_problem(EOF, attempts(OK, OK, WRONG_STATUS), fault_at=1) == "1 requests were answered wrongly"


# --- who survives


def observation(before: int = 8, kept: int = 7) -> Observation:
    return Observation([], 0.7, EOF, before, kept, [])


def test_processes_that_live_for_one_request_do_not_count():
    root, worker, victim, child, heir, late = ((pid, 0) for pid in range(6))
    moments = [{root, worker, victim, child}, {root, worker, victim}, {root, worker, heir, late}, {root, worker, heir}]
    found = measure.survivors(moments, observation(), None)
    assert (found.processes_before, found.processes_kept, found.processes_new) == (3, 2, 1)
    assert (found.connections_before, found.connections_kept) == (8, 7)


def test_a_pid_that_is_used_again_is_another_process():
    found = measure.survivors([{(7, 100)}, {(7, 100)}, {(7, 200)}, {(7, 200)}], observation(0, 0), None)
    assert (found.processes_kept, found.processes_new) == (0, 1)


def test_a_connection_is_kept_when_it_answers_what_was_sent_after_the_fault():
    def record(connection: int, sent: float | None, outcome: str) -> Record:
        return Record(0.0, sent, 9.0, connection, outcome)

    records = [
        *(record(1, 0.1, OK), record(1, 1.1, OK)),
        *(record(2, 0.1, OK), record(2, 1.1, EOF)),  # lost
        record(3, 0.9, OK),  # in hand at the fault, and not used again
        record(4, 1.2, OK),  # opened after it
        record(0, None, NEVER),
    ]
    assert clients.connections(records, fault_at=1.0) == (3, 1)


# --- every request is accounted for


def lane(**outcomes: int) -> dict[str, dict[str, int]]:
    return {"outcomes": outcomes}


def test_records_that_add_up_are_taken():
    records = [Record(0, 0, 1, 1, OK), Record(1, 1, 2, 1, EOF)]
    clients.refuse_gaps(records, records[:1], lane(ok=1, EOF_before_response=1), 1)


@pytest.mark.parametrize(
    ("counts", "requests", "sentence"),
    [
        (lane(ok=2), 3, "accounts for 2 of 3 requests that were due"),
        (lane(ok=1, reset=1), 2, "records hold {'ok': 2}, and its summary {'ok': 1, 'reset': 1}"),
        (lane(ok=1), 2, "records hold {'ok': 2}, and its summary {'ok': 1}"),
    ],
)
def test_a_request_that_is_missing_or_counted_otherwise_is_an_error(counts, requests, sentence):
    records = [Record(0, 0, 1, 1, OK), Record(1, 1, 2, 1, OK)]
    with pytest.raises(MeasurementError, match=sentence):
        clients.refuse_gaps(records, records, counts, requests)


@pytest.mark.parametrize(("rate", "end", "requests"), [(100, 2.0, 200), (100, 1.1, 110), (3, 1.0, 3), (3, 1.1, 4)])
def test_the_schedule_has_the_requests_that_are_due_before_its_end(rate, end, requests):
    assert replace(SETTINGS, rate=rate, end=end).requests == requests


# --- what is crashed


def steps() -> list[CrashStep]:
    return list(clients.steps(SETTINGS))


def test_everybody_crashes_once_and_who_has_no_parent_once_more_under_one():
    assert [step.contestant for step in steps() if not step.supervised] == [one.name for one in ALL]
    assert [step.contestant for step in steps() if step.supervised] == ["threads", "coroutines", "epoll"]


def test_only_a_crash_under_a_given_parent_is_supervised():
    for step in steps():
        arguments = CRASH.server(SETTINGS, step).contestant.arguments
        assert ("--supervise" in arguments) == step.supervised
        assert CRASH.server(SETTINGS, step).more == ("--enable-faults",)


def test_what_fails_under_a_parent_is_not_left_out_without_one():
    assert len({CRASH.key(CrashStep("epoll")), CRASH.key(CrashStep("epoll", supervised=True))}) == 2


# --- the table


def result(name: str, dies: bool, **changes: object) -> Crash:
    """Ten requests a second for two seconds; the fault at 1 s finds one of them in hand."""
    tried = [Attempt(1, k / 10, k / 10 + 0.105, OK, k / 10) for k in range(20)]
    if dies:
        tried[9:] = [Attempt(1, 0.9, 1.001, EOF, 0.9), *(Attempt(2, k / 10, k / 10, REFUSED) for k in range(10, 20))]
    left = Survivors(1, 0, 0, 8, 0, -11) if dies else Survivors(19, 18, 1, 8, 8, None)
    found = Crash(step=CrashStep(name), server_command="", fault_at=1.0, faulty=EOF, attempts=tried, survivors=left)
    return replace(found, **changes)


def rows(*results: Crash) -> list[str]:
    shown = measure.section(Part("crash", replace(SETTINGS, end=2.0), list(results)))
    assert shown and shown.table
    return [" ".join(row) for row in shown.table.rows]


def test_a_dead_server_is_out_of_service_for_longer_than_was_watched():
    assert rows(result("epoll", dies=True), result("prefork", dies=False)) == [
        "epoll EOF 1/1 10 0/8 > 1.00 - 0/1 0 SIGSEGV",
        "prefork EOF 0/1 0 8/8 0.00 105 18/19 1 lives",
    ]


def test_a_row_says_that_a_server_was_given_a_parent():
    (row,) = rows(result("epoll", dies=False, step=CrashStep("epoll", supervised=True)))
    assert row.startswith("epoll +parent EOF ")


def test_an_invalid_crash_is_a_row_of_dashes():
    assert rows(result("epoll", dies=False, problems=["the fault crashed nothing (ok)"])) == ["epoll" + 9 * " -"]


def test_without_a_crash_there_is_no_table():
    assert rows() == []


# --- the truth, from servers that really die


def crashed(name: str, tmp_path: Path, supervised: bool = False, settings: CrashSettings = SETTINGS) -> Crash:
    bench = Bench(settings, Local(BINARIES, tmp_path / "servers.log"), tmp_path)
    found: Crash = CRASH.measure(bench, CrashStep(name, supervised))
    return found


def problem_of(found: Crash) -> str:
    """Of the crash itself: on a busy machine quartet-pace may have one of its own."""
    return measure.crash_problem(found.faulty, found.attempts, found.fault_at)


def test_of_a_pool_one_worker_dies_and_nobody_else_notices(tmp_path):
    found = crashed("prefork", tmp_path)
    assert problem_of(found) == ""
    assert [one.outcome for one in found.attempts] == [OK] * 150
    left = found.survivors
    assert (left.connections_before, left.connections_kept, left.server_status) == (8, 8, None)
    assert (left.processes_before, left.processes_kept, left.processes_new) == (19, 18, 1)


def test_a_process_for_each_request_costs_that_request_alone(tmp_path):
    left = crashed("fork-per-request", tmp_path).survivors
    assert (left.connections_before, left.connections_kept, left.server_status) == (8, 8, None)
    assert (left.processes_before, left.processes_kept) == (9, 9)


def test_a_loop_takes_down_requests_in_hand_and_all_that_follow(tmp_path):
    found = crashed("epoll", tmp_path)
    assert problem_of(found) == ""
    assert found.faulty in CUT
    hand = measure.in_hand(found.attempts, found.fault_at)
    assert measure.lost(hand) == len(hand) >= 1
    assert measure.turned_away(found.attempts, found.fault_at) > 10
    assert measure.time_without_service(found.attempts, found.fault_at, SETTINGS.end)[1]
    assert found.survivors == Survivors(1, 0, 0, 8, 0, -11)


def test_every_request_of_the_schedule_has_one_outcome(tmp_path):
    found = crashed("epoll", tmp_path)
    assert [round(one.due, 6) for one in found.attempts] == [k / 100 for k in range(150)]
    answered = sum(one.outcome == OK for one in found.attempts)
    hand = measure.in_hand(found.attempts, found.fault_at)
    assert answered + measure.lost(hand) + measure.turned_away(found.attempts, found.fault_at) == 150


def test_losses_begin_with_the_fault(tmp_path):
    found = crashed("epoll", tmp_path)
    assert SETTINGS.fault_at <= found.fault_at
    assert all(one.done > found.fault_at for one in found.attempts if one.outcome != OK and one.done is not None)


def test_a_parent_brings_the_service_back(tmp_path):
    found = crashed("epoll", tmp_path, supervised=True)
    assert "--supervise" in found.server_command
    assert (found.survivors.server_status, found.survivors.connections_kept) == (None, 0)
    assert found.attempts[-1].outcome == OK
    assert not measure.time_without_service(found.attempts, found.fault_at, SETTINGS.end)[1]


def test_a_fault_that_is_a_404_harms_nobody_and_is_invalid(tmp_path):
    found = crashed("epoll", tmp_path, settings=replace(SETTINGS, fault="/missing"))
    assert found.problems[0] == problem_of(found) == f"the fault crashed nothing ({WRONG_STATUS})"
    assert [one.outcome for one in found.attempts] == [OK] * 150
    assert found.survivors == Survivors(1, 1, 0, 8, 8, None)


def test_a_schedule_that_the_client_did_not_keep_makes_a_crash_invalid(tmp_path):
    too_much = replace(SETTINGS, rate=10_000, tolerance=0)
    assert "the schedule was not kept" in crashed("epoll", tmp_path, settings=too_much).problems[-1]


def test_the_clients_side_needs_the_standard_library_alone():
    """The load container has nothing more."""
    subprocess.run([sys.executable, "-S", "-c", "import loadtest.verbs.crash.clients"], cwd=ROOT, check=True)


def test_a_result_and_its_settings_come_back_from_json():
    for kept in (result("epoll", dies=True), result("epoll", dies=False), SETTINGS):
        assert from_json(type(kept), json.loads(json.dumps(asdict(kept)))) == kept


def test_a_server_that_does_not_start_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_SERVER", "broken")
    (tmp_path / "quartet-epoll").symlink_to(FAKES / "server.py")
    bench = Bench(SETTINGS, Local(tmp_path, tmp_path / "servers.log"), tmp_path)
    with pytest.raises(MeasurementError, match="Permission denied"):
        CRASH.measure(bench, CrashStep("epoll"))
