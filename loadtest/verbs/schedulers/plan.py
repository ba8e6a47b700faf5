"""What the verb schedulers measures, as data: the same short and long requests before servers that decide in different
ways who is served next. A round begins with a calibration, which says what is asked for in it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from loadtest.clients.pace import EXECUTABLE
from loadtest.contestants.contestants import Contestant
from loadtest.engine.run import BaseSettings, Labels
from loadtest.system.cpus import CpuSets
from loadtest.verbs.load.plan import PACE, POISSON, order
from loadtest.verbs.schedulers.calibration import Calibration, Mix, Probe, mix

ROUNDS = 10  # the fewest that tell seven others from one, by short and by long requests: 14 comparisons


def _fibers(policy: str) -> Contestant:
    arguments = ("--workers", "1", "--scheduler", policy)
    return Contestant(f"fibers-{policy}", "quartet-fibers", arguments, model="fibers")


def _threads(policy: str) -> Contestant:
    return Contestant(f"threads-{policy}", "quartet-threads", model="threads")


CONTESTANTS = (
    *map(_fibers, ("fifo", "lifo", "mlfq", "edf")),
    Contestant("epoll", "quartet-epoll"),
    *map(_threads, ("other", "fifo", "rr")),
)
REFERENCE = "fibers-fifo"  # no policy at all: in the order of arrival, to the end
# What starts a server whose threads the kernel schedules in another way than usual: at the lowest of these priorities.
KERNEL = {"threads-fifo": ("chrt", "--fifo", "1"), "threads-rr": ("chrt", "--rr", "1")}
KERNEL_NAMES = {"threads-other": "SCHED_OTHER", "threads-fifo": "SCHED_FIFO", "threads-rr": "SCHED_RR"}
TURN = Path("/proc/sys/kernel/sched_rr_timeslice_ms")
# Of the calibration: units near those of the requests to come, and for how long they are asked for.
PROBES, WARM_UP = {10: 0.4, 600: 0.8}, 0.1  # seconds
USUAL_UNIT = 15e-6  # seconds of CPU time, as a dry run supposes: nothing is measured there


@dataclass(frozen=True)
class SchedulerSettings(BaseSettings):
    cpus: CpuSets
    rounds: int = ROUNDS
    duration: int = 4  # seconds of each load
    seed: int = 1
    load: float = 0.7  # the share of its CPU that the server should work
    short: float = 0.0002  # seconds of CPU time
    long: float = 0.01
    share_of_long: float = 0.05  # of all requests
    short_deadline: int = 5  # milliseconds from arrival on, which only edf looks at
    long_deadline: int = 100
    connections: int = 128  # of the short requests, and as many of the long ones
    patience: float = 5.0  # seconds for an answer
    runner: str = "local"
    pace: str = EXECUTABLE  # where it is
    absent: dict[str, str] = field(default_factory=dict)  # contestants that cannot be had here, and why
    turn: int | None = None  # milliseconds that SCHED_RR gives a thread; None: the kernel does not tell

    @property
    def all_connections(self) -> int:
        return 2 * self.connections

    def mix(self, found: Calibration) -> Mix:
        return mix(found, self.short, self.long, self.share_of_long, self.load)

    @property
    def supposed(self) -> Mix:
        """Before anything is measured."""
        small, large = (Probe(units, 1, units * USUAL_UNIT) for units in PROBES)
        return self.mix(Calibration(small, large))


@dataclass(frozen=True)
class SchedulerStep:
    round: int  # from 1
    contestant: str
    calibrates: bool = False

    @property
    def what(self) -> str:
        return "what a request takes" if self.calibrates else "short requests beside long ones"


def steps(settings: SchedulerSettings) -> Iterator[SchedulerStep]:
    """Round by round, each in an order of its own. All of a round are asked for the same, which the first of all
    contestants says."""
    names = [one.name for one in settings.contestants]
    for number, row in enumerate(order(names, settings.rounds, settings.seed), start=1):
        yield SchedulerStep(number, names[0], calibrates=True)
        yield from (SchedulerStep(number, name) for name in row)


def seconds(settings: SchedulerSettings, step: SchedulerStep) -> float:
    """With start and drain."""
    return 0.6 + (WARM_UP + sum(PROBES.values()) if step.calibrates else settings.duration)


def labels(settings: SchedulerSettings, step: SchedulerStep) -> Labels:
    """Without a rate: that is another one in each round, so that the load is the same."""
    workload = f"short beside long at {settings.load:.0%}"
    return Labels(workload, settings.all_connections, client=PACE, arrivals=POISSON)


LEAST_SECONDS = 2  # of a load: in less, chance decides how many long requests there are


def checked(settings: SchedulerSettings) -> SchedulerSettings:
    """The same. Raises ValueError for what says nothing."""
    if settings.duration < LEAST_SECONDS:
        raise ValueError(
            f"--duration {settings.duration}s: in less than {LEAST_SECONDS} s chance decides how much is asked for"
        )
    if settings.cpus.shared:
        raise ValueError("--pin: server and clients need a CPU each: a client that waits for one is late itself")
    if len(settings.cpus.server) > 1:
        raise ValueError("--pin: with several CPUs for the server nobody has to wait; schedulers takes one")
    return settings
