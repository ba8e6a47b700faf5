"""Whether the verdicts are true, on a made-up machine that drifts, is stolen from and scatters."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
import samples
from made_up_machine import Machine, fixed, shuffled

from loadtest.engine.run import Exit
from loadtest.statistics.differences import (
    ALPHA,
    AT_DIFFERENT_TIMES,
    CONDEMNED,
    against,
    may_be_first,
    paired,
    standing,
    verdict,
)
from loadtest.verbs.compare.comparison import compare, status

FIVE = dict.fromkeys(("fork", "prefork", "threads", "coroutines", "epoll"), 1000.0)
ROUNDS = 9  # of the main job
HEATS_UP = Machine(heat=0.3)
STOLEN_FROM = Machine(bursts=0.1)
BOTH = Machine(heat=0.3, bursts=0.1)
TABLES = 300


def share(found):
    return float(np.mean(list(found)))


def bearable(rate, tries):
    """So many can be due to chance once in a thousand."""
    return rate + 3.1 * sqrt(rate * (1 - rate) / tries)


def tables(machine, truth, rounds=ROUNDS, seed=1, count=TABLES, **options):
    random = np.random.default_rng(seed)
    return (machine.measure(truth, shuffled(truth, rounds, random), random, **options) for _ in range(count))


# --- the machine itself


def test_the_machine_does_what_it_says():
    random = np.random.default_rng(1)
    assert list(Machine(noise=0).speeds(4, random)) == [1, 1, 1, 1]
    assert Machine(noise=0, heat=0.3).speeds(50, random)[[0, -1]] == pytest.approx([1, np.exp(-0.3)])
    stolen = Machine(noise=0, bursts=0.2, burst=5).speeds(10_000, random) < 1
    assert share(stolen) == pytest.approx(0.2, abs=0.03)
    assert all(len(set(burst)) == 1 for burst in stolen.reshape(-1, 5))  # they last
    assert np.log(Machine(noise=0.01).speeds(10_000, random)).std() == pytest.approx(0.01 * sqrt(3), rel=0.3)


def test_each_server_is_measured_once_in_each_round_and_never_above_the_limit():
    [found] = tables(BOTH, {"a": 900.0, "b": 2000.0}, rounds=6, count=1, limit=1000)
    assert {name: sorted(rounds) for name, rounds in found.items()} == dict.fromkeys("ab", [1, 2, 3, 4, 5, 6])
    assert max(found["b"].values()) == 1000 > max(found["a"].values())


# --- equals


@pytest.mark.parametrize("machine", [HEATS_UP, STOLEN_FROM, BOTH])
def test_five_equal_servers_are_one_group(machine):
    groups = (standing(found)[0] for found in tables(machine, FIVE))
    assert share(len(one) > 1 for one in groups) <= bearable(ALPHA, TABLES)


def test_in_a_fixed_order_a_machine_that_heats_up_makes_ranks_of_equals():
    """Why the order is shuffled, and that this machine would show it if it were not."""
    random = np.random.default_rng(1)
    found = (HEATS_UP.measure(FIVE, fixed(FIVE, ROUNDS), random) for _ in range(100))
    assert share(len(standing(one)[0]) > 1 for one in found) > 0.3


@pytest.mark.parametrize("machine", [HEATS_UP, BOTH])
def test_nobody_of_equals_differs_from_the_reference(machine):
    judged = (against(found, "epoll").values() for found in tables(machine, FIVE))
    assert share(any(ratio.different(p) for ratio, p in one) for one in judged) <= bearable(ALPHA, TABLES)


def test_an_instrument_on_such_a_machine_is_sound():
    runs, twins = 100, {"epoll A": 1000.0, "epoll B": 1000.0}
    tries = [paired(found["epoll A"], found["epoll B"]) for found in tables(BOTH, twins, rounds=6, count=20 * runs)]
    passed = [verdict(tries[first : first + 20])[0] for first in range(0, len(tries), 20)]
    assert passed.count(False) <= runs * bearable(CONDEMNED, runs)


# --- servers that differ


@pytest.mark.parametrize("machine", [HEATS_UP, STOLEN_FROM])
def test_a_true_ratio_of_1_3_is_told(machine):
    found = [paired(one["a"], one["b"]) for one in tables(machine, {"a": 1300.0, "b": 1000.0})]
    assert share(ratio.different() and ratio.ratio > 1 for ratio in found) >= 0.95
    assert share(not one.interval.low <= 1.3 <= one.interval.high for one in found) <= bearable(ALPHA, TABLES)


def test_who_is_1_3_times_as_fast_as_four_others_is_first():
    truth = FIVE | {"epoll": 1300.0}
    ties = (standing(found)[0] for found in tables(HEATS_UP, truth))
    assert share(may_be_first(one, ()) == ["epoll"] for one in ties) >= 0.95


def test_the_reference_tells_everybody_of_a_true_ratio_of_1_3():
    truth = FIVE | {"epoll": 1300.0}
    judged = (against(found, "epoll").values() for found in tables(HEATS_UP, truth))
    assert share(all(ratio.different(p) and ratio.ratio < 1 for ratio, p in one) for one in judged) >= 0.95


def test_the_truly_fastest_may_always_be_first_though_the_client_was_the_bottleneck():
    """Both are beyond what the client can drive; the one that is measured higher need not be the faster one."""
    truth = {"epoll": 3000.0, "coroutines": 2000.0, "prefork": 1000.0}
    for found in tables(HEATS_UP, truth, count=50, limit=1200):
        ties, _ = standing(found, bounds=("epoll", "coroutines"))
        assert sorted(may_be_first(ties, ("epoll", "coroutines"))) == ["coroutines", "epoll"]


def test_nobody_is_first_while_an_idle_server_may_be_faster():
    """The client of prefork was slow: its truth is above everybody's, its value below."""
    found = next(tables(HEATS_UP, {"epoll": 1000.0, "threads": 700.0}, count=1))
    found["prefork"] = {number: 600.0 for number in found["epoll"]}
    assert standing(found)[0][0] == ["epoll"]  # so it seems
    ties, _ = standing(found, bounds=("prefork",))
    assert may_be_first(ties, ("prefork",)) == ["epoll", "prefork"]


# --- two runs, one after the other


def a_run(speeds, factor=1.0):
    """A folder of a verb, whose servers have the speeds of consecutive steps."""
    found = samples.trial_run(samples.settings(rounds=8))
    for trial, speed in zip(found.results, speeds, strict=True):
        requests = int(samples.TRIED_RATES[trial.cell.contestant] * factor * speed)
        trial.client = replace(trial.client, requests=requests, good=requests)
    return found


def two_halves(machine, seed, factor=1.0):
    """Of one long evening: B begins where A has ended. `factor` on B's servers."""
    speeds = machine.speeds(80, np.random.default_rng(seed))
    return a_run(speeds[:40]), a_run(speeds[40:], factor)


def test_two_runs_of_the_same_servers_differ_on_a_machine_that_drifted_and_the_report_says_why():
    for seed in range(20):
        found = compare(*two_halves(HEATS_UP, seed), [], 0)
        assert AT_DIFFERENT_TIMES in found.warnings
        assert any(change.regressed for change in found.changes)  # false, and no arithmetic can know it


def test_two_runs_of_the_same_servers_on_a_machine_that_stays_do_not_differ():
    found = [compare(*two_halves(Machine(), seed), [], 0) for seed in range(100)]
    assert share(status(one) != Exit.ok for one in found) <= bearable(ALPHA, 100)


def test_servers_that_lost_a_fifth_between_two_runs_are_found():
    found = [compare(*two_halves(Machine(bursts=0.05), seed, factor=0.8), [], 0) for seed in range(50)]
    assert share(change.regressed for one in found for change in one.changes) >= 0.85  # of the others, bursts hid it
    assert all(status(one) == Exit.gate for one in found)
