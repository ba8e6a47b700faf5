"""The instrument against itself: one contestant as two, in interleaved rounds, try after try."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from loadtest.document.document import Document, Section, table
from loadtest.engine.exit import Exit
from loadtest.engine.header import describe_machine, describe_place
from loadtest.statistics.differences import Ratio, describe, paired, verdict
from loadtest.verbs.load.metrics import by_round, cpu_per_request, throughput
from loadtest.verbs.load.plan import Settings
from loadtest.verbs.load.results import TrialResults

LEAST_TRIES = 20  # to allow one false alarm

METRICS = {"throughput": throughput, "cpu": cpu_per_request}


def against_itself(once: Settings, tries: int) -> Settings:
    """Of one try's settings: all tries are the rounds of one run. Raises ValueError when more than one thing is asked
    for."""
    if len(once.contestants) != 1 or len(once.workloads) != 1 or len(once.connections) != 1:
        raise ValueError("aa takes one contestant, one workload and one number of connections")
    one = once.contestants[0]
    twins = tuple(replace(one, name=f"{one.name} {twin}", model=one.model or one.name) for twin in "AB")
    return replace(once, contestants=twins, rounds=tries * once.rounds, rounds_of_a_try=once.rounds)


def tries(results: TrialResults, metric: str) -> Iterator[Ratio]:
    """Of A to B; those that have all their rounds."""
    valid = [trial for trial in results.trials if not trial.problems]
    a, b = (
        by_round([trial for trial in valid if trial.cell.contestant == twin.name], METRICS[metric])
        for twin in results.settings.contestants
    )
    size = results.settings.rounds_of_a_try
    for first in range(1, results.settings.rounds + 1, size):
        numbers = [number for number in range(first, first + size) if number in a and number in b]
        if len(numbers) == size:
            yield paired({number: a[number] for number in numbers}, {number: b[number] for number in numbers})


def status(results: TrialResults) -> Exit:
    """3: of requests a second, it saw differences that are not there in more than one try of 20."""
    if results.failures:
        return Exit.failed
    found = list(tries(results, "throughput"))
    if len(found) < LEAST_TRIES:
        return Exit.invalid
    return Exit.ok if verdict(found).ok else Exit.gate


def document(results: TrialResults) -> Document:
    chosen = results.settings
    found = {metric: list(tries(results, metric)) for metric in METRICS}
    filled = table("try", *METRICS)
    for number, row in enumerate(zip(*found.values()), start=1):
        filled.add_row(str(number), *(describe(ratio) for ratio in row))
    notes = [*(f"{metric}: {_sentence(ratios)}" for metric, ratios in found.items()), *_failures(results)]
    head = [
        describe_machine(results.environment, next(iter(chosen.budgets.values()))),
        *describe_place(results.environment),
        f"{chosen.contestants[0].name.removesuffix(' A')} against itself: "
        f"{chosen.rounds_of_a_try} interleaved rounds of {chosen.duration} s a try.",
    ]
    section = Section("Does the instrument see a difference where there is none?", filled, notes)
    return Document(head, [section])


def _sentence(ratios: Sequence[Ratio]) -> str:
    if len(ratios) < LEAST_TRIES:
        return f"{len(ratios)} valid tries are too few for a verdict."
    return verdict(ratios).sentence


def _failures(results: TrialResults) -> list[str]:
    invalid = sum(bool(trial.problems) for trial in results.trials)
    lines = [f"FAILED: {failure.reason}" for failure in results.failures]
    lines += [f"{invalid} of {len(results.trials)} trials were invalid."] if invalid else []
    return lines + (["INTERRUPTED; --resume goes on."] if results.state == "interrupted" else [])
