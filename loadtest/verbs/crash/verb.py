"""The verb `crash`: faults, one at a time or as a script, in every model; and whether they did what the catalogue
expects."""

from collections.abc import Sequence

from loadtest.document.document import Section
from loadtest.engine import measurement
from loadtest.engine.measurement import Verb
from loadtest.engine.run import Exit, Run
from loadtest.verbs.crash import report, strips, words
from loadtest.verbs.crash.measure import CRASH
from loadtest.verbs.crash.script import report as script
from loadtest.verbs.crash.script.measure import SCRIPT

FEW = 3  # faults, up to which each is shown over time


def status(run: Run) -> Exit:
    """A surprise says more than an invalid cell, a failure more than both."""
    usual = measurement.status(run)
    surprised = any(result.surprising for result in run.results)
    return Exit.gate if surprised and usual != Exit.failed else usual


def sections(run: Run) -> Sequence[Section]:
    """Of few faults over time, of many side by side; a script's as it has them."""
    [part] = run.parts
    if not part.results:
        return []
    if part.measurement == SCRIPT.name:
        return [*script.sections(part), *surprises(script.mismatches(part))]
    few = len(part.settings.faults) <= FEW
    answers = strips.strips(part) if few else report.matrices(part)
    return [*answers, *surprises(report.mismatches(part))]


def surprises(mismatches: Sequence[str]) -> list[Section]:
    return [Section("What was not as the catalogue expects?", None, mismatches)] if mismatches else []


def told(run: Run) -> list[str]:
    [part] = run.parts
    return script.told(part) if part.measurement == SCRIPT.name else words.words(part)


CRASHES = Verb("crash", (CRASH, SCRIPT), sections, status=status, words=told)
