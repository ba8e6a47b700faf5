"""How often the comparisons are wrong, on made-up machines whose truth is known, and on a real one."""

import json
from functools import cache
from math import sqrt
from pathlib import Path

import numpy as np
import pytest

from loadtest.statistics.differences import ALPHA, paired, standing, unpaired, verdict
from loadtest.statistics.validity import closed_loop
from loadtest.verbs.load.plan import order

TRIES = 1000


def quiet(random, count):
    """The speed of a machine in consecutive runs, as logarithms."""
    return random.normal(0, 0.03, count)


def heavy_tails(random, count):
    return 0.03 * random.standard_t(1.5, count)


def skewed(random, count):
    """Now and then, somebody else takes most of it."""
    return -0.02 * random.pareto(1.5, count)


def heating_up(random, count):
    return quiet(random, count) - np.linspace(0, 0.5, count)


def wandering(random, count):
    """Each run inherits what the one before was."""
    return np.cumsum(random.normal(0, 0.03, count))


def neighbours(random, count):
    """Who come and go, and halve the speed for some runs."""
    busy = np.repeat(random.random(count // 4 + 1) < 0.3, 4)[:count]
    return quiet(random, count) - 0.7 * busy


MACHINES = [quiet, heavy_tails, skewed, heating_up, wandering, neighbours]


def measure(machine, truth, rounds, random):
    """As `loadtest` does it: rates by name and round."""
    plan = order(list(truth), rounds, seed=int(random.integers(2**31)))
    speeds = machine(random, rounds * len(truth)).reshape(rounds, len(truth))
    rates = {name: {} for name in truth}
    for number, (names, row) in enumerate(zip(plan, speeds), start=1):
        for name, speed in zip(names, row):
            rates[name][number] = truth[name] * float(np.exp(speed))
    return rates


def share(found):
    return sum(found) / len(found)


def bearable(rate, tries=TRIES):
    """So many of `tries` can be due to chance once in a thousand."""
    return rate + 3.1 * sqrt(rate * (1 - rate) / tries)


@pytest.mark.parametrize("rounds", [6, 10])
@pytest.mark.parametrize("machine", MACHINES)
def test_the_same_against_itself_differs_in_at_most_one_of_twenty(machine, rounds):
    random = np.random.default_rng(rounds)
    tries = (measure(machine, {"a": 1000, "b": 1000}, rounds, random) for _ in range(TRIES))
    assert share([paired(one["a"], one["b"]).different() for one in tries]) <= bearable(ALPHA)


def test_without_a_random_order_a_machine_that_heats_up_would_be_a_difference():
    """Why `order` exists: always a before b, and b always meets the hotter machine."""
    random, found = np.random.default_rng(1), []
    for _ in range(200):
        speeds = 1000 * np.exp(0.2 * quiet(random, 20) - np.linspace(0, 0.5, 20)).reshape(10, 2)
        found.append(paired(dict(enumerate(speeds[:, 0])), dict(enumerate(speeds[:, 1]))).different())
    assert share(found) > 0.9


@pytest.mark.parametrize("rounds", [6, 9])
@pytest.mark.parametrize("machine", MACHINES)
def test_the_interval_covers_the_true_ratio_in_nineteen_of_twenty(machine, rounds):
    random = np.random.default_rng(rounds)
    tries = (measure(machine, {"a": 1300, "b": 1000}, rounds, random) for _ in range(TRIES))
    intervals = [paired(one["a"], one["b"]).interval for one in tries]
    assert share([not one.low <= 1.3 <= one.high for one in intervals]) <= bearable(ALPHA)


@pytest.mark.parametrize("machine", [quiet, wandering])
@pytest.mark.parametrize(("rounds", "found"), [(6, 0.80), (8, 0.95), (10, 0.98)])
def test_ten_percent_are_found_at_three_percent_of_noise(machine, rounds, found):
    random = np.random.default_rng(rounds)
    tries = (measure(machine, {"a": 1100, "b": 1000}, rounds, random) for _ in range(500))
    assert share([paired(one["a"], one["b"]).different() for one in tries]) >= found


@pytest.mark.parametrize("machine", [quiet, heavy_tails, wandering, neighbours])
def test_a_table_of_equals_names_a_difference_in_at_most_one_of_twenty(machine):
    random, truth = np.random.default_rng(5), dict.fromkeys("abcde", 1000)
    tables = (standing(measure(machine, truth, 10, random)) for _ in range(300))
    assert share([len(groups) > 1 for groups, _ in tables]) <= bearable(ALPHA, 300)


def test_a_table_finds_who_is_ten_percent_above_the_others():
    random, truth = np.random.default_rng(6), {"a": 1100, "b": 1000, "c": 1000, "d": 1000}
    tables = [standing(measure(quiet, truth, 12, random)) for _ in range(100)]
    assert share([groups[0] == ["a"] for groups, _ in tables]) > 0.9


# --- two folders


@pytest.mark.parametrize("machine", [quiet, heavy_tails, skewed])
def test_two_series_on_a_machine_that_stays_the_same_differ_in_at_most_one_of_twenty(machine):
    random = np.random.default_rng(7)
    tries = (np.exp(machine(random, 16)) for _ in range(TRIES))
    assert share([unpaired(list(one[:8]), list(one[8:])).different() for one in tries]) <= bearable(ALPHA)


def test_two_series_on_a_machine_that_drifts_differ_often():
    """Why `compare` says AT_DIFFERENT_TIMES: this no test can mend."""
    random = np.random.default_rng(8)
    tries = (np.exp(wandering(random, 16)) for _ in range(200))
    assert share([unpaired(list(one[:8]), list(one[8:])).different() for one in tries]) > 0.3


def test_ten_percent_between_two_series_are_found():
    random = np.random.default_rng(9)
    tries = ((1.1 * np.exp(quiet(random, 8)), np.exp(quiet(random, 8))) for _ in range(300))
    assert share([unpaired(list(a), list(b)).different() for a, b in tries]) > 0.95


# --- a real machine: quartet-epoll against itself


@cache
def recorded():
    """The fixture says how it came about."""
    document = json.loads(Path(__file__).with_name("fixtures").joinpath("aa.json").read_text())
    return [dict(zip(document["columns"], run)) for run in document["runs"]]


def rates(attempt, side):
    runs = [run for run in recorded() if (run["attempt"], run["side"]) == (attempt, side)]
    return {run["round"]: run["requests"] / run["seconds"] for run in runs}


def recorded_tries():
    return [paired(rates(attempt, "a"), rates(attempt, "b")) for attempt in range(1, 21)]


def test_the_recorded_server_differs_from_itself_in_at_most_one_of_twenty_tries():
    assert all(ratio.rounds == 8 for ratio in recorded_tries())
    passed, _ = verdict(recorded_tries())
    assert passed


def test_the_recorded_noise_is_worth_the_name():
    spread = [max(rates(attempt, "a").values()) / min(rates(attempt, "a").values()) for attempt in range(1, 21)]
    assert np.median(spread) > 1.1


def test_a_recorded_server_that_was_half_as_fast_again_would_have_been_seen():
    tries = [
        paired({number: 1.5 * rate for number, rate in rates(attempt, "a").items()}, rates(attempt, "b"))
        for attempt in range(1, 21)
    ]
    assert sum(ratio.different() and ratio.ratio > 1 for ratio in tries) >= 16


def test_every_recorded_run_obeys_littles_law():
    for run in recorded():
        law = recorded_law(run, run["mean_latency"])
        assert law == ""


def test_no_recorded_run_would_with_the_samples_that_wrk_makes_up():
    assert all(recorded_law(run, run["mean_with_synthetic"]) for run in recorded())


def recorded_law(run, mean):
    return closed_loop(
        16,
        run["requests"] / run["seconds"],
        mean,
        duration=run["seconds"],
        longest=run["longest"],
        client_share=run["wrk_share"],
    )
