"""What a client saw: quantiles against a plain sort, who was never answered, several runs together."""

from __future__ import annotations

import random
from math import inf

import pytest

from loadtest.clients.client_side import SHARES, ClientSide, Histogram, Newcomers, pooled, quantiles

PATIENCE = 2.0  # seconds
BOUND = PATIENCE * 1e6  # microseconds


def sorted_values(histogram: Histogram, censored: int) -> list[float]:
    """In microseconds; who was never answered took longer than anybody."""
    answered = [time / 1000 for time, count in histogram.items() for _ in range(count)]
    return sorted(answered) + [inf] * censored


def nearest_rank(values: list[float], per_mille: int) -> float:
    """The least value that such a share of all do not exceed, without a fraction in the way."""
    return values[-(-len(values) * per_mille // 1000) - 1]


def random_histogram(chance: random.Random) -> Histogram:
    return {chance.randint(0, 5_000_000): chance.randint(1, 40) for _ in range(chance.randint(1, 60))}


@pytest.mark.parametrize("seed", range(100))
def test_quantiles_are_those_of_a_plain_sort(seed):
    chance = random.Random(seed)
    histogram, censored = random_histogram(chance), chance.choice((0, 0, 1, 7, 500))
    values = sorted_values(histogram, censored)
    found = quantiles(histogram, censored, PATIENCE)
    assert found and (found.count, found.censored) == (len(values), censored)
    for name, share in SHARES.items():
        wanted = nearest_rank(values, round(share * 1000))
        assert found.is_bound(name) == (wanted == inf)
        assert getattr(found, name) == (BOUND if wanted == inf else wanted)
    assert found.max == (BOUND if censored else values[-1]) and found.is_bound("max") == (censored > 0)
    mean = sum(min(value, BOUND) for value in values) / len(values)
    assert found.mean == pytest.approx(mean) and found.is_bound("mean") == (censored > 0)


@pytest.mark.parametrize("count", [1000, 10_000, 123_000, 16_920_000, 210_000_000])
def test_a_rank_does_not_depend_on_binary_fractions(count):
    """0.999 of 1000 is 999.0000000000001."""
    rest = count // 1000
    found = quantiles({1000: count - rest, 5000: rest})
    assert found and (found.p99, found.p999, found.max) == (1, 1, 5)
    lost = quantiles({1000: count - rest}, rest, PATIENCE)
    assert lost and lost.p999 == 1 and not lost.is_bound("p999")


def test_a_bound_is_no_shorter_than_the_longest_answer():
    """It was due long before it could be sent."""
    found = quantiles({5_000_000_000: 1}, censored=1, patience=PATIENCE)
    assert found and (found.p50, found.p99, found.max) == (5e6, 5e6, 5e6)
    assert not found.is_bound("p50") and found.is_bound("p99")


def test_when_nobody_was_answered_every_quantile_is_the_patience():
    found = quantiles({}, censored=3, patience=PATIENCE)
    assert found and {found.p50, found.p999, found.max, found.mean} == {BOUND}
    assert all(found.is_bound(name) for name in ("p50", "p999", "max", "mean"))


def test_there_are_no_quantiles_of_nothing():
    assert quantiles({}) is None
    assert pooled([]) is None
    assert pooled([side({})]) is None


def side(latencies: Histogram, censored: int = 0, patience: float = 0.0) -> ClientSide:
    count = sum(latencies.values())
    found = ClientSide("", 1.0, count, count, 0, {}, quantiles(latencies, censored, patience), 0.5, connections=16)
    found.latencies, found.censored, found.patience = latencies, censored, patience
    return found


def test_a_stall_in_one_round_stays_what_it_was():
    calm = {1_000_000: 990, 2_000_000: 10}
    stalled = {1_000_000: 900, 600_000_000: 100}
    found = pooled([side(calm), side(stalled), side(calm), side(calm), side(stalled), side(calm)])
    assert found and (found.count, found.p50, found.p99, found.max) == (6000, 1000, 600_000, 600_000)


@pytest.mark.parametrize("seed", range(20))
def test_pooled_quantiles_are_those_of_all_requests_together(seed):
    chance = random.Random(seed)
    sides = [side(random_histogram(chance), chance.choice((0, 3)), PATIENCE) for _ in range(5)]
    values = sorted(value for one in sides for value in sorted_values(one.latencies, one.censored))
    found = pooled(sides)
    assert found and (found.count, found.censored) == (len(values), sum(one.censored for one in sides))
    for name, share in SHARES.items():
        wanted = nearest_rank(values, round(share * 1000))
        assert getattr(found, name) == (BOUND if wanted == inf else wanted)


def test_pooling_leaves_the_rounds_as_they_were():
    one, other = side({1000: 2}), side({1000: 3})
    pooled([one, other])
    assert (one.latencies, other.latencies) == ({1000: 2}, {1000: 3})


def test_the_least_patience_is_the_bound_of_all_who_were_never_answered():
    found = pooled([side({1000: 1}, 1, patience=2.0), side({1000: 1}, 1, patience=0.5), side({1000: 1}, patience=0.1)])
    assert found and found.max == 0.5e6


def test_all_newcomers_were_asked_whatever_became_of_them():
    found = Newcomers({"ok": 3, "never answered": 4, "refused": 1}, None)
    assert (found.asked, found.served) == (8, 3)
