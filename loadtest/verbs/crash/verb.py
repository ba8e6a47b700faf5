"""The verb `crash`: faults, one at a time or as a script, in every model; and whether they did what the catalogue
expects."""

from collections.abc import Sequence

from loadtest.document.document import Section, Sentence
from loadtest.engine import measurement
from loadtest.engine.measurement import Verb
from loadtest.engine.run import Exit, Run
from loadtest.verbs.crash import alike, report, strips, words
from loadtest.verbs.crash.cells import FEW
from loadtest.verbs.crash.measure import CRASH
from loadtest.verbs.crash.notation import SURPRISES
from loadtest.verbs.crash.script import report as script
from loadtest.verbs.crash.script.measure import SCRIPT


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
    answers = strips.strips(part) if few else [*report.matrices(part), *filter(None, [alike.section(part)])]
    return [*answers, *surprises(report.mismatches(part))]


def surprises(mismatches: Sequence[str]) -> list[Section]:
    return [Section("What was not as the catalogue expects?", None, mismatches, SURPRISES)] if mismatches else []


def told(run: Run) -> list[Sentence]:
    [part] = run.parts
    return script.sentences(part) if part.measurement == SCRIPT.name else words.sentences(part)


TITLE = "Who gets hurt when a request crashes, hangs, leaks or corrupts?"
CRASHES = Verb("crash", (CRASH, SCRIPT), sections, status=status, words=told, title=TITLE)
