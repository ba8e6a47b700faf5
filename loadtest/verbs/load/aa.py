"""The instrument against itself: one contestant as two, in interleaved rounds, try after try."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from loadtest.document.document import Section, table
from loadtest.engine.run import Exit, Part, Run
from loadtest.statistics.differences import Ratio, describe, paired, verdict
from loadtest.verbs.load.plan import Settings
from loadtest.verbs.load.results import everybody

LEAST_TRIES = 20  # to allow one false alarm
METRICS = ("throughput", "cpu")


def against_itself(once: Settings, tries: int) -> Settings:
    """Of one try's settings: all tries are the rounds of one run. Raises ValueError when more than one thing is asked
    for."""
    if any(len(asked) != 1 for asked in (once.contestants, once.workloads, once.connections, once.budgets)):
        raise ValueError("aa takes one contestant, one workload and one number of connections, and of CPUs")
    one = once.contestants[0]
    twins = tuple(replace(one, name=f"{one.name} {twin}", model=one.model or one.name) for twin in "AB")
    return replace(once, contestants=twins, rounds=tries * once.rounds, rounds_of_a_try=once.rounds)


def tries(part: Part, metric: str) -> Iterator[Ratio]:
    """Of A to B; those that have all their rounds."""
    measured = {one.name: one.by_round(metric) for one in everybody(part)}
    a, b = (measured.get(twin.name, {}) for twin in part.settings.contestants)
    size = part.settings.rounds_of_a_try
    for first in range(1, part.settings.rounds + 1, size):
        numbers = [number for number in range(first, first + size) if number in a and number in b]
        if len(numbers) == size:
            yield paired({number: a[number] for number in numbers}, b)


def status(run: Run) -> Exit:
    """3: of requests a second, it saw differences that are not there in more than one try of 20."""
    if run.failures:
        return Exit.failed
    found = list(tries(run.parts[0], "throughput"))
    if len(found) < LEAST_TRIES:
        return Exit.invalid
    return Exit.ok if verdict(found).ok else Exit.gate


def head(run: Run) -> list[str]:
    chosen = run.parts[0].settings
    return [
        f"{chosen.contestants[0].name.removesuffix(' A')} against itself: "
        f"{chosen.rounds_of_a_try} interleaved rounds of {chosen.duration} s a try.",
    ]


def sections(run: Run) -> list[Section]:
    found = {metric: list(tries(run.parts[0], metric)) for metric in METRICS}
    filled = table("try", *METRICS)
    for number, row in enumerate(zip(*found.values()), start=1):
        filled.add_row(str(number), *map(describe, row))
    notes = [f"{metric}: {_sentence(ratios)}" for metric, ratios in found.items()]
    return [Section("Does the instrument see a difference where there is none?", filled, notes)]


def _sentence(ratios: Sequence[Ratio]) -> str:
    if len(ratios) < LEAST_TRIES:
        return f"{len(ratios)} valid tries are too few for a verdict."
    return verdict(ratios).sentence
