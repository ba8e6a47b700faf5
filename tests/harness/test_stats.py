import pytest

from loadtest.statistics.stats import Interval, estimate, fit


@pytest.mark.parametrize("count", range(1, 6))
def test_fewer_than_six_values_are_indicative(count):
    assert estimate(range(count)).interval is None


def test_six_values_give_their_whole_range():
    assert estimate([5, 1, 4, 2, 6, 3]).interval == Interval(1, 6)


@pytest.mark.parametrize(("count", "low", "high"), [(8, 1, 8), (9, 2, 8), (12, 3, 10), (20, 6, 15)])
def test_more_values_move_the_interval_inwards_as_in_the_tables_for_the_sign_test(count, low, high):
    assert estimate(range(1, count + 1)).interval == Interval(low, high)


# --- lines


def test_a_line_has_a_slope_and_misses_no_point_on_it():
    line = fit([(0, 10), (100, 210), (1000, 2010)])
    assert line and (round(line.slope, 9), round(line.miss, 9)) == (2, 0)


def test_how_far_a_point_lies_beside_the_line_is_a_share_of_its_rise():
    line = fit([(0, 0), (1, 3), (2, 0), (3, 3)])
    assert line and (round(line.slope, 9), round(line.miss, 6)) == (0.6, 1.0)  # 1.8 beside it at x = 1


def test_less_than_three_levels_give_no_line():
    assert fit([(0, 1), (100, 2), (100, 3), (0, 4)]) is None
    assert fit([]) is None
