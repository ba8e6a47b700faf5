"""One way to measure, as a record: which steps there are, and what is done in each. The engine knows no more of it."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from loadtest.engine.metrics import Labels
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


def _contestant(step: Step) -> str:
    return step.contestant


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
    key: Callable[[Any], Hashable] = _contestant  # what is left out of later steps when one fails
    values: Callable[[Any], Mapping[str, float | None]] = lambda result: {}  # of a result, by the name of a metric
    labels: Callable[[Any], Labels] = lambda step: Labels("", 0)  # of a step

    def executables(self, settings: Any) -> set[str]:
        """What must be there, and is asked for its version."""
        return {contestant.executable for contestant in settings.contestants} | set(self.programs)


def describe(step: Step) -> str:
    return f"round {step.round}, {step.what}: {step.contestant}"
