"""The verbs throughput, latency and aa: one measurement, the trial, asked and shown in three ways. aa is the instrument
against itself: one contestant as two, in interleaved rounds, try after try."""

from collections.abc import Iterator
from dataclasses import replace

from loadtest.document.document import Section, Sentence, said, table
from loadtest.engine import measurement
from loadtest.engine.measurement import Measurement, Verb
from loadtest.engine.run import Exit, Part, Run
from loadtest.statistics.differences import Ratio, describe, paired, verdict
from loadtest.verbs.load import caveats, curves, measure, plan, plots, report, results, words
from loadtest.verbs.load.results import Series
from loadtest.verbs.load.rounds import loads
from loadtest.verbs.sweep import plots as sweep_plots
from loadtest.verbs.sweep import report as sweep_report
from loadtest.verbs.sweep.measure import SWEEP


def sections(run: Run) -> list[Section]:
    """In each chapter what loads show together stands first."""
    found = [*curves.sections(run), *(one for load in loads(Series, run) for one in plots.sections(load))]
    return [one for chapter in (report.THROUGHPUT, report.LATENCY) for one in found if one.chapter == chapter]


def status(run: Run) -> Exit:
    """A failure says more than a missed gate, and that more than a cell without a number."""
    found = measurement.status(run)
    return Exit.gate if found != Exit.failed and report.missed_gates(Series.of(run.parts[0])) else found


def _sweeps(run: Run) -> bool:
    """`latency --sweep`: the rate is the answer."""
    return run.parts[0].measurement == SWEEP.name


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
    measured = {one.name: one.by_round(metric) for one in Series.of(part)}
    a, b = (measured.get(twin.name, {}) for twin in part.settings.contestants)
    size = part.settings.rounds_of_a_try
    for first in range(1, part.settings.rounds + 1, size):
        both = {number: a[number] for number in range(first, first + size) if number in a and number in b}
        if len(both) == size:
            yield paired(both, b)


AGAINST_ITSELF = "Does the instrument see a difference where there is none?"


def aa_status(run: Run) -> Exit:
    """3: of requests a second, it saw differences that are not there in so many tries as a sound instrument does in at
    most 2 % of such runs."""
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


def aa_words(run: Run) -> list[Sentence]:
    told = {metric: verdict([*tries(run.parts[0], metric)])[1] for metric in ("throughput", "cpu")}
    told["cpu"] = told["cpu"].partition(";")[0]  # requests a second decide
    return [said(f"By {metric}: {sentence.rstrip('.')}.", "aa") for metric, sentence in told.items()]


def aa_sections(run: Run) -> list[Section]:
    found = {metric: list(tries(run.parts[0], metric)) for metric in ("throughput", "cpu")}
    filled = table("try", *found)
    for number, row in enumerate(zip(*found.values()), start=1):
        filled.add_row(str(number), *map(describe, row))
    notes = [f"{metric}: {verdict(ratios)[1]}" for metric, ratios in found.items()]
    shown = plots.worth_showing([plots.tries(ratios, metric) for metric, ratios in found.items()])
    shown += plots.worth_showing([plots.in_order("aa", Series.of(run.parts[0]))])
    return [Section(AGAINST_ITSELF, filled, notes, "aa", shown)]


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
    uses_wrk=lambda settings: any(cell.client == plan.WRK for cell in plan.cells(settings)),
    instruments=lambda settings: bool(settings.counts_system_calls),
    values=results.values,
    bounds=results.bounds,
    labels=plan.labels,
    caveats=caveats.caveats,
)
THROUGHPUT = Verb(
    "throughput",
    (LOAD,),
    sections,
    report.head,
    status,
    words=words.words,
    title="How many requests a second, and what does each cost?",
    first=words.first,
)
LATENCY = Verb(
    "latency",
    (LOAD, SWEEP),
    lambda run: sweep_plots.sections(run) if _sweeps(run) else sections(run),
    lambda run: sweep_report.head(run) if _sweeps(run) else report.head(run),
    lambda run: sweep_report.status(run) if _sweeps(run) else status(run),
    words=lambda run: sweep_report.words(run) if _sweeps(run) else words.words(run),
    title="How long does a request take, at which rate?",
    first=lambda run: sweep_report.first(run) if _sweeps(run) else words.first(run),
)
AA = Verb("aa", (LOAD,), aa_sections, aa_head, aa_status, words=aa_words, title=AGAINST_ITSELF, first=words.first)
