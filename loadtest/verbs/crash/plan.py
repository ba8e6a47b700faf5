"""What is asked for: faults, each injected once into a server of its own under a steady load. Times are in seconds from
the start of the load's schedule."""

from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, Protocol

from loadtest.clients.pace import EXECUTABLE
from loadtest.contestants.contestants import CLASSIC, COMBINED, MODELS, Contestant, Kind
from loadtest.engine.run import BaseSettings
from loadtest.system.cpus import CpuSets
from loadtest.verbs.crash.catalogue import ADDRESS, Fault
from loadtest.verbs.crash.results import DOCKER, PARENT, CrashStep

SLOT = 0.05  # of a strip
SESSIONS = 4  # as many as are asked for wherever a run is made; none in folders of format 7.0
# Docker takes 0.3 to 0.6 s to start a container again: it must be over a while before the end of the observation.
RESTARTED: dict[str, Any] = {"restarts": True, "end": 1.8}


def _of_two(name: str) -> Contestant:
    """Workers."""
    model = next(one for one in MODELS if one.name == name)
    return replace(model, arguments=(*model.arguments, "--workers", "2"))


def _also_of_two(name: str) -> Contestant:
    return replace(_of_two(name), name=f"{name}-2", kind=Kind.variant, model=name)


# The models as the catalogue names them: coroutines with one loop, and with two; fibers with one thread, and with two.
# On one CPU multiprocess would have one process, which shows nothing.
COLUMNS = (
    *CLASSIC[:-1],
    _also_of_two("coroutines"),
    CLASSIC[-1],
    *(_of_two(one.name) if one.name == "multiprocess" else one for one in COMBINED),
    _also_of_two("fibers"),
)
CLASSIC_COLUMNS = COLUMNS[: len(CLASSIC) + 1]


def columns(chosen: Sequence[Contestant]) -> tuple[Contestant, ...]:
    """Of those models, with what is known of them."""
    arguments = {one.name: one.arguments for one in COLUMNS}
    return tuple(replace(one, arguments=arguments.get(one.name, one.arguments)) for one in chosen)


class Try(Protocol):
    """What steps have in common."""

    @property
    def contestant(self) -> str:
        """Its name."""

    @property
    def keeper(self) -> str:
        """Of KEEPERS: who is to bring the server back; "": nobody."""

    @property
    def sanitizer(self) -> str:
        """That the server is built with; "": none."""

    @property
    def round(self) -> int:
        """From 1."""


@dataclass(frozen=True)
class WatchSettings(BaseSettings):
    """Of the clients that are watched while something is done to the server."""

    cpus: CpuSets
    _: KW_ONLY
    repeats: int = 1
    clients: int = 8  # kept connections: half of them wait (/sleep), half ask for what the fault could spoil
    workers: int = 18  # of a pool
    wait: int = 20  # milliseconds that an answer of /sleep takes, so that some request is always in hand
    newcomers: float = 0.05  # between two of them
    grace: float = 0.4  # then, for answers that are still due: who has none by then waits for ever
    tolerance: float = 0.05  # that the client itself may be late with 1 % of its requests
    runner: str = "local"
    pace: str = EXECUTABLE  # where it is

    def contestant_of(self, step: Try) -> Contestant:
        """The one that is harmed: its name says how it was built, and who is to bring it back."""
        found = self.contestant(step.contestant)
        found = found.sanitized() if step.sanitizer else found
        given = {PARENT: found.supervised, DOCKER: found.restarted}
        return given[step.keeper]() if step.keeper else found


@dataclass(frozen=True)
class CrashSettings(WatchSettings):
    faults: tuple[Fault, ...]
    supervised: tuple[str, ...] = ()  # names of faults that are tried under a given parent, too, where there is none
    alone: bool = True  # without a given parent
    restarts: bool = False  # all of them in containers that Docker starts again when they fail, and only so
    asan: bool = False  # also by servers with AddressSanitizer, where something is expected of them
    asks_wrk: bool = False  # what it would have said, in the first round
    rate: int = 200  # requests a second, over all clients
    sessions: int = 0  # further clients, which store something before the load and ask for it at its end
    fault_at: float = 0.4
    end: float = 1.2  # of the schedule

    @property
    def duration(self) -> float:
        return self.end + self.grace

    def rate_of(self, step: CrashStep) -> int:
        """To fork a server with AddressSanitizer takes some 5 ms of CPU time, ten times as much as without."""
        return self.rate // 4 if step.sanitizer else self.rate

    def fault(self, name: str) -> Fault:
        return next(one for one in self.faults if one.name == name)

    def expected(self, step: CrashStep) -> tuple[str, ...]:
        """Verdicts, any of which is as it should be. None with a keeper: what that changes nobody says."""
        return () if step.keeper else self.fault(step.fault).verdicts(step.contestant, step.sanitizer)


def sanitized(settings: CrashSettings) -> list[Contestant]:
    return [one.sanitized() for one in settings.contestants] if settings.asan else []


def steps(settings: CrashSettings) -> Iterator[CrashStep]:
    """Model by model for each fault: what is compared lies side by side in time."""
    for repeat in range(1, settings.repeats + 1):
        for fault in settings.faults:
            for one in (one for one in settings.contestants if fault.applies_to(one.name)):
                for by in keepers(settings, fault, one):
                    yield CrashStep(one.name, fault.name, by, repeat)
                    if settings.asan and fault.expected_asan:
                        yield CrashStep(one.name, fault.name, by, repeat, ADDRESS)


def keepers(settings: CrashSettings, fault: Fault, contestant: Contestant) -> Iterator[str]:
    """Under whom that fault is tried: a model with a parent of its own is given no other one."""
    if settings.restarts:
        yield DOCKER
        return
    if settings.alone or contestant.known.has_parent:
        yield ""
    if fault.name in settings.supervised and not contestant.known.has_parent:
        yield PARENT
