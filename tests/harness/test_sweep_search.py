"""The search of a rate sweep, against made-up servers whose true limit is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from statistics import mean, median

import pytest

from loadtest.statistics.differences import Ratio, paired
from loadtest.verbs.sweep.search import FIRST, LATER, TELLING, Belief, Found, Verdict, beside, find, majority

RATES = [round(200 * 1.05**number) for number in range(175)]  # to 970,000
RUNS = 200


@dataclass(frozen=True)
class Probe:
    rate: float
    verdict: Verdict


Answer = Callable[[float], Verdict]


def server(limit: float) -> Answer:
    """Overloaded by a fifth it is slow by far."""
    return lambda rate: (Verdict.met if rate <= limit else Verdict.overloaded if rate > 1.2 * limit else Verdict.missed)


def noisy(answer: Answer, random: Random, flips: float) -> Answer:
    """That share of the probes says the opposite; what is overloaded by far does not meet by chance."""

    def noise(rate: float) -> Verdict:
        verdict = answer(rate)
        if verdict == Verdict.overloaded or random.random() >= flips:
            return verdict
        return Verdict.missed if verdict == Verdict.met else Verdict.met

    return noise


def any_noise(answer: Answer, random: Random, flips: float) -> Answer:
    """The same, and nothing is known to be far."""
    return noisy(lambda rate: Verdict.met if answer(rate) == Verdict.met else Verdict.missed, random, flips)


def soft(limit: float, random: Random, width: float) -> Answer:
    """Near its limit chance decides, more and more: within that width a half turns into nearly always or never."""

    def answer(rate: float) -> Verdict:
        distance = math.log(rate / limit) / width
        met = random.random() < 1 / (1 + math.exp(min(distance, 50)))
        return Verdict.met if met else Verdict.overloaded if rate > 1.2 * limit else Verdict.missed

    return answer


def ask(answer: Answer) -> Callable[[float], Probe]:
    return lambda rate: Probe(rate, answer(rate))


def searched(answer: Answer, near: float | None = None) -> tuple[Found, list[Probe]]:
    return find(RATES, ask(answer), near)


def limits(random: Random) -> list[float]:
    return [math.exp(random.uniform(math.log(300), math.log(500_000))) for _ in range(RUNS)]


def right(found: Found, limit: float) -> bool:
    return found.rate is not None and abs(found.rate / limit - 1) <= 0.1


def test_a_limit_without_noise_is_found_to_five_percent_with_a_dozen_probes():
    for limit in limits(Random(1)):
        found, probes = searched(server(limit))
        assert found.rate <= limit < 1.05 * 1.05 * found.rate
        assert not found.at_least
        assert len(probes) <= 12


@pytest.mark.parametrize("noise", [noisy, any_noise])
def test_with_a_tenth_of_all_probes_wrong_the_limit_is_found_within_a_tenth(noise):
    random, good, counts = Random(2), 0, []
    for limit in limits(random):
        found, probes = searched(noise(server(limit), random, 0.1))
        good += right(found, limit)
        counts.append(len(probes))
    assert good >= 0.95 * RUNS
    assert max(counts) <= FIRST.most and mean(counts) < 16


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_the_median_of_three_rounds_repeats_within_a_tenth_at_a_soft_edge(noise):
    random, good = Random(3), 0
    for limit in limits(random):
        answer = noisy(soft(limit, random, 0.03), random, noise)
        good += abs(median(searched(answer)[0].rate or 0 for _ in range(3)) / limit - 1) <= 0.1
    assert good >= 0.97 * RUNS


def test_stalls_of_the_machine_do_not_move_the_answer_of_three_rounds():
    """They spoil a sixth of the probes, and make none of them good."""
    random, good = Random(6), 0
    for limit in limits(random):
        answer = server(limit)
        spoilt = [searched(lambda rate: Verdict.missed if random.random() < 0.16 else answer(rate)) for _ in range(3)]
        good += abs(median(found.rate or 0 for found, _ in spoilt) / limit - 1) <= 0.1
    assert good >= 0.95 * RUNS


def test_a_server_that_meets_nothing_has_no_rate():
    found, probes = searched(lambda rate: Verdict.overloaded)
    assert (found.rate, found.at_least) == (0, False)
    assert min(probe.rate for probe in probes) <= RATES[2]
    assert len(probes) <= 10


def test_a_server_that_always_meets_has_a_bound():
    found, probes = searched(lambda rate: Verdict.met)
    assert found.at_least and found.rate == RATES[-1]
    assert len(probes) <= 14


def test_a_client_that_cannot_ask_faster_makes_a_bound_and_no_limit():
    found, probes = searched(lambda rate: Verdict.met if rate <= 90_000 else Verdict.client)
    assert found.at_least
    assert 90_000 / 1.1 < found.rate <= 90_000
    assert len(probes) <= 16


def test_a_client_with_a_limit_beyond_the_servers_makes_no_bound():
    below = server(50_000)
    found, _ = searched(lambda rate: below(rate) if rate <= 90_000 else Verdict.client)
    assert not found.at_least
    assert 45_000 < found.rate <= 50_000


def test_where_only_the_client_fails_or_all_is_disturbed_nothing_is_known():
    assert searched(lambda rate: Verdict.client)[0].rate is None
    assert searched(lambda rate: Verdict.disturbed)[0].rate is None


def test_disturbed_probes_are_asked_again_and_do_not_move_the_answer():
    """A fifth of all probes is disturbed."""
    random, good = Random(4), 0
    for limit in limits(random):
        answer = server(limit)
        found, _ = searched(lambda rate: Verdict.disturbed if random.random() < 0.2 else answer(rate))
        good += right(found, limit)
    assert good >= 0.95 * RUNS


def test_of_a_server_with_several_limits_it_finds_one():
    """It misses from 5,000 to 20,000 and meets again until 60,000."""

    def answer(rate: float) -> Verdict:
        return Verdict.met if rate <= 5_000 or 20_000 < rate <= 60_000 else Verdict.missed

    found, probes = searched(answer)
    assert any(limit / 1.11 < found.rate <= limit for limit in (5_000, 60_000))
    assert len(probes) <= FIRST.most


def test_a_later_search_takes_few_probes_and_is_as_near_as_a_tenth_or_so():
    random, counts, errors = Random(5), [], []
    for limit in limits(random):
        found, probes = searched(server(limit), near=limit * random.uniform(0.8, 1.25))
        counts.append(len(probes))
        errors.append(abs(math.log(found.rate / limit)))
    assert mean(counts) < 4 and max(counts) <= LATER.most
    assert max(errors) < 0.2 and mean(errors) < 0.08


@pytest.mark.parametrize("wrong", [0.2, 5])
def test_a_later_search_finds_its_way_from_a_wrong_place(wrong):
    """The first search may have met a bad minute."""
    for limit in limits(Random(8)):
        near = limit * wrong
        for _ in range(2):
            near = searched(server(limit), near)[0].rate
        assert abs(math.log(near / limit)) < 0.2


def swept(limit: float, random: Random) -> Ratio:
    """The answer of eight rounds, on a machine that drifts by 5 % from round to round, with a soft edge, and stalls in
    every twentieth probe."""
    rates: list[float] = []
    for _ in range(8):
        answer = soft(limit * math.exp(random.gauss(0, 0.05)), random, 0.03)

        def stalls(rate: float, answer: Answer = answer) -> Verdict:
            return Verdict.missed if random.random() < 0.05 else answer(rate)

        rates.append(searched(stalls, beside(rates, 1.05, random))[0].rate or RATES[0])
    return paired(dict(enumerate(rates)), dict.fromkeys(range(len(rates)), 1.0))


def test_eight_rounds_on_a_machine_that_drifts_repeat_within_a_tenth():
    random, same, right, covered = Random(9), 0, 0, 0
    for limit in limits(random)[:100]:
        first, again = swept(limit, random), swept(limit, random)
        same += max(first.ratio, again.ratio) <= 1.1 * min(first.ratio, again.ratio)
        right += abs(first.ratio / limit - 1) <= 0.1
        covered += first.interval.low <= limit <= first.interval.high
    assert min(same, right) >= 90
    assert covered >= 90


def test_after_searches_that_met_nothing_it_looks_at_the_lowest_rates_first():
    found, probes = searched(lambda rate: Verdict.overloaded, near=0.0)
    assert (found.rate, len(probes)) == (0, 1)


def test_the_belief_stays_one():
    belief = Belief(RATES)
    for _ in range(10):
        belief.learn(belief.halving(), True, 0.1)
        assert sum(belief.shares) == pytest.approx(1)


def test_most_probes_of_a_rate_decide_and_a_draw_is_met():
    probes = [Probe(1, Verdict.met), Probe(1, Verdict.missed), Probe(2, Verdict.missed), Probe(3, Verdict.met)]
    assert (majority(probes, True), majority(probes, False)) == ([1, 3], [2])


def in_bursts(answer: Answer, random: Random) -> Answer:
    """Now and then other load takes the machine for five probes: what is not met then is nobody's fault."""
    left = 0

    def burst(rate: float) -> Verdict:
        nonlocal left
        left = left - 1 if left else 5 * (random.random() < 0.05)
        return Verdict.disturbed if left or answer(rate) != Verdict.met and random.random() < 0.05 else answer(rate)

    return burst


def test_bursts_of_other_load_do_not_pull_the_answer_down():
    random, good = Random(6), 0
    for limit in limits(random):
        good += right(searched(in_bursts(server(limit), random))[0], limit)
    assert good >= 0.9 * RUNS


def test_a_client_that_was_late_by_chance_makes_no_bound():
    """It has asked faster before."""
    random, bounds, good = Random(7), 0, 0
    for limit in limits(random):

        def late(rate: float, answer: Answer = server(limit)) -> Verdict:
            return Verdict.client if random.random() < 0.2 else answer(rate)

        found, _ = searched(late)
        bounds += found.at_least
        good += right(found, limit)
    assert bounds <= 0.05 * RUNS
    assert good >= 0.8 * RUNS


def test_the_answer_is_a_rate_that_the_server_was_seen_to_meet_whatever_disturbed_it_there():
    probes = [Probe(100.0, Verdict.met), Probe(100.0, Verdict.disturbed), Probe(100.0, Verdict.client)]
    assert majority([probe for probe in probes if probe.verdict in TELLING], True) == [100.0]
