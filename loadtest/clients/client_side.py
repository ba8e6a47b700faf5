"""What a load generator saw, as data. Times are in seconds, latencies in microseconds."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate

# How many requests took so many nanoseconds. Those of quartet-pace have three digits, the others are nought.
Histogram = dict[int, int]


@dataclass
class Quantiles:
    """Of requests. One that was never answered, or after the client's patience (wrk), took longer than that: it stands
    in `count` and in `censored`, and is taken to have lasted as long as that. So a quantile that lies among those is a
    lower bound, and with any of them the mean and the maximum are, too."""

    count: int
    mean: float
    p50: float
    p90: float
    p99: float
    p999: float
    max: float
    censored: int = 0

    def is_bound(self, name: str) -> bool:
        """The value of that name is only what it took at least."""
        share = SHARES.get(name)
        answered = self.count - self.censored
        return self.censored > 0 if share is None else share * self.count > answered + ROUNDING


SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
ROUNDING = 1e-9  # 0.999 x 1000 is 999.0000000000001 in binary: a rank must not depend on that


@dataclass(frozen=True)
class Distribution:
    """Of how long requests took. The censored waited for `patience`, in seconds, at least."""

    histogram: Histogram
    censored: int = 0
    patience: float = 0.0

    @cached_property
    def times(self) -> list[int]:
        return sorted(self.histogram)

    @cached_property
    def ranks(self) -> list[int]:
        """Of each time: so many requests took no longer."""
        return list(accumulate(self.histogram[time] for time in self.times))

    @property
    def answered(self) -> int:
        return self.ranks[-1] if self.ranks else 0

    @property
    def count(self) -> int:
        return self.answered + self.censored

    def at(self, share: float) -> float:
        """Microseconds, by nearest rank: the smallest value that such a share of all do not exceed; 1 is the maximum.
        Raises IndexError when there are no requests."""
        rank = bisect_left(self.ranks, share * self.count - ROUNDING)
        if rank < len(self.times) or not self.censored:
            return self.times[rank] / 1e3
        return max([self.patience * 1e6, *(time / 1e3 for time in self.times[-1:])])

    def is_bound(self, share: float) -> bool:
        """It is only what that share took at least."""
        return share * self.count > self.answered + ROUNDING

    @property
    def mean(self) -> float:
        """Microseconds."""
        answered = sum(time * number for time, number in self.histogram.items())
        return (answered + self.censored * self.patience * 1e9) / self.count / 1e3


def quantiles(histogram: Histogram, censored: int = 0, patience: float = 0.0) -> Quantiles | None:
    """None of nothing."""
    return _quantiles(Distribution(histogram, censored, patience))


def _quantiles(all_of_them: Distribution) -> Quantiles | None:
    if not all_of_them.count:
        return None
    p50, p90, p99, p999, longest = map(all_of_them.at, [*SHARES.values(), 1.0])
    return Quantiles(all_of_them.count, all_of_them.mean, p50, p90, p99, p999, longest, all_of_them.censored)


@dataclass
class ClientSide:
    """What the load generator saw."""

    command: str
    seconds: float
    requests: int  # answered, well or badly
    good: int  # answered with what was asked for
    bytes: int
    errors: dict[str, int]
    latency: Quantiles | None  # closed loop: from the send; constant rate: from when the request was due
    cpu_seconds: float
    connections: int  # that it really had
    service: Quantiles | None = None  # constant rate: from the send
    latency_problem: str = ""  # why there is none
    problems: list[str] = field(default_factory=list)  # its own: the run says nothing about the server
    asked: int | None = None  # requests that were due; None: a closed loop asks for as many as are answered
    in_time: int | None = None  # of these, answered before the schedule was over
    latencies: Histogram = field(default_factory=dict)  # what `latency` is of, without the censored
    censored: int = 0  # requests never answered, or after the patience (wrk): the server's loss, not the instrument's
    patience: float = 0.0  # seconds that those waited at least
    lateness: Histogram = field(default_factory=dict)  # constant rate: of the client itself, by request, from due on


@dataclass
class Newcomers:
    """Fresh connections beside a load, each with as much time as any other before the load ends."""

    outcomes: dict[str, int]
    waits: Quantiles | None  # of those who were answered, from the moment each was due; None: nobody was

    @property
    def asked(self) -> int:
        return sum(self.outcomes.values())

    @property
    def served(self) -> int:
        return self.outcomes.get("ok", 0)


def merged(histograms: Iterable[Histogram]) -> Histogram:
    together: Histogram = {}
    for one in histograms:
        for time, number in one.items():
            together[time] = together.get(time, 0) + number
    return together


def distribution(sides: list[ClientSide]) -> Distribution:
    """Over all requests of all of them: a stall in one round stays what it was. Where some are censored, the least
    patience of their clients is what all of them waited at least."""
    patience = min((one.patience for one in sides if one.censored), default=0.0)
    return Distribution(merged(one.latencies for one in sides), sum(one.censored for one in sides), patience)


def pooled(sides: list[ClientSide]) -> Quantiles | None:
    """The same. None of nothing."""
    return _quantiles(distribution(sides))
