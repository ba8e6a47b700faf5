"""What the engine knows of a verb: one record, in which the verb says what it measures and how that is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loadtest.document.document import Section
from loadtest.engine.exit import Exit
from loadtest.engine.measurement import Measurement
from loadtest.engine.run import Part, Run


def has_invalid_cell(run: Run) -> bool:
    """Somewhere a dash stands for what was measured, because all of it is invalid."""
    tried = {(result.step.contestant, result.step.what): False for result in run.results}
    tried |= {(result.step.contestant, result.step.what): True for result in run.results if not result.problems}
    return not all(tried.values())


def status(run: Run) -> Exit:
    """A failure says more than a cell without a number."""
    if run.failures:
        return Exit.failed
    return Exit.invalid if has_invalid_cell(run) else Exit.ok


def _nothing(run: Run) -> Sequence[str]:
    return ()


@dataclass(frozen=True)
class Verb:
    name: str
    measurements: tuple[Measurement, ...]  # that its parts are of
    sections: Callable[[Run], Sequence[Section]]  # the answers
    head: Callable[[Run], Sequence[str]] = _nothing  # how it was asked, below the machine
    status: Callable[[Run], Exit] = status


_verbs: dict[str, Verb] = {}
_measurements: dict[str, Measurement] = {}


def register(*verbs: Verb) -> None:
    """Raises ValueError when a name is taken."""
    for verb in verbs:
        if _verbs.setdefault(verb.name, verb) != verb:
            raise ValueError(f"there are two verbs {verb.name}")
        for measurement in verb.measurements:
            if _measurements.setdefault(measurement.name, measurement) != measurement:
                raise ValueError(f"there are two measurements {measurement.name}")


def registered() -> dict[str, Verb]:
    """By name, in the order of their registration."""
    return dict(_verbs)


def measurements() -> dict[str, Measurement]:
    return dict(_measurements)


def of(run: Run) -> Verb:
    return _verbs[run.verb]


def measurement_of(part: Part) -> Measurement:
    return _measurements[part.measurement]
