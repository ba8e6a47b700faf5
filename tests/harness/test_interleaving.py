from collections import Counter
from itertools import pairwise

import pytest

from loadtest.verbs.load.plan import order, order_in_groups

MODELS = ["fork", "prefork", "threads", "coroutines", "epoll"]


def test_everybody_is_in_every_round_once():
    assert [sorted(one) for one in order(MODELS, 13, seed=1)] == [sorted(MODELS)] * 13


@pytest.mark.parametrize("size", range(1, 9))
def test_in_as_many_rounds_as_there_are_items_everybody_has_every_place_once(size):
    for seed in range(20):
        square = order(range(size), size, seed)
        assert all(sorted(place) == list(range(size)) for place in zip(*square))


@pytest.mark.parametrize("size", [5, 6])
@pytest.mark.parametrize("rounds", [6, 7, 8, 10])
def test_nobody_is_first_much_more_often_than_others_when_the_last_square_is_cut(size, rounds):
    for seed in range(50):
        first = Counter(one[0] for one in order(range(size), rounds, seed))
        assert max(first.values()) <= -(-rounds // size)


@pytest.mark.parametrize(("size", "rounds", "times"), [(2, 2, 1), (4, 4, 1), (6, 6, 1), (3, 6, 2), (5, 10, 2)])
def test_everybody_follows_everybody_else_equally_often(size, rounds, times):
    followers = Counter(pair for one in order(range(size), rounds, seed=3) for pair in pairwise(one))
    assert followers == {(a, b): times for a in range(size) for b in range(size) if a != b}


def test_the_seed_alone_decides():
    assert order(MODELS, 10, seed=7) == order(MODELS, 10, seed=7)
    assert len({str(order(MODELS, 10, seed)) for seed in range(100)}) == 100


def test_an_order_is_the_same_in_every_version_so_that_a_resumed_run_goes_on_with_it():
    assert order(["a", "b", "c"], 3, seed=1) == [["a", "b", "c"], ["c", "a", "b"], ["b", "c", "a"]]


def test_more_rounds_begin_as_fewer_do():
    assert order(MODELS, 20, seed=7)[:9] == order(MODELS, 9, seed=7)


def test_of_two_each_is_first_in_half_of_the_rounds_and_not_in_a_pattern():
    first = [one[0] for one in order(["a", "b"], 200, seed=2)]
    assert first.count("a") == 100
    assert 30 < sum(one == two for one, two in pairwise(first)) < 70


def test_nothing_to_order_is_no_error():
    assert order([], 2, seed=1) == [[], []]


LOADS = [[(load, model) for model in MODELS] for load in ("plaintext", "cpu", "sleep")]


def test_a_group_stays_together_in_every_round():
    for one in order_in_groups(LOADS, 20, seed=1):
        loads = [load for load, _ in one]
        assert sorted(one) == sorted(item for group in LOADS for item in group)
        assert sum(a != b for a, b in pairwise(loads)) == len(LOADS) - 1


def test_groups_and_their_items_have_every_place_in_turn():
    rounds = order_in_groups(LOADS, 15, seed=1)
    assert Counter(one[0][0] for one in rounds) == {"plaintext": 5, "cpu": 5, "sleep": 5}
    for start in range(0, 15, 5):
        block = [[model for load, model in one if load == "cpu"] for one in rounds[start : start + 5]]
        assert all(sorted(place) == sorted(MODELS) for place in zip(*block))


def test_groups_of_the_same_size_do_not_share_an_order():
    rounds = order_in_groups(LOADS, 10, seed=1)
    by_load = [[[model for load, model in one if load == name] for one in rounds] for name in ("plaintext", "cpu")]
    assert by_load[0] != by_load[1]


def test_a_group_may_be_empty_or_alone():
    assert order_in_groups([], 2, seed=1) == [[], []]
    assert order_in_groups([["a"], []], 2, seed=1) == [["a"], ["a"]]
