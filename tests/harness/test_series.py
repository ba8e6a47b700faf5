from __future__ import annotations

from dataclasses import replace

import pytest
import samples

from loadtest.clients.client_side import Newcomers
from loadtest.contestants.contestants import Kind
from loadtest.engine.metrics import BY_NAME
from loadtest.engine.run import Run
from loadtest.verbs.load.plan import Cell
from loadtest.verbs.load.report import best_of, invalid_notes
from loadtest.verbs.load.results import Series, everybody, values

CELL = Cell("epoll", "plaintext", 16)


def spoil(found: Run, contestant: str, rounds: range) -> None:
    for trial in found.results:
        if trial.cell.contestant == contestant and trial.step.round in rounds:
            trial.problems = [f"bad in round {trial.step.round}"]


def series(found: Run) -> dict[str, Series]:
    return {one.name: one for one in everybody(found.parts[0])}


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
    assert set(unknown) == absent | {name for name in BY_NAME if name.startswith("service ")}


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
    assert {trial.step.round for trial in series(found)["epoll"].trials} == {4, 5, 6, 7, 8}
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


def test_the_best_peer_is_the_one_of_its_kind_with_the_most_answers():
    found = series(samples.trial_run())
    everybody = list(found.values())
    assert best_of(Kind.peer, found["epoll"], everybody).contestant.name == "nginx"
    assert best_of(Kind.peer, found["threads"], everybody) is None
    assert best_of(Kind.bare, found["epoll"], everybody).contestant.name == "bare-epoll"
    assert best_of(Kind.bare, found["threads"], everybody) is None


def test_an_invalid_peer_is_not_the_best():
    results = samples.trial_run()
    spoil(results, "nginx", range(1, 9))
    found = series(results)
    assert best_of(Kind.peer, found["epoll"], list(found.values())).contestant.name == "h2o"


def test_at_a_constant_rate_the_best_peer_is_the_cheapest():
    results = samples.trial_run(samples.settings(rates=(1000.0,), closed=False))
    for trial in results.results:
        trial.client = replace(trial.client, requests=1000)
        trial.server_cpu_seconds = 0.02 if trial.cell.contestant == "h2o" else 0.03
    found = series(results)
    assert best_of(Kind.peer, found["epoll"], list(found.values())).contestant.name == "h2o"
