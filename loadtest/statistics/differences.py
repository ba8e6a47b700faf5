"""Is one faster than the other, by how much, and what could these rounds have shown at all? Pure.

All tests and intervals here assume no distribution: they count in how many of all ways to exchange the labels "a" and
"b" the difference would be as large. The count is exact up to EXACT_PAIRS rounds, or EXACT_SERIES values of two series;
beyond, the normal distribution takes its place. They work on logarithms, so that a ratio and its inverse are treated
alike, and on ranks, so that one wild round cannot decide.
"""

import itertools
import math
import string
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from graphlib import TopologicalSorter
from statistics import NormalDist, median
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from loadtest.statistics.stats import CONFIDENCE, Interval

ALPHA = 0.05  # the share of equal pairs that may be called different
EXACT_PAIRS = 400  # rounds: more would take longer than half a second (it grows with their third power)
EXACT_SERIES = 120  # values of two series together: the same (it grows with their fourth power; 480 take 105 s)
DIGITS = 12  # of logarithms: what differs by less differs by the arithmetic alone
CONDEMNED = 0.02  # the share of sound instruments that a verdict may condemn
LEAST_ROUNDS = 6  # fewer cannot reach ALPHA in any test here on interleaved rounds: 2 / 2^5 > 5 %
AT_DIFFERENT_TIMES = (
    "The two were measured one after the other, not interleaved: a change can also be the machine's, which may have "
    "drifted in between (heat, neighbours, updates). Only interleaved rounds in one run can tell."
)

Key = TypeVar("Key", bound=Hashable)
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Ratio:
    """a / b, with what it takes to believe it. Fewer than six rounds have no interval, and are called indicative."""

    ratio: float
    interval: Interval | None  # covers the ratio at 95 %
    p: float  # how often equals would seem to differ as much
    rounds: int  # of the one that has fewer
    least_p: float  # that so many rounds can give

    def different(self, adjusted_p: float | None = None) -> bool:
        """By a p-value that was adjusted for the other comparisons of its table (`holm`), or taken alone."""
        p = self.p if adjusted_p is None else adjusted_p
        return self.interval is not None and p <= ALPHA and not self.interval.low <= 1 <= self.interval.high


def paired(a: Mapping[int, float], b: Mapping[int, float]) -> Ratio:
    """a / b of interleaved rounds, by round, of the rounds that both have: what disturbs a round disturbs both.

    Wilcoxon's signed-rank test with its distribution over all 2^n flips of the signs (equal absolute values
    share their ranks; rounds without a difference keep their rank and count for neither: Pratt 1959), the interval that
    inverts it (Walsh averages: Tukey 1949; Hollander, Wolfe, Chicken, Nonparametric Statistical Methods, 3.3), and the
    estimate that belongs to both: the median of the means of all pairs of rounds (Hodges, Lehmann 1963).
    What makes a flip fair is the random order inside each round, not the noise: the noise may have heavy tails, and
    drift from round to round. The interval also assumes that the ratio is the same in every round.

    Raises ValueError when no round is common, or a value is not above 0.
    """
    rounds = sorted(a.keys() & b.keys())
    if not rounds:
        raise ValueError("there is no round that both have")
    x, y = (_logarithms([one[number] for number in rounds]) for one in (a, b))
    changes = (x - y).round(DIGITS)
    i, j = np.triu_indices(len(rounds))
    walsh = np.sort((changes[i] + changes[j]) / 2)
    weights, voting = _doubled_ranks(np.abs(changes)), changes != 0
    p = _p_of_flips(weights[voting], int(weights[voting & (changes > 0)].sum()))
    return _ratio(walsh, _outside(len(rounds)), p, len(rounds), least_p(len(rounds)))


def unpaired(a: Sequence[float], b: Sequence[float], comparisons: int = 1) -> Ratio:
    """a / b of two series that were not interleaved; a report says AT_DIFFERENT_TIMES beside it.

    Wilcoxon's rank-sum test (Mann, Whitney) with its distribution over all ways to deal the values out, its
    interval, and the median of all quotients (Hodges, Lehmann 1963). It assumes that the order of the values says
    nothing; a machine that drifts between the series breaks that, and no arithmetic can mend it.
    The interval is wide enough to hold in all of so many comparisons at once (Bonferroni); p is of this one alone.

    Raises ValueError when a value is not above 0.
    """
    x, y = _logarithms(a), _logarithms(b)
    quotients = np.sort(np.subtract.outer(x, y).ravel())
    ranks, rounds = _doubled_ranks(np.concatenate([x, y]).round(DIGITS)), min(len(x), len(y))
    p = _p_of_deals(ranks, len(x), int(ranks[: len(x)].sum()))
    outside = _outside(len(x), len(y), comparisons) if rounds >= LEAST_ROUNDS else 0
    return _ratio(quotients, outside, p, rounds, least_p_of_series(len(x), len(y)))


def _logarithms(values: Sequence[float]) -> Floats:
    if wrong := [value for value in values if not 0 < value < math.inf]:
        raise ValueError(f"a ratio takes values above 0, not {wrong[0]}")
    return np.array([math.log(value) for value in values])


def _ratio(ordered: Floats, outside: int, p: float, rounds: int, least: float) -> Ratio:
    """The interval leaves `outside` - 1 of the ordered logarithms out at each end; 0: there is none."""
    interval = Interval(math.exp(ordered[outside - 1]), math.exp(ordered[-outside])) if outside else None
    return Ratio(math.exp(np.median(ordered)), interval, p, rounds, least)


def _p_of_flips(weights: Integers, seen: int) -> float:
    """Of the doubled ranks that have a sign, and the sum of those above 0."""
    if len(weights) <= EXACT_PAIRS:
        return _two_sided(_sums_of_any(weights), seen)
    spread = math.sqrt((weights.astype(float) ** 2).sum()) / 2
    return _by_normal(seen - float(weights.sum()) / 2, spread, int(np.gcd.reduce(weights)))


def _p_of_deals(ranks: Integers, count: int, seen: int) -> float:
    """Of all doubled ranks, and the sum of those that the first series, of `count`, was dealt."""
    if len(ranks) <= EXACT_SERIES:
        return _two_sided(_sums_of_some(ranks, count), seen)
    spread = math.sqrt(count * (len(ranks) - count) / (len(ranks) - 1)) * float(ranks.std())
    return _by_normal(seen - count * float(ranks.mean()), spread, int(np.gcd.reduce(ranks - ranks.min())))


def _by_normal(distance: float, spread: float, step: int) -> float:
    """p of a sum so far from its mean, two-sided. The spread is that of the ranks as they are: shared ranks spread
    less, and that is the correction for ties. The correction for continuity is half the step from one possible sum to
    the next: half a rank without ties, more when most values are equal. (E. L. Lehmann, Nonparametrics: Statistical
    Methods Based on Ranks, 1975, chapters 1 and 3.)"""
    far = max(abs(distance) - step / 2, 0.0)
    return math.erfc(far / spread / math.sqrt(2)) if spread > 0 else 1.0


def _two_sided(probabilities: Floats, seen: int) -> float:
    """Of a distribution over 0, 1, 2, ...: everything at least as far from its mean as what was seen."""
    sums = np.arange(len(probabilities))
    mean = probabilities @ sums
    far = np.abs(sums - mean) >= abs(seen - mean) - 1e-6  # sums are whole, and their mean a multiple of 1/2
    return min(float(probabilities[far].sum()), 1.0)


def _sums_of_any(weights: Integers) -> Floats:
    """How probable each sum is, when every weight is in it or not, as a coin decides."""
    sums = np.zeros(int(weights.sum()) + 1)
    sums[0] = 1
    for weight in weights:
        sums[weight:] += sums[:-weight].copy()
        sums /= 2
    return sums


def _sums_of_some(weights: Integers, count: int) -> Floats:
    """The same, when `count` of the weights are in it, each choice as probable as any other."""
    ways = np.zeros((count + 1, int(weights.sum()) + 1))
    ways[0, 0] = 1
    for weight in weights:
        ways[1:, weight:] += ways[:-1, :-weight].copy()
    return np.asarray(ways[count] / ways[count].sum())


def _doubled_ranks(values: Floats) -> Integers:
    """Twice the rank, from 1, so that the shared ranks of equal values are whole as well."""
    below, equal = values[:, None] > values, values[:, None] == values
    return np.asarray(2 * below.sum(axis=1) + equal.sum(axis=1) + 1)


@lru_cache
def _outside(rounds: int, of_the_other: int = 0, comparisons: int = 1) -> int:
    """As many ordered Walsh averages, or quotients of two series, have a bound among them, so that each end is wrong in
    2.5 % of so many comparisons at most; 0: too few rounds."""
    wrong = (1 - CONFIDENCE) / 2 / comparisons
    if of_the_other:
        if rounds + of_the_other > EXACT_SERIES:
            pairs = rounds * of_the_other
            return _below(pairs / 2, math.sqrt(pairs * (rounds + of_the_other + 1) / 12), wrong)
        probabilities = _sums_of_some(np.arange(1, rounds + of_the_other + 1), rounds)[rounds * (rounds + 1) // 2 :]
    else:
        if rounds > EXACT_PAIRS:
            pairs = rounds * (rounds + 1)
            return _below(pairs / 4, math.sqrt(pairs * (2 * rounds + 1) / 24), wrong)
        probabilities = _sums_of_any(np.arange(1, rounds + 1))
    return int((np.cumsum(probabilities) <= wrong).sum())


def _below(mean: float, spread: float, wrong: float) -> int:
    """How many of the whole numbers from 0 a normal variable stays at or below that rarely, with the correction for
    continuity."""
    return max(0, math.floor(mean - 0.5 + spread * NormalDist().inv_cdf(wrong)) + 1)


def holm(p_values: Mapping[Key, float]) -> dict[Key, float]:
    """Adjusted so that all of the table's claims together are wrong in at most ALPHA of all tables: compare each with
    ALPHA itself. (S. Holm, A simple sequentially rejective multiple test procedure, 1979.)"""
    ordered = sorted(p_values, key=lambda key: p_values[key])
    steps = (min(1.0, (len(ordered) - i) * p_values[key]) for i, key in enumerate(ordered))
    adjusted: dict[Key, float] = dict(zip(ordered, itertools.accumulate(steps, max)))
    return {key: adjusted[key] for key in p_values}


def least_p(rounds: int) -> float:
    """The smallest p-value there is: all rounds point the same way, one of 2^n flips, and its mirror image."""
    return float(2 / 2**rounds)


def least_p_of_series(a: int, b: int) -> float:
    """The same of two series of so many values: all of one lie above all of the other, one of all deals, or below."""
    return float(2 / math.comb(a + b, a))


def rounds_needed(comparisons: int) -> int:
    """With fewer, no difference however large can be told in a table of so many comparisons: Holm's first step asks
    for p <= ALPHA / comparisons."""
    return next(n for n in itertools.count(LEAST_ROUNDS) if least_p(n) * comparisons <= ALPHA)


def values_needed(a: int, b: int, comparisons: int) -> int:
    """The same of two series that have a and b values already: so many must each have at least."""
    lengths = ((n, max(n, a), max(n, b)) for n in itertools.count(LEAST_ROUNDS))
    return next(n for n, of_a, of_b in lengths if least_p_of_series(of_a, of_b) * comparisons <= ALPHA)


def family(ratios: Mapping[Key, Ratio]) -> list[Key]:
    """The comparisons of a table that Holm's correction is for: as many as can be, so that rounds are enough for each
    of them. One of fewer rounds could not be called different whatever it is, and would only use up the level of the
    others. To leave it out is fair, because the number of rounds alone decides, before any value is seen."""
    able = {key: ratio.least_p for key, ratio in ratios.items() if ratio.interval}
    sizes = {least: sum(one <= least for one in able.values()) for least in able.values()}
    limit = max((least for least, size in sizes.items() if least * size <= ALPHA), default=0.0)
    return [key for key, least in able.items() if least <= limit]


def against(values: Mapping[str, Mapping[int, float]], reference: str) -> dict[str, tuple[Ratio, float]]:
    """Of interleaved rounds, values by name and round: everybody's ratio to the reference, and its p by Holm's
    correction over these m - 1 comparisons only: they are planned, and nobody else is compared with anybody. Who has
    no round in common with the reference is left out. Raises KeyError for an unknown reference, ValueError for a value
    that is not above 0."""
    base = values[reference]
    both = {name: rounds for name, rounds in values.items() if name != reference and rounds.keys() & base.keys()}
    ratios = {name: paired(rounds, base) for name, rounds in both.items()}
    adjusted = holm({name: ratio.p for name, ratio in ratios.items()})
    return {name: (ratio, adjusted[name]) for name, ratio in ratios.items()}


def standing(values: Mapping[str, Mapping[int, float]], bounds: Collection[str] = ()) -> tuple[list[list[str]], str]:
    """Of everybody with everybody, from interleaved rounds, values by name and round: the groups of ties, in place of
    ranks, and why ties may be due to the number of rounds, mostly "".

    `bounds`: those whose values are only lower bounds. Two are told apart where the lower one is no bound: a bound may
    be above others, never below them, so that nobody below one can be the only first."""
    ratios = {(a, b): paired(values[a], values[b]) for a, b in itertools.combinations(values, 2)}
    adjusted = holm({pair: ratio.p for pair, ratio in ratios.items()})
    told = [(a, b) for (a, b), ratio in ratios.items() if (b if ratio.ratio > 1 else a) not in bounds]
    different = [pair for pair in told if ratios[pair].different(adjusted[pair])]
    medians = {name: median(rounds.values()) for name, rounds in values.items()}
    return tie_groups(medians, different), too_few_rounds([*ratios.values()])


def too_few_rounds(ratios: Sequence[Ratio]) -> str:
    """Why some ties of a table say nothing: so few rounds could hardly have called them different, however different
    they are. "" when rounds are not the reason."""
    adjusted = holm({i: ratio.p for i, ratio in enumerate(ratios)})
    ties = [ratio for i, ratio in enumerate(ratios) if not ratio.different(adjusted[i])]
    short = [ratio.rounds for ratio in ties if ratio.interval is None or ratio.least_p * len(ratios) > ALPHA]
    if not short:
        return ""
    table = "one comparison" if len(ratios) == 1 else f"a table of {len(ratios)} comparisons"
    return (
        f"{table} takes {rounds_needed(len(ratios))} rounds to call any two different at "
        f"{CONFIDENCE:.0%}; {len(short)} tie{'s' * (len(short) > 1)} of fewer ({min(short)}) may mean no more than that"
    )


def tie_groups(medians: Mapping[str, float], different: Iterable[tuple[str, str]]) -> list[list[str]]:
    """All largest sets in which nobody differs from anybody, the highest first; somebody between two groups is in both.

    Ties are not transitive: when a differs from c, but b from neither, the groups are [a, b] and [b, c]. So each pair
    that differs splits the groups that hold both, and what another group contains is left out. (H.-P. Piepho, An
    algorithm for a letter-based representation of all-pairwise comparisons, 2004.)
    """
    groups = {frozenset(medians)} if medians else set()
    for pair in different:
        parts = {group - {one} for group in groups for one in pair}
        groups = {part for part in parts if not any(part < other for other in parts)}
    highest_first = sorted(medians, key=medians.__getitem__, reverse=True)
    ordered = [[name for name in highest_first if name in group] for group in groups]
    return sorted(ordered, key=lambda group: [highest_first.index(name) for name in group])


def may_be_first(ties: Sequence[Sequence[str]], bounds: Collection[str]) -> list[str]:
    """Who may be the fastest, by everybody's tie groups, in the order of the medians: whoever is tied with the highest,
    and whoever has only a lower bound, because something else was the bottleneck: the truth may be anywhere above it,
    so that no value rules it out. Who is alone in the list is the fastest; of several, nobody may be called so.

    Whoever differs from the highest and is no bound is slower than it, even when the highest is a bound itself. Two
    that no group puts in order stand as the groups name them.
    """
    if not ties:
        return []
    order = TopologicalSorter[str](dict.fromkeys(itertools.chain.from_iterable(ties), ()))
    highest = list(dict.fromkeys(group[0] for group in ties))  # the groups stand in their order
    for chain in [*ties, highest]:
        for higher, lower in itertools.pairwise(chain):
            order.add(lower, higher)
    tied = {name for group in ties if ties[0][0] in group for name in group}
    return [name for name in order.static_order() if name in tied or name in bounds]


def letters(groups: Sequence[Sequence[str]]) -> dict[str, str]:
    """The compact letter display: a letter for each group, "ab" for who is in the first two."""
    found: dict[str, str] = {}
    for letter, group in zip(string.ascii_letters, groups):
        for name in group:
            found[name] = found.get(name, "") + letter
    return found


def detectable(ratio: Ratio) -> float | None:
    """The smallest change that so many rounds with this spread could have shown (0.02: 2 %): half the interval, on the
    logarithmic scale. None: no change, since they have no interval."""
    return math.sqrt(ratio.interval.high / ratio.interval.low) - 1 if ratio.interval else None


def describe(ratio: Ratio, adjusted_p: float | None = None, least: float | None = None) -> str:
    """ "+10.2 % [+8.1 to +12.0]", or that it is indicative, or the smallest change that would have been seen: `least`,
    or as if this were the only comparison."""
    change = f"{100 * (ratio.ratio - 1):+.1f} %"
    if ratio.interval is None:
        return f"{change}, indicative: {ratio.rounds} of {LEAST_ROUNDS} rounds that an interval takes"
    if not ratio.different(adjusted_p):
        seen = 100 * ((detectable(ratio) or 0.0) if least is None else least)
        return f"no difference seen (detectable >= {seen:.1f} %)"
    return f"{change} [{100 * (ratio.interval.low - 1):+.1f} to {100 * (ratio.interval.high - 1):+.1f}]"


def regressed(ratio: Ratio, adjusted_p: float, more_is_better: bool, margin: float = 0.0) -> bool:
    """new / old is different, and worse by more than the margin (0.02: 2 %) at the kind end of its interval."""
    if ratio.interval is None or not ratio.different(adjusted_p):
        return False
    return ratio.interval.high < 1 - margin if more_is_better else ratio.interval.low > 1 + margin


def verdict(ratios: Sequence[Ratio]) -> tuple[bool | None, str]:
    """Of interleaved tries of the same as a and as b, each of as many rounds: whether the instrument passes, and a
    sentence. Some tries show a difference where there is none, by construction: `false_alarms` of all. So an instrument
    is condemned by as many alarms as a sound one reaches in at most 2 % of such runs, and the sentence tells how many
    that is, and how likely those seen are. None: too few tries, without indicative ones, which never show a
    difference."""
    tries = [ratio for ratio in ratios if ratio.interval]
    if len(tries) < 20:
        return None, f"{len(tries)} valid tries are too few for a verdict."
    alarms, share = sum(ratio.different() for ratio in tries), false_alarms(tries[0].rounds)
    limit = too_many_alarms(len(tries), share)
    sentence = f"{alarms} of {len(tries)} tries of the same against itself showed a difference"
    if alarms:
        sentence += f"; an instrument without fault shows {alarms} or more in {_percent(alarms, len(tries), share)}"
        sentence += " of such runs"
    return alarms < limit, f"{sentence}; {limit} or more ({_percent(limit, len(tries), share)}) condemn it"


def _percent(alarms: int, tries: int, share: float) -> str:
    chance = 100 * chance_of(alarms, tries, share)
    return f"{chance:.0f} %" if chance >= 1 else f"{chance:.1f} %" if chance >= 0.1 else "less than 0.1 %"


def too_many_alarms(tries: int, share: float) -> int:
    """The smallest number that a sound instrument, which gives an alarm in that share of all tries, reaches in at most
    2 % of runs of so many tries."""
    return next(alarms for alarms in range(tries + 2) if chance_of(alarms, tries, share) <= CONDEMNED)


def chance_of(alarms: int, tries: int, share: float) -> float:
    """That so many tries, or more, show a difference, when that share of all does."""
    return sum(math.comb(tries, n) * share**n * (1 - share) ** (tries - n) for n in range(alarms, tries + 1))


def false_alarms(rounds: int) -> float:
    """The share of equal pairs that so many interleaved rounds call different: below 5 %, since rank sums are whole."""
    if rounds > EXACT_PAIRS:
        return 1 - CONFIDENCE
    return 2 * float(_sums_of_any(np.arange(1, rounds + 1))[: _outside(rounds)].sum())
