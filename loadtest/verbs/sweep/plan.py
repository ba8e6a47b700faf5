"""What a rate sweep is asked: for each cell the highest rate at which an objective is met. A step is one cell in one
round: a whole search, against a server of its own."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from loadtest.clients.client_side import SHARES
from loadtest.engine.run import Labels
from loadtest.verbs.load import plan
from loadtest.verbs.load.plan import Cell, Gate, Settings, TrialStep

ROUNDS, DURATION = 8, "1s"  # by default; of each probe. Eight rounds can tell four others from one
HIGHEST = 1e6  # requests a second, beyond every client here
APART = 1.05  # each rate is so many times the one below it
BEYOND = 10  # requests that must be slower than a quantile, or it says nothing
ENOUGH = 25  # that should be: a burst of arrivals, or a stall of the machine, makes several requests slow at once
LONGER = 4  # seconds by which a probe may be longer, at rates too low for so many requests
# A queue that grows through a probe is as long as the overload is large: by 5 % of a second after a second. So a probe
# that is shorter than that many limits would take an overloaded server for one that meets them.
LIMITS = 20
USUAL_PROBES = 13, 3  # of the first search, and of a later one


@dataclass(frozen=True)
class SweepSettings(Settings):
    """`gates` has one, the objective; `duration` is a probe's."""

    @property
    def objective(self) -> Gate:
        return self.gates[0]

    @property
    def objective_name(self) -> str:
        return self.objective.quantile.replace("p999", "p99.9")

    @property
    def limit(self) -> float:
        """Of the objective, in seconds."""
        return self.objective.milliseconds / 1000

    @property
    def offered(self) -> list[float]:
        """Requests a second, whole ones: the rates that can be the answer, rising. The lowest is what the longest probe
        takes for a quantile."""
        lowest = self._requests(BEYOND) / (self.duration + LONGER)
        count = math.ceil(math.log(HIGHEST / lowest, APART))
        rounded = (float(max(1, round(lowest * APART**number))) for number in range(count + 1))
        return list(dict.fromkeys(rounded))

    def seconds(self, rate: float) -> int:
        """Of a probe."""
        return min(max(self.duration, math.ceil(self._requests(ENOUGH) / rate)), self.duration + LONGER)

    def _requests(self, beyond: int) -> int:
        """Of which so many are slower than the quantile."""
        return round(beyond / (1 - SHARES[self.objective.quantile]))


@dataclass(frozen=True)
class SweepStep:
    round: int  # from 1
    cell: Cell

    @property
    def contestant(self) -> str:
        return self.cell.contestant

    @property
    def what(self) -> str:
        return f"highest rate, {self.cell.load}"


@dataclass(frozen=True)
class Search:
    """What the clients' side is told."""

    step: SweepStep
    near: float | None = None  # where earlier rounds found the rate; None: there were none


def steps(settings: SweepSettings) -> Iterator[SweepStep]:
    """In the order of trials."""
    yield from (SweepStep(one.round, one.cell) for one in plan.steps(settings))


def seconds(settings: SweepSettings, step: SweepStep) -> float:
    """Start, as many probes as a search mostly takes, each with its start and the answers still due, and drain."""
    return USUAL_PROBES[step.round > 1] * (settings.duration + 0.2) + 0.5


def labels(settings: SweepSettings, step: SweepStep) -> Labels:
    """A rate at which another objective is met is no rate to compare with."""
    objective = f"{settings.objective_name} < {settings.objective.milliseconds:g} ms"
    return replace(plan.labels(settings, TrialStep(step.round, step.cell)), objective=objective)


def checked(settings: SweepSettings) -> SweepSettings:
    """The same. Raises ValueError for what cannot be found out."""
    if len(settings.gates) != 1:
        raise ValueError("--sweep takes exactly one objective, such as --slo p99=5ms")
    if settings.objective.quantile not in SHARES:
        raise ValueError(
            f"--sweep takes a quantile as its objective, such as --slo p99=5ms, and no {settings.objective.quantile}"
        )
    if settings.duration < LIMITS * settings.limit:
        least = math.ceil(LIMITS * settings.limit)
        raise ValueError(
            f"--sweep: {settings.objective.milliseconds:g} ms take probes of {least} s, in which the queue of an "
            f"overloaded server shows; add -d {least}s"
        )
    return settings
