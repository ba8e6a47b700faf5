from collections import Counter
from itertools import pairwise

import pytest

from loadtest.interleaving import order

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


def test_an_item_that_is_there_twice_is_refused():
    with pytest.raises(ValueError, match="twice"):
        order(["a", "b", "a"], 2, seed=1)
