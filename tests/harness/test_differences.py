import json
import math
import time
from dataclasses import asdict, replace
from itertools import combinations, product
from statistics import median

import numpy as np
import pytest

from loadtest.statistics import differences
from loadtest.statistics.differences import (
    ALPHA,
    CONDEMNED,
    Ratio,
    against,
    chance_of,
    describe,
    detectable,
    false_alarms,
    family,
    holm,
    least_p,
    least_p_of_series,
    letters,
    may_be_first,
    paired,
    regressed,
    rounds_needed,
    standing,
    tie_groups,
    too_few_rounds,
    too_many_alarms,
    unpaired,
    values_needed,
    verdict,
)
from loadtest.statistics.stats import Interval
from loadtest.system.records import from_json


def by_round(values):
    return dict(enumerate(values, start=1))


def against_one(values):
    """So that the ratios are the values themselves."""
    return paired(by_round(values), by_round([1.0] * len(values)))


# --- two contestants, interleaved


def test_a_ratio_is_taken_round_by_round():
    machine = [1000, 500, 100, 2000, 1500, 300]  # the speed of the machine in each round
    ratio = paired(by_round([1.1 * speed for speed in machine]), by_round(machine))
    assert ratio.ratio == pytest.approx(1.1)
    assert (ratio.interval.low, ratio.interval.high) == pytest.approx((1.1, 1.1))


def test_only_rounds_that_both_have_are_counted():
    ratio = paired({1: 10, 3: 30, 4: 1}, {1: 5, 2: 7, 3: 15})
    assert (ratio.rounds, ratio.ratio) == (2, pytest.approx(2))


def test_exchanging_the_two_inverts_the_ratio():
    a, b = by_round([5, 7, 6, 9, 8, 7, 5]), by_round([4, 8, 5, 6, 7, 7, 4])
    one, other = paired(a, b), paired(b, a)
    assert one.p == other.p
    assert one.ratio == pytest.approx(1 / other.ratio)
    assert one.interval.low == pytest.approx(1 / other.interval.high)


@pytest.mark.parametrize("rounds", range(1, 6))
def test_fewer_than_six_rounds_are_indicative_however_clear(rounds):
    ratio = against_one([2.0] * rounds)
    assert ratio.interval is None and not ratio.different()
    assert ratio.ratio == pytest.approx(2)


def test_six_rounds_that_all_agree_are_a_difference_and_five_of_six_are_not():
    assert against_one([1.1, 1.2, 1.3, 1.4, 1.5, 1.6]).p == 2 / 2**6
    assert against_one([1.1, 1.2, 1.3, 1.4, 1.5, 1.6]).different()
    assert not against_one([0.99, 1.2, 1.3, 1.4, 1.5, 1.6]).different()


def test_the_interval_of_six_rounds_is_their_range():
    interval = against_one([1.1, 1.6, 1.3, 1.4, 1.5, 1.2]).interval
    assert (interval.low, interval.high) == pytest.approx((1.1, 1.6))


@pytest.mark.parametrize(("rounds", "critical"), [(6, 0), (7, 2), (8, 3), (9, 5), (10, 8), (12, 13), (15, 25)])
def test_the_exact_distribution_is_that_of_the_tables_for_the_signed_rank_test(rounds, critical):
    """The largest rank sum at 5 %, two-sided: so many Walsh averages are outside, and one more is the bound."""
    logs = [2.0**i for i in range(rounds)]  # all means of pairs differ
    walsh = sorted((a + b) / 2 for i, a in enumerate(logs) for b in logs[i:])
    values = [math.exp(log / logs[-1]) for log in logs]
    assert math.log(against_one(values).interval.low) == pytest.approx(walsh[critical] / logs[-1])


def test_p_is_the_share_of_all_flips_of_the_signs_that_are_as_extreme():
    random = np.random.default_rng(1)
    for _ in range(50):
        logs = random.normal(0.3, 1, 7).round(1)  # rounded: with ties and zeros
        assert against_one(np.exp(logs)).p == pytest.approx(flips_as_extreme(logs))


def flips_as_extreme(logs):
    sizes = sorted(abs(log) for log in logs)
    ranks = [np.mean([i for i, size in enumerate(sizes, 1) if size == abs(log)]) for log in logs]
    votes = [rank * np.sign(log) for rank, log in zip(ranks, logs)]
    sums = [abs(np.dot(votes, signs)) for signs in product([1, -1], repeat=len(votes))]
    return np.mean([one >= abs(sum(votes)) - 1e-9 for one in sums])


def test_the_test_and_its_interval_agree():
    random = np.random.default_rng(2)
    for _ in range(500):
        ratio = against_one(np.exp(random.normal(0.3, 0.5, random.integers(6, 14))))
        assert (ratio.p <= ALPHA) == (not ratio.interval.low <= 1 <= ratio.interval.high)


def test_equal_values_do_not_differ():
    ratio = against_one([1.0] * 8)
    assert (ratio.ratio, ratio.p, ratio.different()) == (1, 1, False)
    assert describe(ratio) == "no difference seen (detectable >= 0.0 %)"


def test_one_wild_round_does_not_move_the_interval_to_it():
    ratio = against_one([1.10, 1.11, 1.09, 1.10, 1.12, 1.08, 1.10, 1.11, 1.09, 0.01])
    assert ratio.interval.high < 1.13 and ratio.ratio == pytest.approx(1.1, rel=0.01)


@pytest.mark.parametrize(
    ("a", "b", "sentence"),
    [
        ({1: 5}, {2: 5}, "there is no round that both have"),
        ({1: 0}, {1: 5}, "a ratio takes values above 0, not 0"),
        ({1: 5}, {1: math.nan}, "a ratio takes values above 0, not nan"),
        ({1: math.inf}, {1: 5}, "a ratio takes values above 0, not inf"),
    ],
)
def test_what_has_no_ratio_is_refused_with_a_sentence(a, b, sentence):
    with pytest.raises(ValueError, match=sentence):
        paired(a, b)


def test_what_is_stored_is_read_back():
    for ratio in (against_one([1.1] * 6), against_one([1.1])):
        assert from_json(Ratio, json.loads(json.dumps(asdict(ratio)))) == ratio


# --- two series, not interleaved


@pytest.mark.parametrize(("a", "b", "critical"), [(6, 6, 5), (6, 8, 8), (8, 8, 13), (10, 10, 23), (12, 12, 37)])
def test_the_exact_distribution_is_that_of_the_tables_of_mann_and_whitney(a, b, critical):
    x, y = [2.0**i for i in range(a)], [1.1 * 3.0**-j for j in range(b)]  # no two quotients are equal
    quotients = sorted(one / other for one in x for other in y)
    assert unpaired(x, y).interval.low == pytest.approx(quotients[critical])


def test_p_is_the_share_of_all_deals_that_are_as_extreme():
    random = np.random.default_rng(3)
    for _ in range(30):
        x, y = random.normal(0.5, 1, 4).round(1), random.normal(0, 1, 5).round(1)
        assert unpaired(list(np.exp(x)), list(np.exp(y))).p == pytest.approx(deals_as_extreme(x, y))


def deals_as_extreme(x, y):
    values = [*x, *y]
    ranks = [np.mean([i for i, value in enumerate(sorted(values), 1) if value == one]) for one in values]
    middle = len(x) * np.mean(ranks)
    sums = [abs(sum(deal) - middle) for deal in combinations(ranks, len(x))]
    return np.mean([one >= abs(sum(ranks[: len(x)]) - middle) - 1e-9 for one in sums])


def test_the_ratio_of_two_series_is_the_median_of_all_quotients():
    a, b = [10, 20, 30, 40, 50, 61], [1, 2, 3, 4, 5, 6, 7]
    assert unpaired(a, b).ratio == pytest.approx(median(one / other for one in a for other in b), rel=0.05)
    assert unpaired(b, a).ratio == pytest.approx(1 / unpaired(a, b).ratio)


def test_series_of_fewer_than_six_are_indicative_though_their_p_is_small():
    ratio = unpaired([5, 6, 7, 8, 9], [1, 2, 3, 4, 4.5, 4.6, 4.7])
    assert ratio.p < 0.01 and ratio.interval is None and not ratio.different()


# --- many rounds: the normal distribution in place of the exact one


def by_normal(monkeypatch):
    """However few rounds there are."""
    monkeypatch.setattr(differences, "EXACT_PAIRS", 0)
    monkeypatch.setattr(differences, "EXACT_SERIES", 0)
    differences._outside.cache_clear()


@pytest.fixture
def both_ways(monkeypatch):
    """A function that gives a comparison exactly, and by the normal distribution."""

    def compared(compare, *of):
        exact = compare(*of)
        with monkeypatch.context() as changed:
            by_normal(changed)
            approximate = compare(*of)
        differences._outside.cache_clear()
        return exact, approximate

    return compared


@pytest.mark.parametrize("digits", [12, 1])  # without ties, and with many
@pytest.mark.parametrize(("a", "b"), [(12, 12), (20, 8), (30, 30), (45, 45)])
def test_the_normal_p_of_two_series_is_close_to_the_exact_one(both_ways, a, b, digits):
    random = np.random.default_rng(11)
    for shift in np.linspace(0, 0.8, 5):
        x, y = (np.exp(random.normal(mean, 0.5, n).round(digits)).tolist() for mean, n in ((shift, a), (0, b)))
        exact, approximate = both_ways(unpaired, x, y)
        assert approximate.p == pytest.approx(exact.p, abs=0.01)
        assert approximate.ratio == exact.ratio


@pytest.mark.parametrize("digits", [12, 1])
@pytest.mark.parametrize("rounds", [15, 40, 120])
def test_the_normal_p_of_many_rounds_is_close_to_the_exact_one(both_ways, rounds, digits):
    random = np.random.default_rng(12)
    for shift in np.linspace(0, 0.4, 9):
        logs = random.normal(shift, 0.5, rounds).round(digits)
        exact, approximate = both_ways(against_one, np.exp(logs))
        assert approximate.p == pytest.approx(exact.p, abs=0.015)


def outside(*of):
    return differences._outside(*of)


@pytest.mark.parametrize("comparisons", [1, 20])
@pytest.mark.parametrize(("a", "b"), [(20, 20), (30, 12), (60, 60)])
def test_the_normal_interval_of_two_series_leaves_about_as_many_quotients_out(both_ways, a, b, comparisons):
    exact, approximate = both_ways(outside, a, b, comparisons)
    assert abs(approximate - exact) <= 0.03 * a * b / 2  # of the half at each end


@pytest.mark.parametrize("rounds", [20, 60, 120, 400])
def test_the_normal_interval_of_many_rounds_leaves_about_as_many_means_out(both_ways, rounds):
    exact, approximate = both_ways(outside, rounds)
    assert abs(approximate - exact) <= 2


def test_where_nearly_all_are_equal_the_normal_p_is_right_as_well(both_ways):
    """0.12. Uncorrected for ties it would be 0.44, and with half a rank for the continuity 0.04: a false difference."""
    exact, approximate = both_ways(unpaired, [1.0] * 36 + [2.0] * 4, [1.0] * 40)
    assert exact.p == pytest.approx(2 * math.comb(76, 36) / math.comb(80, 40))  # all four are in the same one
    assert approximate.p == pytest.approx(exact.p, abs=0.015)


def test_where_all_changes_are_equally_large_the_normal_p_is_that_of_a_coin(both_ways):
    exact, approximate = both_ways(against_one, [1.1] * 26 + [1 / 1.1] * 14)
    assert exact.p == pytest.approx(sum(2 * math.comb(40, heads) for heads in range(15)) / 2**40)
    assert approximate.p == pytest.approx(exact.p, abs=0.01)


def test_many_values_take_no_time_and_still_tell_a_small_change():
    random = np.random.default_rng(13)
    a, b = (np.exp(random.normal(mean, 0.03, 240)).tolist() for mean in (0.02, 0.0))
    began = time.process_time()
    ratio = unpaired(a, b)
    assert time.process_time() - began < 5  # exactly, it takes more than a minute of a fast CPU
    assert ratio.different() and ratio.interval.low < 1.02 < ratio.interval.high
    rounds = paired(*(by_round(np.exp(random.normal(mean, 0.03, 1000)).tolist()) for mean in (0.01, 0.0)))
    assert rounds.different() and rounds.interval.low < 1.01 < rounds.interval.high
    assert time.process_time() - began < 10


def test_many_equal_values_do_not_differ():
    assert (unpaired([3.0] * 240, [3.0] * 240).p, against_one([1.0] * 500).p) == (1.0, 1.0)


def test_so_many_rounds_that_their_smallest_p_is_nothing_are_a_family_too():
    many = against_one([1.0] * 1200)
    assert many.least_p == 0.0 and family({"a": many}) == ["a"]


# --- what could have been seen, and its words


def test_detectable_is_half_the_interval():
    half, nothing = Interval(1 / 1.513, 1.513), Interval(1, 1)
    assert describe(replace(SAME, interval=half)) == "no difference seen (detectable >= 51.3 %)"
    assert describe(replace(SAME, interval=nothing)) == "no difference seen (detectable >= 0.0 %)"


def test_what_is_detectable_among_others_is_more_than_alone():
    random = np.random.default_rng(14)
    a, b = (np.exp(random.normal(0, 0.03, 9)).tolist() for _ in "ab")
    alone, among_ten = unpaired(a, b), unpaired(a, b, comparisons=10)
    assert detectable(among_ten) > detectable(alone)
    assert (among_ten.p, among_ten.ratio) == (alone.p, alone.ratio)
    assert unpaired(a, b, comparisons=10**6).interval is None


def test_what_could_have_been_seen_can_be_said_of_a_table():
    assert describe(NOTHING_SEEN, 0.4, 0.071) == "no difference seen (detectable >= 7.1 %)"
    assert describe(NOTHING_SEEN, 0.4, 0.0) == "no difference seen (detectable >= 0.0 %)"
    assert detectable(replace(NOTHING_SEEN, interval=None)) is None


NOTHING_SEEN = Ratio(1.01, Interval(0.98, 1.04), 0.4, 6, 2 / 64)
FASTER = Ratio(1.10, Interval(1.08, 1.12), 2 / 64, 6, 2 / 64)
SLOWER = Ratio(0.90, Interval(0.88, 0.93), 2 / 64, 6, 2 / 64)


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (FASTER, "+10.0 % [+8.0 to +12.0]"),
        (SLOWER, "-10.0 % [-12.0 to -7.0]"),
        (NOTHING_SEEN, "no difference seen (detectable >= 3.0 %)"),
        (replace(FASTER, interval=None, rounds=5), "+10.0 %, indicative: 5 of 6 rounds that an interval takes"),
    ],
)
def test_a_change_has_an_interval_or_says_what_could_have_been_seen(ratio, words):
    assert describe(ratio) == words


def test_a_change_that_the_table_does_not_bear_is_no_change():
    assert describe(FASTER, adjusted_p=0.06) == "no difference seen (detectable >= 1.8 %)"


@pytest.mark.parametrize(
    ("ratio", "more_is_better", "margin", "worse"),
    [
        (SLOWER, True, 0.0, True),
        (SLOWER, False, 0.0, False),
        (FASTER, False, 0.0, True),
        (FASTER, True, 0.0, False),
        (NOTHING_SEEN, True, 0.0, False),
        (SLOWER, True, 0.06, True),
        (SLOWER, True, 0.08, False),  # the interval reaches to -7 %
        (FASTER, False, 0.09, False),
        (replace(SLOWER, interval=None), True, 0.0, False),
    ],
)
def test_a_regression_is_different_and_worse_by_more_than_the_margin(ratio, more_is_better, margin, worse):
    assert regressed(ratio, ratio.p, more_is_better, margin) is worse


def test_a_regression_that_the_table_does_not_bear_is_none():
    assert not regressed(SLOWER, 0.06, more_is_better=True)


# --- a table


def test_holm_by_hand():
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}) == pytest.approx(
        {"d": 0.02, "a": 0.03, "c": 0.06, "b": 0.06}
    )


def test_holm_keeps_the_keys_in_their_order_and_stops_at_one():
    assert list(holm({"b": 0.9, "a": 0.8}).items()) == [("b", 1.0), ("a", 1.0)]
    assert holm({}) == {}


@pytest.mark.parametrize(("comparisons", "rounds"), [(1, 6), (2, 7), (4, 8), (6, 8), (10, 9), (15, 10), (78, 12)])
def test_a_table_needs_more_rounds_than_a_pair(comparisons, rounds):
    assert rounds_needed(comparisons) == rounds
    assert least_p(rounds) * comparisons <= ALPHA < least_p(rounds - 1) * comparisons


def test_series_need_fewer_rounds_because_they_can_be_dealt_in_more_ways():
    assert [values_needed(0, 0, count) for count in (1, 10, 28, 100)] == [6, 6, 7, 8]


@pytest.mark.parametrize(
    ("a", "b", "comparisons", "needed"),
    [(3, 3, 1, 6), (6, 6, 51, 7), (6, 3, 51, 7), (9, 3, 51, 6), (20, 6, 51, 6), (9, 9, 10**4, 11)],
)
def test_series_need_so_many_values_beside_those_that_are_there(a, b, comparisons, needed):
    assert values_needed(a, b, comparisons) == needed
    assert least_p_of_series(max(a, needed), max(b, needed)) * comparisons <= ALPHA


def series_of(rounds):
    return unpaired([2.0 + i for i in range(rounds)], [1.0 - 0.01 * i for i in range(rounds)])


def test_what_has_too_few_rounds_takes_no_part_in_the_correction():
    ratios = {"a": series_of(9), "b": series_of(6), "c": series_of(3)}
    assert family(ratios) == ["a", "b"]
    assert family({"c": series_of(3)}) == family({}) == []


def test_the_family_is_the_largest_in_which_everybody_can_be_told():
    six, nine = {f"six {i}": series_of(6) for i in range(30)}, {f"nine {i}": series_of(9) for i in range(30)}
    assert family(six) == []  # 2 / 924 x 30 is more than 5 %, for each of them
    assert family(dict(list(six.items())[:23])) == list(six)[:23]
    assert family(six | nine) == list(nine)
    adjusted = holm({key: (six | nine)[key].p for key in family(six | nine)})
    assert all((six | nine)[key].different(p) for key, p in adjusted.items())


def clear_steps(rounds, names="abcde"):
    """Each 10 % below the one before, without noise to speak of."""
    return {name: by_round([0.9**i * (1 + 1e-6 * k * i) for k in range(rounds)]) for i, name in enumerate(names)}


def test_a_table_with_rounds_enough_tells_everybody_apart():
    assert standing(clear_steps(9)) == ([["a"], ["b"], ["c"], ["d"], ["e"]], "")


def test_a_table_with_too_few_rounds_says_so_where_it_ties_everybody():
    groups, problem = standing(clear_steps(6))
    assert groups == [["a", "b", "c", "d", "e"]]
    assert problem == (
        "a table of 10 comparisons takes 9 rounds to call any two different at 95%; 10 ties of fewer (6) may mean no "
        "more than that"
    )


@pytest.mark.parametrize(("lost", "tied"), [(1, 0), (2, 4)])
def test_who_lost_rounds_is_tied_only_where_the_later_steps_of_holm_ask_for_more_too(lost, tied):
    values = clear_steps(9)
    values["e"] = {number: value for number, value in values["e"].items() if number > lost}
    groups, problem = standing(values)
    assert len({pair for group in groups for pair in combinations(sorted(group), 2)}) == tied
    assert problem.endswith(f"4 ties of fewer ({9 - lost}) may mean no more than that" if tied else "")
    assert bool(problem) == bool(tied)


def test_one_comparison_has_a_sentence_too():
    assert too_few_rounds([against_one([1.1] * 5)]) == (
        "one comparison takes 6 rounds to call any two different at 95%; 1 tie of fewer (5) may mean no more than that"
    )
    assert too_few_rounds([against_one([1.1] * 6)]) == ""
    assert too_few_rounds([]) == ""


def test_ties_of_rounds_enough_need_no_excuse():
    assert too_few_rounds([against_one([1.1, 0.9] * 5)] * 10) == ""


def test_a_standing_of_one_or_of_nobody():
    assert standing({"a": by_round([1.0])}) == ([["a"]], "")
    assert standing({}) == ([], "")


def test_who_is_compared_with_one_reference_needs_fewer_rounds_than_everybody_with_everybody():
    found = against(clear_steps(8), "c")
    assert {name: round(ratio.ratio, 2) for name, (ratio, _) in found.items()} == {
        "a": 1.23,
        "b": 1.11,
        "d": 0.9,
        "e": 0.81,
    }
    assert all(p == pytest.approx(4 * 2 / 2**8) and ratio.different(p) for ratio, p in found.values())
    assert standing(clear_steps(8))[0] == [["a", "b", "c", "d", "e"]]


def test_who_has_no_round_with_the_reference_is_not_compared_with_it():
    values = {"a": {1: 2.0, 2: 2.0}, "b": {1: 1.0}, "c": {3: 1.0}}
    assert list(against(values, "a")) == ["b"]
    assert against({"a": {1: 2.0}}, "a") == {}
    with pytest.raises(KeyError):
        against(values, "nobody")


def test_nobody_above_a_lower_bound_differs_from_it():
    assert standing(clear_steps(9), bounds=["c"])[0] == [["a", "c"], ["b", "c"], ["d"], ["e"]]
    assert standing(clear_steps(9), bounds=["a"])[0] == [
        ["a"],
        ["b"],
        ["c"],
        ["d"],
        ["e"],
    ]  # it is above them, at least


MEDIANS = {"d": 1.0, "c": 2.0, "b": 3.0, "a": 4.0}


@pytest.mark.parametrize(
    ("different", "groups", "shown"),
    [
        ([], ["abcd"], {"a": "a", "b": "a", "c": "a", "d": "a"}),
        (["ac", "ad", "bd"], ["ab", "bc", "cd"], {"a": "a", "b": "ab", "c": "bc", "d": "c"}),
        (["da", "db", "dc"], ["abc", "d"], {"a": "a", "b": "a", "c": "a", "d": "b"}),
        (["ab", "ac", "ad", "bc", "bd", "cd"], ["a", "b", "c", "d"], {"a": "a", "b": "b", "c": "c", "d": "d"}),
        # b, measured badly, is tied with both ends, though c lies between
        (["ac", "ad", "cd"], ["ab", "bc", "bd"], {"a": "a", "b": "abc", "c": "b", "d": "c"}),
    ],
)
def test_ties_are_groups_because_they_are_not_transitive(different, groups, shown):
    found = tie_groups(MEDIANS, [tuple(pair) for pair in different])
    assert ["".join(group) for group in found] == groups
    assert letters(found) == shown


@pytest.mark.parametrize(
    ("ties", "bounds", "first"),
    [
        ([], "", ""),
        (["a", "b", "c"], "", "a"),
        (["ab", "bc"], "", "ab"),
        (["ab", "ac", "d"], "", "abc"),
        (["abc"], "", "abc"),
        (["a", "b", "c"], "c", "ac"),  # c may be faster than it seems, b may not
        (["a", "b", "c"], "a", "a"),  # at least as fast as it seems, which is more than the others
        (["a", "b", "c"], "bc", "abc"),
        (["ab", "c", "de"], "e", "abe"),
        (["ad", "bd", "cd"], "b", "abd"),  # in the order of the medians, though d stands beside a
    ],
)
def test_who_may_be_first_is_tied_with_the_highest_or_has_only_a_lower_bound(ties, bounds, first):
    assert "".join(may_be_first([list(group) for group in ties], bounds)) == first


def test_the_fastest_of_all_may_always_be_first():
    """Whatever differs, and whatever is a bound."""
    random = np.random.default_rng(15)
    for _ in range(200):
        medians = {name: random.random() for name in "abcdefgh"[: random.integers(1, 9)]}
        ties = tie_groups(medians, [pair for pair in combinations(medians, 2) if random.random() < 0.5])
        bounds = [name for name in medians if random.random() < 0.3]
        first, highest = may_be_first(ties, bounds), max(medians, key=medians.__getitem__)
        assert {highest, *bounds} <= set(first) and len(first) == len(set(first))
        for group in ties:  # in the order of the medians, as far as the groups tell it
            both = [name for name in group if name in first]
            assert [name for name in first if name in both] == both


def test_two_share_a_letter_exactly_when_they_do_not_differ():
    random = np.random.default_rng(4)
    for _ in range(200):
        names = "abcdefgh"[: random.integers(1, 9)]
        different = {pair for pair in combinations(names, 2) if random.random() < 0.5}
        shown = letters(tie_groups({name: random.random() for name in names}, different))
        assert set(shown) == set(names)
        assert {(a, b) for a, b in combinations(names, 2) if not set(shown[a]) & set(shown[b])} == different


def test_letters_do_not_run_out():
    shown = letters([[str(i)] for i in range(30)])
    assert len(set(shown.values())) == 30


# --- the instrument against itself

SAME = Ratio(1.0, Interval(0.98, 1.02), 0.8, 6, 2 / 64)


@pytest.mark.parametrize(("alarms", "ok"), [(0, True), (1, True), (3, True), (4, False), (20, False)])
def test_four_of_twenty_tries_condemn_an_instrument(alarms, ok):
    passed, sentence = verdict([FASTER] * alarms + [SAME] * (20 - alarms))
    assert passed is ok and sentence.startswith(f"{alarms} of 20 tries ")


@pytest.mark.parametrize(
    ("tries", "rounds", "limit"), [(20, 6, 4), (20, 10, 4), (40, 6, 5), (100, 6, 8), (100, 10, 11)]
)
def test_the_limit_is_the_smallest_that_a_sound_instrument_reaches_in_at_most_two_percent(tries, rounds, limit):
    share = false_alarms(rounds)
    assert too_many_alarms(tries, share) == limit
    assert chance_of(limit, tries, share) <= CONDEMNED < chance_of(limit - 1, tries, share)


def test_a_verdict_tells_how_often_chance_alone_does_that():
    rate = 2 / 64
    assert chance_of(2, 20, false_alarms(6)) == pytest.approx(1 - (1 - rate) ** 20 - 20 * rate * (1 - rate) ** 19)
    assert verdict([FASTER] * 2 + [SAME] * 18)[1] == (
        "2 of 20 tries of the same against itself showed a difference; an instrument without fault shows 2 or more in "
        "13 % of such runs; 4 or more (0.3 %) condemn it"
    )
    assert verdict([SAME] * 20)[1] == (
        "0 of 20 tries of the same against itself showed a difference; 4 or more (0.3 %) condemn it"
    )
    assert "shows 20 or more in less than 0.1 % of such runs" in verdict([FASTER] * 20)[1]


def test_fewer_than_twenty_tries_allow_no_verdict():
    assert verdict([SAME] * 19) == (None, "19 valid tries are too few for a verdict.")


def test_tries_that_cannot_show_a_difference_do_not_count():
    assert verdict([SAME] * 19 + [replace(SAME, interval=None)]) == verdict([SAME] * 19)


def test_false_alarms_are_at_most_one_in_twenty_by_construction():
    assert false_alarms(5) == 0
    assert all(0.03 < false_alarms(rounds) <= ALPHA for rounds in range(6, 30))
