"""The highest rate that is met, from few noisy probes: probabilistic bisection. Pure.

A probe may err: a server that meets a rate can miss it in a bad second. So no answer is final. There is a belief in
each possible limit; a probe at the rate that halves it makes all limits that agree with the answer likelier. Bisection
is the case without doubt. (M. Horstein, Sequential transmission using noiseless feedback, 1963; R. Waeber, P. I.
Frazier, S. G. Henderson, Bisection search with noisy responses, 2013.)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import accumulate
from typing import Protocol, TypeVar

SURE = 0.95  # of the belief lies between the bounds when the search ends
CLOSE = 2  # rates between which the bounds lie then
MOST = 22  # probes


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


@dataclass
class Belief:
    """In how many of the rates are met: the lowest ones, from none to all."""

    rates: Sequence[float]  # that can be asked for, rising
    shares: list[float] = field(init=False)  # by that number; their sum is 1

    def __post_init__(self) -> None:
        count = len(self.rates) + 1
        self.shares = [1 / count] * count

    def within(self, share: float) -> int:
        """As many or fewer are met, with that probability."""
        return next(number for number, total in enumerate(accumulate(self.shares)) if total >= share - 1e-12)

    @property
    def bounds(self) -> tuple[int, int]:
        return self.within((1 - SURE) / 2), self.within((1 + SURE) / 2)

    @property
    def settled(self) -> bool:
        low, high = self.bounds
        return high - low <= CLOSE

    def halving(self) -> int:
        """The rate, by its index, that is met as likely as not."""
        missed = list(accumulate(self.shares))[: len(self.rates)]
        return min(range(len(missed)), key=lambda index: abs(missed[index] - 0.5))

    def learn(self, index: int, met: bool, doubt: float) -> None:
        """What a probe at that rate says."""
        likely = (1 - doubt if (number > index) == met else doubt for number in range(len(self.shares)))
        products = [share * one for share, one in zip(self.shares, likely, strict=True)]
        whole = sum(products)
        self.shares = [product / whole for product in products]


@dataclass
class Found:
    """Rates in requests a second. 0 stands for less than the lowest that was asked for."""

    rate: float | None  # the highest that was met; None: no probe says
    at_least: bool  # the client could not ask for more
    low: float  # between these it is, with the probability SURE
    high: float


def find(rates: Sequence[float], ask: Callable[[float], Probe]) -> tuple[Found, list[Probe]]:
    """With at most MOST probes."""
    belief, probes, disturbed = Belief(rates), list[Probe](), 0
    while not belief.settled and len(probes) < MOST:
        index = belief.halving()
        probe = ask(rates[index])
        probes.append(probe)
        verdict = _believed(probe, probes)
        disturbed = disturbed + 1 if verdict == Verdict.disturbed else 0
        if disturbed % (AGAIN + 1) == 0:
            belief.learn(index, verdict == Verdict.met, DOUBT[verdict])
    return _found(belief, probes), probes


def _believed(probe: Judged, probes: Sequence[Judged]) -> Verdict:
    """A client that has asked as fast or faster before was late by chance, and the machine is to blame."""
    could = any(one.verdict in TELLING and one.rate >= probe.rate for one in probes)
    return Verdict.disturbed if probe.verdict == Verdict.client and could else probe.verdict


def _found(belief: Belief, probes: Sequence[Judged]) -> Found:
    """The answer is a rate that was asked for and met: what the belief says of those between is a guess."""
    likely, (low, high), limits = belief.within(0.5), belief.bounds, [0.0, *belief.rates]
    telling = [probe for probe in probes if probe.verdict in TELLING]
    met = [rate for rate in majority(telling, True) if rate <= limits[likely]]
    rate = max(met, default=0.0)
    at_least = likely == len(belief.rates) or _held_up(probes, rate)
    tells = met or (low == 0 and not at_least and any(probe.verdict in SERVERS for probe in probes))
    return Found(rate if tells else None, at_least, limits[low], limits[high])


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
