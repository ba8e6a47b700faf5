"""What a load before one server gave: why it says nothing, and its numbers by the names of engine/metrics.py. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from loadtest.clients.client_side import ROUNDING, ClientSide, Distribution, distribution, merged
from loadtest.contestants.contestants import Contestant
from loadtest.engine.run import Part, Result
from loadtest.statistics import queueing
from loadtest.statistics.queueing import Stream
from loadtest.verbs.load.results import tail
from loadtest.verbs.load.rounds import middle_of
from loadtest.verbs.schedulers.calibration import Calibration, Mix, Size
from loadtest.verbs.schedulers.plan import SchedulerSettings, SchedulerStep

SHORT, LONG = SIZES = ("short", "long")
SHARES = {"p50": 0.5, "p99": 0.99}
# Of a CPU. What arrives is random: in 4 s its work differs from what was planned by more than this in one round of
# 10,000. What servers need beside their handlers differs by less.
FAR, OFF = 0.15, 0.1
LONGER = 1.25  # times the load, that the server may work on what came in it


@dataclass(kw_only=True)
class Scheduled(Result):
    """Of a calibration, or of a load. Times are in seconds, latencies in microseconds."""

    step: SchedulerStep
    calibration: Calibration  # its own; of a load the one that said what is asked for
    mix: Mix  # that follows from it
    short: ClientSide | None = None  # None: a calibration
    long: ClientSide | None = None
    server_cpu_seconds: float = 0.0  # of the whole load, from before it to its last answer

    def client(self, size: str) -> ClientSide | None:
        return self.short if size == SHORT else self.long

    def planned(self, size: str) -> Size:
        return self.mix.short if size == SHORT else self.mix.long

    def count(self, size: str) -> int:
        """Requests that were due."""
        client = self.client(size)
        return (client.asked or 0) if client else 0

    @property
    def sides(self) -> list[ClientSide]:
        return [one for one in (self.short, self.long) if one]

    @property
    def spoiled(self) -> bool:
        return self.disturbed or any(one.problems for one in self.sides)

    @property
    def asked(self) -> int:
        return sum(map(self.count, SIZES))

    @property
    def lost(self) -> int:
        """Requests that got no good answer."""
        return sum(sum(one.errors.values()) for one in self.sides)


def used(result: Scheduled, seconds: float) -> float:
    """The share of its CPU that the server worked, until the last answer to what came in so many seconds."""
    return result.server_cpu_seconds / max([seconds, *(one.seconds for one in result.sides)])


def streams(results: Sequence[Scheduled], seconds: float) -> tuple[Stream, Stream]:
    """What came in these loads of so many seconds each, as often as it did; and so long as the server's CPU time says:
    the calibrations' sizes, both longer or shorter by the same factor."""
    planned = sum(came(one, 1.0) for one in results)
    factor = sum(one.server_cpu_seconds for one in results) / planned if planned else 1.0
    short, long = (_stream(results, size, factor, seconds * len(results)) for size in SIZES)
    return short, long


def _stream(results: Sequence[Scheduled], size: str, factor: float, seconds: float) -> Stream:
    each = [(one.count(size), factor * one.planned(size).seconds) for one in results]
    count = sum(number for number, _ in each)
    moments = (sum(number * time**power for number, time in each) / max(count, 1) for power in (1, 2))
    return Stream(count / seconds, *moments)


def came(result: Scheduled, seconds: float) -> float:
    """The share of a CPU that those take who came, by the calibration."""
    return sum(result.count(size) * result.planned(size).seconds for size in SIZES) / seconds


def misfit(result: Scheduled, settings: SchedulerSettings) -> str:
    """Why the load was another one than everybody's; mostly "". Who lost requests has worked for fewer."""
    offered, worked = came(result, settings.duration), result.server_cpu_seconds / settings.duration
    longest = max(one.seconds for one in result.sides)
    if abs(offered - settings.load) > FAR:
        return f"what came takes {offered:.0%} of a CPU, and not about {settings.load:.0%}: the load was another one"
    if longest > LONGER * settings.duration and not result.lost:
        return (
            f"the last answer came after {longest:.1f} s of a load of {settings.duration} s: the server had too little "
            "CPU time for what came"
        )
    if worked - offered > OFF or (offered - worked > OFF and not result.lost):
        return (
            f"the server worked {worked:.0%} of the time, for what takes {offered:.0%} by the calibration: its "
            "requests took other times"
        )
    return ""


def values(result: Scheduled) -> dict[str, float | None]:
    """None of a calibration. A quantile may be a bound."""
    found: dict[str, float | None] = {}
    for size in SIZES if result.sides else ():
        client = result.client(size)
        latency = client.latency if client else None
        for name in ("p50", "p99", "mean"):
            found[f"{size} {name}"] = getattr(latency, name) / 1000 if latency else None
    if result.asked:
        found["unanswered"] = sum(one.censored for one in result.sides) / result.asked
    return found


def bounds(result: Scheduled) -> list[str]:
    """Quantiles of which nobody knows an upper limit, since something was not answered well."""
    found = []
    for size in SIZES:
        if client := result.client(size):
            asked = client.asked or 0
            least = {"p50": 0.5 * asked, "p99": 0.99 * asked, "mean": asked}
            found += [f"{size} {name}" for name, count in least.items() if client.good < count - ROUNDING]
    return found


# Seconds that a request of so many takes on average, where such streams come.
Theory = Callable[[Sequence[Stream], float], float]
THEORIES: dict[str, Theory] = {
    **dict.fromkeys(("fibers-fifo", "epoll", "threads-fifo"), queueing.in_order),
    **dict.fromkeys(("fibers-lifo", "threads-other"), queueing.shared),
}


@dataclass(frozen=True)
class Policy:
    """All rounds of one contestant."""

    settings: SchedulerSettings
    contestant: Contestant
    tried: Sequence[Scheduled]  # at least one

    @classmethod
    def of(cls, part: Part) -> list["Policy"]:
        """In the settings' order; what was tried at least once."""
        loads = {one.name: [each for each in part.of(one.name) if each.sides] for one in part.settings.contestants}
        return [cls(part.settings, part.settings.contestant(name), found) for name, found in loads.items() if found]

    @property
    def name(self) -> str:
        return self.contestant.name

    @cached_property
    def valid(self) -> list[Scheduled]:
        return [one for one in self.tried if not one.problems]

    @property
    def disturbed(self) -> int:
        """Valid rounds that other load disturbed, after their repeats still."""
        return sum(one.disturbed for one in self.valid)

    def by_round(self, metric: str) -> dict[int, float]:
        found = {one.step.round: values(one)[metric] for one in self.valid}
        return {number: value for number, value in found.items() if value is not None}

    def clients(self, size: str) -> list[ClientSide]:
        return [client for one in self.valid if (client := one.client(size))]

    def distribution(self, size: str) -> Distribution:
        """Of all requests of that size, of all valid rounds together."""
        return distribution(self.clients(size))

    @cached_property
    def lateness(self) -> Distribution:
        """Of the client itself."""
        return Distribution(merged(one.lateness for one in self.clients(SHORT)))

    def tail(self, size: str, shares: Iterable[float]) -> dict[float, float | None]:
        """Milliseconds that such shares of the requests of that size took at most."""
        return tail(self.distribution(size), self.lateness, shares)

    def milliseconds(self, size: str, name: str) -> float | None:
        """At that quantile. None where the client itself was late, and where fewer than ten requests are slower."""
        return self.tail(size, [SHARES[name]]).get(SHARES[name])

    def is_bound(self, size: str, name: str) -> bool:
        return self.distribution(size).is_bound(SHARES[name])

    @property
    def asked(self) -> int:
        return sum(one.asked for one in self.valid)

    @property
    def lost(self) -> int:
        return sum(one.lost for one in self.valid)

    @property
    def used(self) -> float | None:
        """The share of its CPU, in the median of the rounds."""
        return middle_of([used(one, self.settings.duration) for one in self.valid])

    @property
    def theory(self) -> Theory | None:
        """What queueing theory says of its short requests; None: nothing."""
        if self.name == "threads-rr" and self.settings.turn:
            is_cut = self.settings.turn < 1000 * self.settings.long  # a long request takes several turns
            return queueing.shared if is_cut else queueing.in_order
        return THEORIES.get(self.name)

    @cached_property
    def streams(self) -> tuple[Stream, Stream]:
        """Of all valid rounds together."""
        return streams(self.valid, self.settings.duration)

    @property
    def expected(self) -> float | None:
        """Milliseconds that a short request takes on average, by theory, with what came."""
        return 1000 * self.theory(self.streams, self.streams[0].mean) if self.theory and self.valid else None

    def mean(self, size: str) -> float | None:
        """Milliseconds, of all valid rounds together."""
        found = self.distribution(size)
        return found.mean / 1000 if found.count else None
