"""One way to measure, as a record: which steps there are, and what is done in each. And a verb, as a record: what it
measures, and how that is shown. The engine knows no more of them."""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any, Protocol

from loadtest.clients import wrk
from loadtest.contestants.contestants import Contestant
from loadtest.document.document import Caveat, Section, Sentence
from loadtest.engine.run import Exit, Labels, Part, Run
from loadtest.places import launch
from loadtest.places.launch import Place, ServerPlan
from loadtest.system import MeasurementError
from loadtest.system.processes import Address, Ended, Server, describe_status


class Step(Protocol):
    """One measurement of one contestant, in one round: plain data that can be compared and hashed."""

    @property
    def round(self) -> int:
        """From 1."""

    @property
    def contestant(self) -> str:
        """Its name."""

    @property
    def what(self) -> str:
        """What is measured, for whoever watches: the same in every round."""


@dataclass
class Bench:
    """Where a step is measured."""

    settings: Any
    place: Place
    directory: Path  # of the run: peers keep their files there
    earlier: Sequence[Any] = ()  # results of the same part
    printed: dict[str, str] = field(default_factory=dict)  # what programs printed, by the name of a file to keep it in

    def start(self, plan: ServerPlan) -> Server:
        """Raises MeasurementError."""
        return launch.start(self.place, plan, self.directory)


def stop(server: Server) -> Ended:
    """Drains it, unless it has gone by itself."""
    return server.wait(0) if server.has_ended() else server.stop()


def stop_well(server: Server) -> None:
    """Raises MeasurementError when it did not end as it should: whatever befell it may have changed the result."""
    ended = stop(server)
    if ended.status != 0:
        raise MeasurementError(f"the server {describe_status(ended.status)}{server.last_lines()}")
    refuse_incidents(server)


def refuse_incidents(server: Server) -> None:
    """What befell it is added to the sentence on the way out."""
    if server.incidents():
        raise MeasurementError("the server lost a process that the step did not mean to kill")


@dataclass(frozen=True)
class Measurement:
    """`settings` and `result` are dataclasses: as JSON they are what a folder holds."""

    name: str
    settings: type  # all that was asked for; it has contestants, cpus (a CpuSets), runner, and duration in seconds
    result: type
    steps: Callable[[Any], Iterable[Step]]  # of settings, round by round
    seconds: Callable[[Any, Any], float]  # that a step takes, about
    measure: Callable[[Bench, Any], Any]  # a step gives one result; raises MeasurementError
    server: Callable[[Any, Any], ServerPlan]  # of settings and a step
    load: Callable[[Address, Any, Any], Sequence[Sequence[str]]]  # the clients' commands, for a dry run
    programs: tuple[str, ...] = ()  # of ours that the clients' side needs
    uses_wrk: Callable[[Any], bool] = lambda settings: False
    sanitized: Callable[[Any], Sequence[Contestant]] = lambda settings: ()  # of the build with AddressSanitizer
    instruments: Callable[[Any], bool] = lambda settings: False  # whether it takes strace or perf
    key: Callable[[Any], Hashable] = attrgetter("contestant")  # what is left out of later steps when one fails
    values: Callable[[Any], Mapping[str, float | None]] = lambda result: {}  # of a result, by the name of a metric
    bounds: Callable[[Any], Collection[str]] = lambda result: ()  # metrics whose value, if any, is a lower bound
    labels: Callable[[Any, Any], Labels] = lambda settings, step: Labels("", 0)  # of settings and a step
    primary: str = ""  # the metric that answers its question; "": that goes by the load
    caveats: Callable[[Part], Sequence[Caveat]] = lambda part: ()  # beside those that hold for every measurement

    @property
    def has_values(self) -> bool:
        return self.values is not Measurement.values  # the default

    def executables(self, settings: Any) -> set[str]:
        """What must be there, and is asked for its version."""
        by_wrk = [wrk.EXECUTABLE] if self.uses_wrk(settings) else []
        contestants = (*settings.contestants, *self.sanitized(settings))
        return {*(one.executable for one in contestants), *self.programs, *by_wrk}


def describe(step: Step) -> str:
    return f"round {step.round}, {step.what}: {step.contestant}"


def status(run: Run) -> Exit:
    """A failure says more than an invalid cell: one without any valid result, for which a dash stands."""
    if run.failures:
        return Exit.failed
    tried = {(result.step.contestant, result.step.what) for result in run.results}
    valid = {(result.step.contestant, result.step.what) for result in run.results if not result.problems}
    return Exit.ok if tried == valid else Exit.invalid


@dataclass(frozen=True)
class Verb:
    name: str
    measurements: tuple[Measurement, ...]  # that its parts are of
    sections: Callable[[Run], Sequence[Section]]  # the answers
    head: Callable[[Run], Sequence[str]] = lambda run: ()  # how it was asked, below the machine
    status: Callable[[Run], Exit] = status
    targets: tuple[str, ...] = ()  # of CMake, beside what its measurements use
    missing: Callable[[], str] = lambda: ""  # what this machine lacks for it, a sentence with the fix
    words: Callable[[Run], Sequence[Sentence]] = lambda run: ()  # what the answers say, in a few sentences
    title: str = ""  # of its page
    first: Callable[[Run], str] = lambda run: ""  # after the first round of several, a sentence for who waits


# By name, in the order of their registration.
VERBS: dict[str, Verb] = {}
MEASUREMENTS: dict[str, Measurement] = {}


def register(*verbs: Verb) -> None:
    """Raises ValueError when a name is taken."""
    for verb in verbs:
        if VERBS.setdefault(verb.name, verb) != verb:
            raise ValueError(f"there are two verbs {verb.name}")
        for measurement in verb.measurements:
            if MEASUREMENTS.setdefault(measurement.name, measurement) != measurement:
                raise ValueError(f"there are two measurements {measurement.name}")
