from __future__ import annotations

from dataclasses import replace
from math import nan

import pytest
import samples

from loadtest.clients.client_side import Quantiles
from loadtest.system.cpus import CpuSets, Disturbance
from loadtest.verbs.load.plan import Cell, Settings
from loadtest.verbs.load.results import Series, Trial, losses, problems

CELL = Cell("epoll", "plaintext", 16)
PACED = replace(CELL, rate=1000.0)


def seen(cell: Cell = CELL, **client) -> Trial:
    """A trial whose client saw something else."""
    found = samples.trial(cell)
    found.client = replace(found.client, **client)
    return found


def times(mean: float, longest: float | None = None) -> Quantiles:
    """Of 1000 requests, in microseconds."""
    return Quantiles(1000, mean, mean, mean, mean, mean, longest or mean)


def test_a_trial_as_it_should_be_has_no_problem():
    assert problems(samples.trial(CELL)) == []
    assert problems(seen(PACED, latency=times(500), service=times(400))) == []


def test_what_the_client_itself_did_wrong_makes_a_trial_invalid():
    assert problems(seen(problems=["the schedule was not kept"])) == ["the schedule was not kept"]


@pytest.mark.parametrize(
    ("client", "sentence"),
    [
        ({"requests": 0}, "no request was answered"),
        ({"errors": {"read": 3, "status": 1}}, "the clients met errors: 3 read, 1 status"),
        ({"errors": {"never answered": 3227}}, "the clients met errors: 3,227 never answered"),
        ({"connections": 20}, "only 16 of 20 clients were being served"),
    ],
)
def test_what_the_server_did_not_do_is_a_loss_and_no_reason_to_hide_the_trial(client, sentence):
    assert losses(seen(**client)) == [sentence]
    assert problems(seen(**client)) == []


def test_who_cannot_tell_whom_it_serves_is_not_blamed_for_it():
    assert losses(samples.trial(CELL, clients_served=None)) == []


def test_latencies_of_fewer_connections_than_asked_break_littles_law():
    found = problems(seen(latency=times(4000), cpu_seconds=0.1))
    assert len(found) == 1 and "throughput x mean latency is 4.0 requests under way, not " in found[0]


def test_latencies_longer_than_the_connections_allow_break_littles_law():
    found = problems(seen(latency=times(20_000)))
    assert "20.0 requests under way" in found[0] and "(Little's law)" in found[0]


def test_a_client_that_was_busy_or_held_up_may_ask_late():
    late = seen(latency=times(8000), cpu_seconds=0.1)
    assert problems(late)
    assert problems(replace(late, disturbance=Disturbance(0, 0.5, 0))) == []
    assert problems(replace(late, disturbance=Disturbance(0, 0, 0.5))) == []  # perhaps of the client's
    assert problems(seen(latency=times(8000), cpu_seconds=0.6)) == []


def test_littles_law_is_not_asked_where_latency_leaves_connecting_out():
    assert problems(seen(replace(CELL, keep_alive=False), latency=times(1000))) == []
    assert problems(seen(replace(CELL, pipeline=8), latency=None)) == []


def test_at_a_constant_rate_no_more_are_under_way_than_there_are_connections():
    assert problems(seen(PACED, latency=times(15_000), service=times(15_000))) == []
    assert "Little's law" in problems(seen(PACED, latency=times(30_000), service=times(30_000)))[0]


def unranked(trials: list[Trial], settings: Settings) -> str:
    return Series(settings, trials[0].cell, trials).unranked


@pytest.mark.parametrize(
    ("server", "client", "shared", "foreign", "reason"),
    [
        (0.97, 0.90, False, 0.05, ""),
        (1.0, 0.2, False, 0.0, ""),
        (1.0, 0.2, False, None, ""),
        (0.96, 0.2, False, 0.0, "used 96.0% of its CPU, less than 97%"),
        (1.0, 0.91, False, 0.0, "wrk used 91.0% of a CPU, more than 90%"),
        (1.0, 0.2, False, 0.06, "shared its CPU with others"),
        (0.5, 0.2, False, 0.5, "shared its CPU with others"),
        (1.0, 0.2, True, 0.0, "shares its CPU with the load"),
        (nan, 0.2, False, 0.0, "used nan% of its CPU, less than 97%"),
        (1.0, nan, False, 0.0, "wrk used nan% of a CPU, more than 90%"),
    ],
)
def test_the_server_was_the_bottleneck_or_there_is_a_reason_why_not(server, client, shared, foreign, reason):
    found = samples.trial(CELL, server_cpu_seconds=server, disturbance=Disturbance(foreign, 0, 0))
    found.client = seen(cpu_seconds=client).client
    chosen = replace(samples.settings(), budgets={1: CpuSets((0,) if shared else (1,), (0,))})
    assert unranked([found], chosen) == reason


def test_one_thread_of_wrk_is_the_bottleneck_however_many_cpus_the_load_has():
    chosen = replace(samples.settings(), budgets={2: CpuSets((2, 3), (0, 1))})
    one, two = replace(CELL, cpus=2, connections=1), replace(CELL, cpus=2)
    busy = {"server_cpu_seconds": 1.98, "client": seen(cpu_seconds=0.95).client}
    assert unranked([replace(samples.trial(one), **busy)], chosen) == "wrk used 95.0% of a CPU, more than 90%"
    assert unranked([replace(samples.trial(two), **busy)], chosen) == ""


def test_the_median_of_the_rounds_decides_who_was_the_bottleneck():
    idle = samples.trial(CELL, server_cpu_seconds=0.5)
    assert unranked([samples.trial(CELL), samples.trial(CELL), idle], samples.settings()) == ""
    assert unranked([samples.trial(CELL), idle, idle], samples.settings()) != ""
