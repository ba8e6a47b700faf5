from __future__ import annotations

from dataclasses import replace

import pytest
import samples

from loadtest.clients.client_side import Newcomers
from loadtest.contestants.contestants import Kind
from loadtest.engine.metrics import BY_NAME
from loadtest.engine.run import Run
from loadtest.verbs.load.plan import Cell
from loadtest.verbs.load.report import best_of, groups, invalid_notes
from loadtest.verbs.load.results import Series, values
from loadtest.verbs.load.rounds import reference

CELL = Cell("epoll", "plaintext", 16)


def spoil(found: Run, contestant: str, rounds: range) -> None:
    for trial in found.results:
        if trial.cell.contestant == contestant and trial.step.round in rounds:
            trial.problems = [f"bad in round {trial.step.round}"]


def series(found: Run) -> dict[str, Series]:
    return {one.name: one for one in Series.of(found.parts[0])}


# --- metrics


def test_costs_are_shared_by_all_requests_newcomers_too():
    trial = samples.trial(CELL, requests=990)
    assert trial.newcomers.served == 10
    found = values(trial)
    assert found["cpu"] == pytest.approx(990)
    assert found["cpu user"] + found["cpu system"] == pytest.approx(990)
    assert found["cpu system"] == pytest.approx(0.75 * 990)
    assert found["voluntary switches"] == pytest.approx(1.98)


def test_what_was_not_measured_is_none_and_not_zero():
    nothing = samples.trial(CELL, system_share=None, switches=None, system_calls=None, memory=None)
    unknown = [name for name, value in values(nothing).items() if value is None]
    absent = {"cpu user", "cpu system", "voluntary switches", "involuntary switches", "system calls", "pss", "private"}
    absent |= {"anonymous", "unanswered", "latency p999"}  # which takes 10,000 requests
    assert set(unknown) == absent | {name for name in BY_NAME if name.startswith("service ")}


def test_nobody_is_shown_to_have_used_more_than_his_cpus():
    """Where many processes end, the readings' own error may seem to find more; far more makes a trial invalid."""
    found = samples.trial_run()
    for trial in found.parts[0].results:
        trial.server_cpu_seconds = 1.02 * trial.window_seconds
    assert {one.server_share for one in series(found).values()} == {1.0}


def test_a_trial_without_answers_has_no_cost_per_request():
    trial = samples.trial(CELL, newcomers=Newcomers({"refused": 10}, None))
    trial.client = replace(trial.client, requests=0, good=0)
    assert values(trial)["cpu"] is None
    assert values(trial)["throughput"] == 0


def test_latencies_are_in_milliseconds_and_memory_in_mebibytes():
    found = values(samples.trial(CELL))
    assert found["latency p99"] == pytest.approx(48.0)
    assert found["pss"] == 3.0


def test_bad_answers_are_throughput_and_no_goodput():
    trial = samples.trial(CELL)
    trial.client = replace(trial.client, good=400)
    assert (values(trial)["throughput"], values(trial)["goodput"]) == (1000, 400)


# --- series


def test_a_series_has_the_valid_rounds_alone():
    found = samples.trial_run()
    spoil(found, "epoll", range(1, 4))
    assert {trial.step.round for trial in series(found)["epoll"].valid} == {4, 5, 6, 7, 8}
    assert invalid_notes([series(found)["epoll"]]) == []


def test_a_series_without_a_valid_round_says_why():
    found = samples.trial_run()
    spoil(found, "epoll", range(1, 9))
    assert invalid_notes([series(found)["epoll"]]) == ["epoll: invalid, bad in round 8."]


def test_what_was_never_tried_has_no_series():
    found = samples.trial_run()
    found.parts[0].results = [trial for trial in found.results if trial.cell.contestant != "nginx"]
    assert "nginx" not in series(found)


def test_a_ratio_is_of_the_rounds_that_both_have():
    found = samples.trial_run()
    spoil(found, "epoll", range(1, 3))
    spoil(found, "nginx", range(8, 9))
    both = series(found)
    ratio = both["epoll"].ratio(both["nginx"], "throughput")
    assert ratio.rounds == 5
    assert ratio.ratio == pytest.approx(1.25, rel=0.001)
    spoil(found, "epoll", range(1, 8))
    both = series(found)
    assert both["epoll"].ratio(both["nginx"], "throughput") is None


def test_the_best_peer_is_the_best_of_its_kind_by_the_metric_that_is_compared():
    results = samples.trial_run()
    for trial in results.results:
        trial.server_cpu_seconds = 0.1 if trial.cell.contestant == "h2o" else 0.99
    found = series(results)
    everybody = list(found.values())
    assert best_of(Kind.peer, "throughput", found["epoll"], everybody).name == "nginx"
    assert best_of(Kind.peer, "cpu", found["epoll"], everybody).name == "h2o"
    assert best_of(Kind.peer, "throughput", found["threads"], everybody) is None
    assert best_of(Kind.bare, "throughput", found["epoll"], everybody).name == "bare-epoll"
    assert best_of(Kind.bare, "cpu", found["threads"], everybody) is None


def test_an_invalid_peer_is_not_the_best():
    results = samples.trial_run()
    spoil(results, "nginx", range(1, 9))
    found = series(results)
    assert best_of(Kind.peer, "throughput", found["epoll"], list(found.values())).name == "h2o"


# --- what was not answered


def paced(asked: int, in_time: int, **client) -> Series:
    cell = replace(CELL, rate=5000.0)
    trial = samples.trial(cell)
    trial.client = replace(trial.client, asked=asked, in_time=in_time, **client)
    return Series(samples.settings(), cell, [trial])


def test_a_server_that_falls_behind_is_overloaded_by_what_it_answered_in_time():
    assert paced(10_000, 6_773).overloaded == "3,386 of 5,000/s answered"
    assert paced(10_000, 9_600).overloaded == ""
    assert paced(0, 0).answered is None


def test_what_is_due_in_the_last_moments_cannot_be_answered_in_time():
    slow = paced(1000, 940)
    assert slow.overloaded
    slow.valid[0].client.service = replace(slow.valid[0].client.latency, p50=60_000.0)  # microseconds, of one second
    assert not slow.overloaded


def test_who_leaves_a_twentieth_unanswered_is_overloaded_however_long_its_answers_take():
    """The connections are the queue: an answer takes 1.43 s, and all of a short schedule is its last moments."""
    queued = paced(4000, 2800, censored=1200)
    queued.valid[0].client.service = replace(queued.valid[0].client.latency, p50=1_430_000.0)
    assert queued.overloaded == "3,500 of 5,000/s answered"
    queued.valid[0].client.censored = 200
    assert not queued.overloaded


def test_who_was_overloaded_or_lost_something_did_other_work_and_a_closed_loop_has_no_such_work():
    assert paced(1000, 1000).same_work
    assert not paced(1000, 500).same_work
    assert not paced(1000, 999, errors={"timed out": 1}).same_work
    found = samples.trial_run()
    found.results[0].client.errors["timeout"] = 3
    assert all(one.same_work for one in series(found).values())


def test_one_late_answer_makes_no_second_of_a_schedule_longer():
    late = paced(1000, 999, seconds=3.0, requests=999, good=999)
    assert values(late.valid[0])["throughput"] == values(late.valid[0])["goodput"] == pytest.approx(4995)


def test_who_did_other_work_is_nobodys_best_peer_and_no_reference():
    found = series(samples.trial_run(samples.settings(rates=(1000.0,), closed=False)))
    everybody = list(found.values())
    assert reference(everybody).name == "threads"
    assert best_of(Kind.peer, "cpu", found["epoll"], everybody).name == "nginx"
    for name in ("threads", "nginx"):
        for trial in found[name].tried:
            trial.client.errors = {"timed out": 1}
    assert reference(everybody).name == "epoll"
    assert best_of(Kind.peer, "cpu", found["epoll"], everybody).name == "h2o"


def test_a_lower_bound_that_is_far_below_the_others_is_not_first():
    found = samples.trial_run(samples.settings(rounds=10))
    for trial in found.results:
        if trial.cell.contestant == "h2o":
            trial.server_cpu_seconds = 0.95  # a twentieth is not used: 42,250 could be 45,000, or some more
    assert groups([*series(found).values()]).letters["h2o"] == "e"


def test_the_share_that_was_never_answered_is_a_metric():
    trial = paced(1000, 700, censored=250).valid[0]
    assert values(trial)["unanswered"] == 0.25
