"""What the engine knows of a verb: one record, in which the verb says how its results are kept and shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from loadtest.contestants import contestants
from loadtest.contestants.contestants import Contestant
from loadtest.document.document import Document
from loadtest.engine.exit import Exit
from loadtest.engine.run import Environment
from loadtest.places.place import Place


@dataclass(frozen=True)
class Value:
    """One number of a run, for cells.csv and for comparisons."""

    contestant: str
    kind: str  # as contestants.Kind
    model: str
    workload: str
    connections: int
    cpus: int  # of the server
    round: int
    valid: bool
    metric: str
    value: float
    unit: str
    keep_alive: bool = True
    pipeline: int = 1
    rate: float | None = None  # requests a second; None: a closed loop


class Settings(Protocol):
    """All that was asked for: a folder holds it, and --resume goes on with it."""

    @property
    def contestants(self) -> tuple[Contestant, ...]:
        ...

    @property
    def runner(self) -> str:
        ...

    @property
    def load_cpus(self) -> Sequence[int]:
        """For the harness itself."""


def described(settings: Any, place: Place) -> Any:
    """With the facts of its contestants' models, as that place's servers tell them. Raises MeasurementError."""
    return replace(settings, contestants=contestants.described(settings.contestants, place.describe))


def no_values(results: Any) -> Iterable[Value]:
    """Of a verb that measures nothing in numbers of a metric."""
    return ()


def only_failures(results: Any) -> Exit:
    """Of a verb that knows no other trouble."""
    return Exit.failed if results.failures else Exit.ok


def servers(settings: Settings) -> set[str]:
    return {contestant.executable for contestant in settings.contestants}


Save = Callable[[], None]  # to be called after every step


@dataclass(frozen=True)
class Verb:
    """The results are a dataclass with the fields of run.Results, and begin with verb, environment and settings."""

    name: str
    results: Callable[[str, Environment, Any], Any]
    execute: Callable[[Any, Place, Path, Save], None]  # all that has no result yet; the run's folder holds its files
    document: Callable[[Any], Document]  # of results
    commands: Callable[[Any, Path], list[str]]  # of settings: each external command, ready to paste; for servers there
    values: Callable[[Any], Iterable[Value]] = no_values
    status: Callable[[Any], Exit] = only_failures
    executables: Callable[[Any], set[str]] = servers  # of settings: what must be there, and is asked for its version

    @property
    def kind(self) -> type:
        """The class of its results."""
        assert isinstance(self.results, type)
        return self.results


_verbs: dict[str, Verb] = {}


def register(*verbs: Verb) -> None:
    """Raises ValueError when a name is taken."""
    for verb in verbs:
        if _verbs.setdefault(verb.name, verb) != verb:
            raise ValueError(f"there are two verbs {verb.name}")


def registered() -> dict[str, Verb]:
    """By name, in the order of their registration."""
    return dict(_verbs)


def of(results: Any) -> Verb:
    return _verbs[results.verb]
