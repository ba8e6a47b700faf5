"""The verbs throughput, latency and aa: one measurement, the trial, asked and shown in three ways. aa is the instrument
against itself: one contestant as two, in interleaved rounds, try after try."""

from collections.abc import Iterator
from dataclasses import replace

from loadtest.document.document import Section, table
from loadtest.engine import measurement
from loadtest.engine.measurement import Measurement, Verb
from loadtest.engine.run import Exit, Part, Run
from loadtest.statistics.differences import Ratio, describe, paired, verdict
from loadtest.verbs.load import measure, plan, report, results


def status(run: Run) -> Exit:
    """A failure says more than a missed gate, and that more than a cell without a number."""
    found = measurement.status(run)
    return Exit.gate if found != Exit.failed and report.missed_gates(results.everybody(run.parts[0])) else found


def against_itself(once: plan.Settings, tries: int) -> plan.Settings:
    """Of one try's settings: all tries are the rounds of one run. Raises ValueError when more than one thing is asked
    for."""
    if any(len(asked) != 1 for asked in (once.contestants, once.workloads, once.connections, once.budgets)):
        raise ValueError("aa takes one contestant, one workload, one number of connections and one of CPUs")
    one = once.contestants[0]
    twins = tuple(replace(one, name=f"{one.name} {twin}", model=one.model or one.name) for twin in "AB")
    return replace(once, contestants=twins, rounds=tries * once.rounds, rounds_of_a_try=once.rounds)


def tries(part: Part, metric: str) -> Iterator[Ratio]:
    """Of A to B; those that have all their rounds."""
    measured = {one.name: one.by_round(metric) for one in results.everybody(part)}
    a, b = (measured.get(twin.name, {}) for twin in part.settings.contestants)
    size = part.settings.rounds_of_a_try
    for first in range(1, part.settings.rounds + 1, size):
        both = {number: a[number] for number in range(first, first + size) if number in a and number in b}
        if len(both) == size:
            yield paired(both, b)


def aa_status(run: Run) -> Exit:
    """3: of requests a second, it saw differences that are not there in more than one try of 20."""
    if run.failures:
        return Exit.failed
    passed, _ = verdict([*tries(run.parts[0], "throughput")])
    return {True: Exit.ok, False: Exit.gate, None: Exit.invalid}[passed]


def aa_head(run: Run) -> list[str]:
    chosen = run.parts[0].settings
    return [
        f"{chosen.contestants[0].name.removesuffix(' A')} against itself: "
        f"{chosen.rounds_of_a_try} interleaved rounds of {chosen.duration} s a try.",
    ]


def aa_sections(run: Run) -> list[Section]:
    found = {metric: list(tries(run.parts[0], metric)) for metric in ("throughput", "cpu")}
    filled = table("try", *found)
    for number, row in enumerate(zip(*found.values()), start=1):
        filled.add_row(str(number), *map(describe, row))
    notes = [f"{metric}: {verdict(ratios)[1]}" for metric, ratios in found.items()]
    return [Section("Does the instrument see a difference where there is none?", filled, notes)]


LOAD = Measurement(
    name="load",
    settings=plan.Settings,
    result=results.Trial,
    steps=plan.steps,
    seconds=plan.seconds,
    measure=measure.measure,
    server=measure.server,
    load=measure.load,
    programs=("quartet-pace",),  # newcomers', too
    values=results.values,
    labels=plan.labels,
)
THROUGHPUT = Verb("throughput", (LOAD,), report.sections, report.head, status)
LATENCY = replace(THROUGHPUT, name="latency")
AA = Verb("aa", (LOAD,), aa_sections, aa_head, aa_status)
