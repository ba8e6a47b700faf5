"""What a load generator saw, as data. Times are in seconds, latencies in microseconds."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
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


def quantiles(histogram: Histogram, censored: int = 0, patience: float = 0.0) -> Quantiles | None:
    """By nearest rank: the smallest value that such a share of all do not exceed. `patience`, in seconds, is what the
    censored waited for at least. None of nothing."""
    answered, times = sum(histogram.values()), sorted(histogram)
    count, bound = answered + censored, max([patience * 1e9, *times[-1:]])
    if not count:
        return None
    ranks = list(accumulate(histogram[time] for time in times))
    mean = (sum(time * number for time, number in histogram.items()) + censored * patience * 1e9) / count
    values = [*times, bound]  # the last one is of the censored
    p50, p90, p99, p999 = (values[bisect_left(ranks, share * count - ROUNDING)] / 1e3 for share in SHARES.values())
    return Quantiles(count, mean / 1e3, p50, p90, p99, p999, (bound if censored else times[-1]) / 1e3, censored)


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


def pooled(sides: list[ClientSide]) -> Quantiles | None:
    """Over all requests of all of them: a stall in one round stays what it was. Where some are censored, the least
    patience of their clients is what all of them waited at least. None of nothing."""
    together = merged(one.latencies for one in sides)
    patience = min((one.patience for one in sides if one.censored), default=0.0)
    return quantiles(together, sum(one.censored for one in sides), patience)
