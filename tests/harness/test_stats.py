import pytest

from loadtest.statistics.stats import Interval, estimate, median_interval, percentile


@pytest.mark.parametrize("count", range(1, 6))
def test_fewer_than_six_values_are_indicative(count):
    assert estimate(range(count)).interval is None


def test_six_values_give_their_whole_range():
    assert median_interval([5, 1, 4, 2, 6, 3]) == Interval(1, 6)


@pytest.mark.parametrize(("count", "low", "high"), [(8, 1, 8), (9, 2, 8), (12, 3, 10), (20, 6, 15)])
def test_more_values_move_the_interval_inwards_as_in_the_tables_for_the_sign_test(count, low, high):
    assert median_interval(range(1, count + 1)) == Interval(low, high)


def test_percentiles_are_nearest_ranks():
    counts = {10: 50, 20: 49, 30: 1}
    assert [percentile(counts, share) for share in (0.5, 0.51, 0.99, 1.0)] == [10, 20, 20, 30]
