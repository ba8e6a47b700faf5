import pytest

from loadtest.statistics.stats import Interval, estimate, median_interval, percentile, ranks, ratios


@pytest.mark.parametrize("count", range(1, 6))
def test_fewer_than_six_values_are_indicative(count):
    assert estimate(range(count)).indicative


def test_six_values_give_their_whole_range():
    assert median_interval([5, 1, 4, 2, 6, 3]) == Interval(1, 6)


@pytest.mark.parametrize(("count", "low", "high"), [(8, 1, 8), (9, 2, 8), (12, 3, 10), (20, 6, 15)])
def test_more_values_move_the_interval_inwards_as_in_the_tables_for_the_sign_test(count, low, high):
    assert median_interval(range(1, count + 1)) == Interval(low, high)


def test_percentiles_are_nearest_ranks():
    counts = {10: 50, 20: 49, 30: 1}
    assert [percentile(counts, share) for share in (0.5, 0.51, 0.99, 1.0)] == [10, 20, 20, 30]


def test_ratios_pair_the_rounds_that_both_have():
    assert ratios({1: 10, 3: 30}, {1: 5, 2: 7, 3: 10}) == [2, 3]


def test_clearly_separate_intervals_are_ranked_from_the_highest():
    assert ranks({"a": Interval(1, 2), "b": Interval(5, 6), "c": Interval(3, 4)}) == {"a": "3", "b": "1", "c": "2"}


def test_overlapping_intervals_are_tied():
    assert ranks({"a": Interval(1, 2), "b": Interval(2, 3), "c": Interval(9, 9)}) == {"a": "2=", "b": "2=", "c": "1"}


def test_a_tie_in_the_middle_lends_no_rank_to_those_it_touches():
    """a and c are clearly different, though b touches both."""
    assert ranks({"a": Interval(5, 7), "b": Interval(3, 5), "c": Interval(1, 3)}) == {"a": "1=", "b": "1=", "c": "2="}
