"""Queueing theory, against textbook numbers and against queues that are played with made-up arrivals."""

from __future__ import annotations

import heapq
import math

import numpy as np
import pytest

from loadtest.statistics.queueing import Stream, in_order, load, shared, waiting


def exponential(rate: float, mean: float) -> Stream:
    return Stream(rate, mean, 2 * mean**2)


@pytest.mark.parametrize(("busy", "wait"), [(0.5, 1.0), (0.8, 4.0), (0.9, 9.0)])
def test_exponential_services_wait_as_in_every_textbook(busy, wait):
    """M/M/1: load / (1 - load) service times."""
    assert waiting([exponential(busy, 1.0)]) == pytest.approx(wait)


@pytest.mark.parametrize("busy", [0.5, 0.8, 0.9])
def test_equal_services_wait_half_as_long(busy):
    """M/D/1."""
    assert waiting([Stream.constant(busy, 1.0)]) == pytest.approx(waiting([exponential(busy, 1.0)]) / 2)


def test_a_few_long_requests_make_everybody_wait():
    """By hand: 0.95 x 0.2^2 + 0.05 x 10^2 = 5.038 ms^2, 0.69 ms on average, so that 70 % are 1014 requests a second."""
    rate = 0.7 / 0.69e-3
    mix = [Stream.constant(0.95 * rate, 0.2e-3), Stream.constant(0.05 * rate, 10e-3)]
    assert load(mix) == pytest.approx(0.7)
    assert 1000 * waiting(mix) == pytest.approx(8.518, abs=0.001)
    assert 1000 * in_order(mix, 0.2e-3) == pytest.approx(8.718, abs=0.001)
    assert 1000 * shared(mix, 0.2e-3) == pytest.approx(0.667, abs=0.001)
    assert 1000 * shared(mix, 10e-3) == pytest.approx(33.333, abs=0.001)


def test_a_mix_of_one_size_is_that_size():
    halves = [Stream.constant(0.3, 1.0), Stream.constant(0.4, 1.0)]
    assert waiting(halves) == pytest.approx(waiting([Stream.constant(0.7, 1.0)]))


@pytest.mark.parametrize("busy", [1.0, 1.2])
def test_who_is_asked_for_more_than_it_can_do_keeps_them_waiting_for_ever(busy):
    assert waiting([Stream.constant(busy, 1.0)]) == shared([Stream.constant(busy, 1.0)], 1.0) == math.inf


# --- queues whose truth is known: the same arrivals, served in three ways

SIZES, SHARES, BUSY, COUNT = (1.0, 8.0), (0.9, 0.1), 0.6, 60_000
RATE = BUSY / sum(size * share for size, share in zip(SIZES, SHARES))
MIX = [Stream.constant(RATE * share, size) for size, share in zip(SIZES, SHARES)]


def arrivals() -> tuple[np.ndarray, np.ndarray]:
    """When, and how much each takes."""
    random = np.random.default_rng(7)
    return np.cumsum(random.exponential(1 / RATE, COUNT)), random.choice(SIZES, COUNT, p=SHARES)


def played_in_order(times: np.ndarray, sizes: np.ndarray) -> list[float]:
    took, free = [], 0.0
    for time, size in zip(times.tolist(), sizes.tolist()):
        free = max(free, time) + size
        took.append(free - time)
    return took


def played_youngest_first(times: np.ndarray, sizes: np.ndarray) -> list[float]:
    """Who comes interrupts; who was interrupted goes on where it was."""
    took, stack = [0.0] * len(times), list[list[float]]()  # [number, what is left of it]

    def work(now: float, until: float) -> None:
        while stack and now + stack[-1][1] <= until:
            number, left = stack.pop()
            now += left
            took[int(number)] = now - times[int(number)]
        if stack:
            stack[-1][1] -= until - now

    for number, (time, size) in enumerate(zip(times.tolist(), sizes.tolist())):
        work(times[number - 1] if number else time, time)
        stack.append([number, size])
    work(times[-1], math.inf)
    return took


def played_shared(times: np.ndarray, sizes: np.ndarray) -> list[float]:
    """Equally. `share` is what each of those who have been there all the time has got by now."""
    took, now, share, there = [0.0] * len(times), 0.0, 0.0, list[tuple[float, int]]()

    def work(until: float) -> None:
        nonlocal now, share
        while there and now + (there[0][0] - share) * len(there) <= until:
            now += (there[0][0] - share) * len(there)
            share, number = heapq.heappop(there)
            took[number] = now - times[number]
        if there:
            share += (until - now) / len(there)
        now = until

    for number, (time, size) in enumerate(zip(times.tolist(), sizes.tolist())):
        work(time)
        heapq.heappush(there, (share + size, number))
    work(times[-1] + sum(SIZES) * len(there))
    return took


def means(played: list[float], sizes: np.ndarray) -> list[float]:
    return [float(np.mean(np.array(played)[sizes == size])) for size in SIZES]


@pytest.mark.parametrize(
    ("play", "expected"),
    [(played_in_order, in_order), (played_youngest_first, shared), (played_shared, shared)],
    ids=["in order", "the youngest first", "shared"],
)
def test_requests_of_a_played_queue_take_as_long_as_theory_says(play, expected):
    times, sizes = arrivals()
    assert means(play(times, sizes), sizes) == pytest.approx([expected(MIX, size) for size in SIZES], rel=0.06)


def test_the_three_ways_do_the_same_work():
    """Nobody idles while somebody waits: the last one of a busy period ends at the same time."""
    times, sizes = arrivals()
    ends = [max(times + np.array(play(times, sizes))) for play in (played_in_order, played_youngest_first)]
    assert ends[0] == pytest.approx(ends[1]) == pytest.approx(max(times + np.array(played_shared(times, sizes))))
