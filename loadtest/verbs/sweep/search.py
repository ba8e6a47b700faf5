"""The highest rate that is met, from few noisy probes: probabilistic bisection. Pure.

A probe may err: a server that meets a rate can miss it in a bad second. So no answer is final. There is a belief in
each possible limit; a probe at the rate that halves it makes all limits that agree with the answer likelier. Bisection
is the case without doubt. (M. Horstein, Sequential transmission using noiseless feedback, 1963; R. Waeber, P. I.
Frazier, S. G. Henderson, Bisection search with noisy responses, 2013.)

The first search knows nothing and takes many probes. Each later one begins near the answers before it, and takes few: a
machine drifts, and many coarse answers over minutes tell more of it than one fine answer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate
from random import Random
from statistics import median_high
from typing import NamedTuple, Protocol, TypeVar


class Effort(NamedTuple):
    sure: float  # the share of the belief that lies between the bounds when the search ends
    close: int  # rates between which the bounds lie then
    most: int  # probes


FIRST, LATER = Effort(sure=0.95, close=2, most=22), Effort(sure=0.7, close=4, most=8)
LAST = 3  # answers near which the next search begins
NEAR, LIKELY = 1.42, 0.8  # the next answer is within NEAR times those before it, with the probability LIKELY


class Verdict(str, Enum):
    met = "met"
    missed = "missed"
    overloaded = "overloaded"  # missed, by far
    client = "client"  # the client could not ask so fast: a bound of the search, and none of the server
    disturbed = "disturbed"  # not met, while other load took CPU time: nobody knows whose fault it is


# How often the other answer would be right. Half of all would be no information: a disturbed probe counts for less, so
# that the search asks again near it. A bad second spoils a probe more easily than a good one makes up for a queue.
DOUBT = {
    Verdict.met: 0.07,
    Verdict.missed: 0.15,
    Verdict.overloaded: 0.02,
    Verdict.client: 0.15,
    Verdict.disturbed: 0.35,
}
AGAIN = 2  # times that a disturbed probe is repeated before it is believed at all: other load comes in bursts


SERVERS = (Verdict.missed, Verdict.overloaded)  # what the server has failed in
TELLING = (Verdict.met, *SERVERS)  # of the server


class Judged(Protocol):
    @property
    def rate(self) -> float:
        ...

    @property
    def verdict(self) -> Verdict:
        ...


Probe = TypeVar("Probe", bound=Judged)


class Belief:
    """In how many of the rates are met: the lowest ones, from none to all. Without `near`, or with no rate that
    is, all numbers are equally likely."""

    def __init__(self, rates: Sequence[float], near: float | None = None) -> None:
        self.rates = rates  # that can be asked for, rising
        limits = [0.0, *rates]
        inside = [near is None or near / NEAR <= limit <= near * NEAR for limit in limits]
        count = sum(inside)
        weights = [LIKELY / count if one else (1 - LIKELY) / (len(limits) - count) for one in inside] if count else []
        self.shares = _normal(weights or [1.0] * len(limits))  # by that number; their sum is 1

    def within(self, share: float) -> int:
        """As many or fewer are met, with that probability."""
        return next(number for number, total in enumerate(accumulate(self.shares)) if total >= share - 1e-12)

    def settled(self, effort: Effort) -> bool:
        low, high = self.within((1 - effort.sure) / 2), self.within((1 + effort.sure) / 2)
        return high - low <= effort.close

    def halving(self) -> int:
        """The rate, by its index, that is met as likely as not."""
        missed = list(accumulate(self.shares))[: len(self.rates)]
        return min(range(len(missed)), key=lambda index: abs(missed[index] - 0.5))

    def learn(self, index: int, met: bool, doubt: float) -> None:
        """What a probe at that rate says."""
        likely = (1 - doubt if (number > index) == met else doubt for number in range(len(self.shares)))
        self.shares = _normal([share * one for share, one in zip(self.shares, likely, strict=True)])


def _normal(weights: Sequence[float]) -> list[float]:
    whole = sum(weights)
    return [weight / whole for weight in weights]


@dataclass
class Found:
    """Of one search."""

    rate: float | None  # requests a second, up to which the objective is met; 0: at no rate; None: no probe says
    at_least: bool  # the client could not ask for more


def find(rates: Sequence[float], ask: Callable[[float], Probe], near: float | None = None) -> tuple[Found, list[Probe]]:
    """`near` is where earlier searches found it; None: there were none."""
    belief, probes, disturbed = Belief(rates, near), list[Probe](), 0
    effort = FIRST if near is None else LATER
    while not belief.settled(effort) and len(probes) < effort.most:
        index = belief.halving()
        probe = ask(rates[index])
        probes.append(probe)
        verdict = _believed(probe, probes)
        disturbed = disturbed + 1 if verdict == Verdict.disturbed else 0
        if disturbed % (AGAIN + 1) == 0:
            belief.learn(index, verdict == Verdict.met, DOUBT[verdict])
    return _found(belief, probes), probes


def beside(rates: Sequence[float], apart: float, random: Random) -> float | None:
    """Near the last answers, moved by up to one step of the rates: else every search would ask at the same rates, and
    err alike. None: there are no answers yet."""
    return median_high(rates[-LAST:]) * apart ** random.uniform(-1, 1) if rates else None


def _believed(probe: Judged, probes: Sequence[Judged]) -> Verdict:
    """A client that has asked as fast or faster before was late by chance, and the machine is to blame."""
    could = any(one.verdict in TELLING and one.rate >= probe.rate for one in probes)
    return Verdict.disturbed if probe.verdict == Verdict.client and could else probe.verdict


def _found(belief: Belief, probes: Sequence[Judged]) -> Found:
    """What lies above a bound nobody has seen: it is the highest rate that was met."""
    likely = belief.within(0.5)
    rate = belief.rates[likely - 1] if likely else 0.0
    telling = [probe for probe in probes if probe.verdict in TELLING]
    met = majority(telling, True)
    if likely == len(belief.rates) or _held_up(probes, rate):
        return Found(max((one for one in met if one <= rate), default=None), True)
    if not met and any(probe.rate <= belief.rates[FIRST.close] for probe in telling):
        return Found(0.0, False)
    return Found(rate if telling else None, False)


def _held_up(probes: Sequence[Judged], rate: float) -> bool:
    """Above that rate it was the client that failed, and never the server."""
    above = [probe.verdict for probe in probes if probe.rate > rate]
    return Verdict.client in above and not any(verdict in TELLING for verdict in above)


def majority(probes: Sequence[Judged], met: bool) -> list[float]:
    """The rates at which most probes were met, or were not, rising. A draw is on the side of met."""
    votes: dict[float, int] = {}
    for probe in probes:
        votes[probe.rate] = votes.get(probe.rate, 0) + (1 if probe.verdict == Verdict.met else -1)
    return sorted(rate for rate, balance in votes.items() if (balance >= 0) == met)
