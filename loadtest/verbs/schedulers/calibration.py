"""How much CPU time a request takes here, and what is asked for so that all of them together take a given share of one
CPU. Pure; times are in seconds."""

from dataclasses import dataclass

from loadtest.statistics import queueing
from loadtest.statistics.queueing import Stream
from loadtest.system import MeasurementError


@dataclass(frozen=True)
class Probe:
    """Requests of one size, asked one after another."""

    units: int  # of /cpu
    requests: int
    cpu_seconds: float  # that the server took for all of them

    @property
    def each(self) -> float:
        return self.cpu_seconds / self.requests


@dataclass(frozen=True)
class Calibration:
    """A request takes so much, whatever it computes, and so much more for each unit: a line through two sizes, which
    are close to those that are asked for later."""

    small: Probe
    large: Probe

    @property
    def unit(self) -> float:
        return (self.large.each - self.small.each) / (self.large.units - self.small.units)

    @property
    def request(self) -> float:
        """One that computes nothing: its way through kernel and server."""
        return self.small.each - self.small.units * self.unit

    def seconds(self, units: int) -> float:
        return self.request + units * self.unit

    def units(self, seconds: float) -> int:
        """Whose requests take about so long; one at least."""
        return max(1, round((seconds - self.request) / self.unit))


def calibration(small: Probe, large: Probe) -> Calibration:
    """Raises MeasurementError when they do not tell what a unit takes."""
    if not small.requests or not large.requests:
        raise MeasurementError("not one request for /cpu was answered well while the server's CPU time was read")
    found = Calibration(small, large)
    if found.unit <= 0 or found.seconds(small.units) <= 0:
        raise MeasurementError(
            f"a request for {large.units} units took {large.each * 1000:.3f} ms of CPU time, and one for {small.units} "
            f"took {small.each * 1000:.3f} ms: that does not tell what a unit takes"
        )
    return found


@dataclass(frozen=True)
class Size:
    """Requests of one kind, as they are asked for."""

    units: int
    seconds: float  # of CPU time that each takes, as calibrated
    rate: float  # a second

    @property
    def stream(self) -> Stream:
        return Stream.constant(self.rate, self.seconds)


@dataclass(frozen=True)
class Mix:
    """Short requests beside long ones."""

    short: Size
    long: Size

    @property
    def streams(self) -> tuple[Stream, Stream]:
        return self.short.stream, self.long.stream

    @property
    def rate(self) -> float:
        """Of both."""
        return self.short.rate + self.long.rate

    @property
    def load(self) -> float:
        return queueing.load(self.streams)


def mix(found: Calibration, short: float, long: float, share_of_long: float, load: float) -> Mix:
    """Of requests that take about so many seconds; together they take that share of a CPU."""
    units = found.units(short), found.units(long)
    sizes, shares = [found.seconds(one) for one in units], (1 - share_of_long, share_of_long)
    rate = load / sum(share * size for share, size in zip(shares, sizes))
    return Mix(*(Size(one, size, share * rate) for one, size, share in zip(units, sizes, shares)))
