"""What the engine knows of a verb: one record, in which the verb says what it measures and how that is shown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loadtest.document.document import Section
from loadtest.engine.exit import Exit
from loadtest.engine.measurement import Measurement
from loadtest.engine.run import Part, Run


def has_invalid_cell(run: Run) -> bool:
    """Somewhere a dash stands for what was measured, because all of it is invalid."""
    tried = {(result.step.contestant, result.step.what) for result in run.results}
    valid = {(result.step.contestant, result.step.what) for result in run.results if not result.problems}
    return tried != valid


def status(run: Run) -> Exit:
    """A failure says more than a cell without a number."""
    if run.failures:
        return Exit.failed
    return Exit.invalid if has_invalid_cell(run) else Exit.ok


@dataclass(frozen=True)
class Verb:
    name: str
    measurements: tuple[Measurement, ...]  # that its parts are of
    sections: Callable[[Run], Sequence[Section]]  # the answers
    head: Callable[[Run], Sequence[str]] = lambda run: ()  # how it was asked, below the machine
    status: Callable[[Run], Exit] = status


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


def verb_of(run: Run) -> Verb:
    return VERBS[run.verb]


def measurement_of(part: Part) -> Measurement:
    return MEASUREMENTS[part.measurement]
