"""What limits the trust in a run: what happened, and what must therefore not be concluded. Pure."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from loadtest.document.document import Caveat
from loadtest.document.figures import listed, plural
from loadtest.engine.measurement import MEASUREMENTS, Step
from loadtest.engine.run import Part, Run
from loadtest.statistics.differences import LEAST_ROUNDS
from loadtest.statistics.validity import DISTURBED
from loadtest.system.cpus import Disturbance, unseen

AMOUNT = re.compile(r"\b\d[\d,]*(?:\.\d+)?(?= ?%| (?:ms|s|CPU s|requests)\b)")  # with its unit; others are names
CALM = 0.1  # the share of disturbed loads that needs no warning beside the answer
SHORT = 1  # second: how long a load of a trial run lasts

# What steps are called that have too few rounds; others go by what is measured. Nothing is estimated in a walk, whose
# system calls are counted, nor of faults, which have verdicts.
NAMES = {
    "walk": "",
    "crash": "",
    "script": "",
    "idle": "idle connections",
    "sharing": "memory that a fork shares",
    "plateaus": "memory under load",
    "crowd": "the crowd of clients",
    "schedulers": "short requests beside long ones",
}


def caveats(run: Run) -> list[Caveat]:
    """The gravest first; each measurement's own come last."""
    general = [one for rule in RULES for one in rule(run)]
    return [*general, *merged(one for part in run.parts for one in MEASUREMENTS[part.measurement].caveats(part))]


def merged(several: Iterable[Caveat]) -> list[Caveat]:
    """Those of several parts that begin alike, before a colon, and forbid the same are one."""
    alike: dict[tuple[str, str, str], dict[str, None]] = {}
    for one in several:
        beginning, colon, rest = one.text.removesuffix(".").partition(": ")
        alike.setdefault((one.kind, beginning + colon, one.therefore), {})[rest] = None
    return [Caveat(kind, f"{text}{'; '.join(rests)}.", therefore) for (kind, text, therefore), rests in alike.items()]


def failed(run: Run) -> Iterator[Caveat]:
    for one in run.failures:
        yield Caveat(
            "FAILED",
            f"{one.contestant} gave no result in this step, and was left out after it: {one.step}. "
            f"The reason: {one.reason.rstrip('.')}.",
            "What is missing was not measured. Do not read it as slow, as unreliable or as zero.",
        )


STATES = {
    "interrupted": "The run was stopped before its end",
    "failed": "The run ended with an error",
    "running": "The run has not ended, or was killed",
}


def unfinished(run: Run) -> Iterator[Caveat]:
    planned = sum(len(list(MEASUREMENTS[part.measurement].steps(part.settings))) for part in run.parts)
    if not run.results:
        yield Caveat(
            "INTERRUPTED" if run.state in STATES else "FAILED",
            f"{STATES.get(run.state, 'The run has ended')}, and nothing was measured: none of "
            f"{plural(planned, 'step')} has a result.",
            "Conclude nothing from this run.",
        )
    elif run.state in STATES:
        yield Caveat(
            "INTERRUPTED",
            f"{STATES[run.state]}: {len(run.results):,} of {plural(planned, 'step')} have a result.",
            "Fewer rounds tell fewer servers apart. Do not take a tie or an empty cell for a result.",
        )


def in_docker(run: Run) -> Iterator[Caveat]:
    if run.environment.runner != "local":
        yield Caveat(
            "DOCKER",
            f"The servers ran in containers: {run.environment.place}.",
            "Compare these figures with each other, never with native ones.",
        )


def shared_cpu(run: Run) -> Iterator[Caveat]:
    if any(sets.shared for sets in run.cpu_sets):
        yield Caveat(
            "SHARED CPU",
            "The servers and their clients ran on the same CPU.",
            "What a client used was missing for its server. Do not rank servers by these figures.",
        )


def without_number(run: Run) -> Iterator[Caveat]:
    for cells, reason in invalid([result for result in run.results if result.problems]):
        yield Caveat(
            "INVALID",
            f"{some(cells.split('; '))}: {reason.rstrip('.')}.",
            "These rounds enter no figure. Conclude nothing from them, neither speed nor reliability.",
        )


def disturbed(run: Run) -> Iterator[Caveat]:
    watched = _watched(run)
    if shares := [one.worst for one in watched if one.worst > DISTURBED]:
        grave = len(shares) > CALM * len(watched)
        yield Caveat(
            "DISTURBED",
            f"In {len(shares)} of {plural(len(watched), 'load')} other programs, or the host of a virtual machine, "
            f"took more than {DISTURBED:.0%} of a CPU, at worst {max(shares):.0%}.",
            "Do not trust small differences of this run. Repeat it on a quiet machine."
            if grave
            else "Do not trust the figure of a single round. Medians and intervals over the rounds bear it.",
        )


def repeated(run: Run) -> Iterator[Caveat]:
    if count := sum(result.repeats for result in run.results):
        yield Caveat(
            "REPEATED",
            f"{plural(count, 'step')} {'was' if count == 1 else 'were'} thrown away and measured again, because of "
            "other load on our CPUs, or because a client was late.",
            "Do not conclude that this machine was quiet all the time.",
        )


def unknown_load(run: Run) -> Iterator[Caveat]:
    for line in unseen(_watched(run)):
        yield Caveat(
            "UNSEEN",
            line.replace("UNSEEN: w", "W", 1),
            "Do not conclude from the absence of a warning that nothing disturbed the run.",
        )


def few_rounds(run: Run) -> Iterator[Caveat]:
    """As planned; and of cells that lost some. What has no result needs no warning."""
    by_count: dict[int, dict[str, None]] = {}
    lost: list[str] = []
    for part in run.parts:
        for (contestant, what), (count, valid) in rounds(part).items():
            if count < LEAST_ROUNDS and (name := NAMES.get(part.measurement, what)):
                by_count.setdefault(count, {})[name] = None
            if count >= LEAST_ROUNDS > valid:
                lost.append(f"{contestant} ({what})")
    for count, names in sorted(by_count.items()):
        yield indicative("once" if count == 1 else f"in {count} rounds", [*names])
    if lost:
        yield Caveat(
            "INDICATIVE",
            f"Fewer than {LEAST_ROUNDS} valid rounds are left of {some(lost)}.",
            "These figures have no interval. Do not rank by them.",
        )


def indicative(often: str, names: Sequence[str]) -> Caveat:
    return Caveat(
        "INDICATIVE",
        f"Measured {often}: {some(names)}. An interval takes {LEAST_ROUNDS} rounds.",
        "Do not rank servers by small differences of these figures: another run may turn them round.",
    )


def few_tries(run: Run) -> Iterator[Caveat]:
    """Of faults, and of scripts of them."""
    parts = [part for part in run.parts if part.measurement in ("crash", "script") and part.results]
    counts = [count for part in parts for count, _ in rounds(part).values()]
    if counts and max(counts) == 1:
        yield Caveat(
            "INDICATIVE",
            "Each fault was tried once in each model.",
            "Where chance decides, another try may come out otherwise. Do not take a single verdict for a law.",
        )


def rounds(part: Part) -> dict[tuple[str, str], tuple[int, int]]:
    """By contestant and what was measured of it: how many were planned, and are valid. Of what has a result."""
    planned = Counter((one.contestant, one.what) for one in MEASUREMENTS[part.measurement].steps(part.settings))
    measured = {(one.step.contestant, one.step.what) for one in part.results}
    valid = Counter((one.step.contestant, one.step.what) for one in part.results if not one.problems)
    return {cell: (count, valid[cell]) for cell, count in planned.items() if cell in measured}


NAMED = 4  # before the others are counted


def some(names: Sequence[str]) -> str:
    """With semicolons, because names have commas."""
    more = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
    return "; ".join([*names[:NAMED], *more])


def trial_run(run: Run) -> Iterator[Caveat]:
    loads = [part.settings for part in run.parts if part.results and getattr(part.settings, "rounds", None) == 1]
    if any(one.duration <= SHORT for one in loads):
        yield Caveat(
            "SHORT",
            f"Each load lasted {SHORT} s, in a single round.",
            "This shows that everything works. Do not take a figure from it.",
        )


def interrupts(run: Run) -> Iterator[Caveat]:
    if run.environment.irq_time == "yes":
        yield Caveat(
            "INTERRUPT TIME",
            "This kernel keeps interrupts out of the CPU time of processes, so that CPU time per request leaves out "
            "what interrupts do for it, such as receiving packets.",
            "Do not compare CPU time per request with that of a kernel which counts it in.",
        )


def changed_source(run: Run) -> Iterator[Caveat]:
    if run.environment.commit.endswith("+"):
        yield Caveat(
            "CHANGED SOURCE",
            f"The source differed from commit {run.environment.commit[:-1]} by changes that are in no commit.",
            "Nobody else can build these servers by the commit. Do not cite its figures as those of the commit.",
        )


Rule = Callable[[Run], Iterable[Caveat]]
RULES: tuple[Rule, ...] = (
    failed,
    unfinished,
    in_docker,
    shared_cpu,
    without_number,
    disturbed,
    unknown_load,
    trial_run,
    few_rounds,
    few_tries,
    repeated,
    interrupts,
    changed_source,
)


def with_care(run: Run) -> Iterator[str]:
    """The gravest of it in a line each, for a terminal."""
    watched = _watched(run)
    count = sum(one.worst > DISTURBED for one in watched)
    if count > CALM * len(watched):
        yield f"With care: other load disturbed {count} of {len(watched)} loads. Repeat it on a quiet machine."
    if run.failures or run.state != "complete":
        yield "With care: not all of it was measured; above stands why."


def closing(run: Run) -> Iterator[str]:
    """The same below the tables of a terminal, which has less room."""
    for one in run.failures:
        yield f"FAILED {one.contestant} ({one.step}; left out after it): {one.reason}"
    for cells, reason in invalid([result for result in run.results if result.problems]):
        yield f"INVALID {cells}: {reason}"
    if count := sum(result.repeats for result in run.results if result.disturbance):
        yield f"Other load on our CPUs, or a client that was late: {plural(count, 'step')} thrown away and repeated."
    watched = _watched(run)
    if shares := [one.worst for one in watched if one.worst > DISTURBED]:
        yield (
            f"DISTURBED: in {len(shares)} of {len(watched)} loads others, or the host, took more than "
            f"{DISTURBED:.0%} of a CPU, at worst {max(shares):.0%}; results.json has each one's share. Repeat on a "
            "quiet machine."
        )
    yield from unseen(watched)
    if run.state == "interrupted":
        yield "INTERRUPTED: the tables hold what was measured until then; --resume goes on."
    yield f"Measured in {run.seconds:.0f} s."
    yield from with_care(run)


def _watched(run: Run) -> list[Disturbance]:
    return [result.disturbance for result in run.results if result.disturbance]


# --- cells without a number


def invalid(results: Sequence[Any]) -> Iterator[tuple[str, str]]:
    """Cells and their reason, for each reason. What was measured, or how much of it was too much, makes no other
    reason."""
    alike: dict[str, list[Any]] = {}
    for one in results:
        alike.setdefault(AMOUNT.sub("", "; ".join(one.problems)), []).append(one)
    for those in alike.values():
        yield _cells([one.step for one in those]), between(["; ".join(one.problems) for one in those])


def _cells(steps: Sequence[Step]) -> str:
    """Contestants of whom the same was measured, in the same rounds, stand together."""
    found: dict[tuple[str, str], list[int]] = {}
    for step in steps:
        found.setdefault((step.what, step.contestant), []).append(step.round)
    contestants: dict[str, list[str]] = {}
    for (what, contestant), theirs in found.items():
        contestants.setdefault(f"{what}, round {', '.join(map(str, theirs))}", []).append(contestant)
    return "; ".join(f"{listed(names)}: {what}" for what, names in contestants.items())


def between(reasons: Sequence[str]) -> str:
    """One for all, which differ in amounts alone: the least and the greatest of each."""
    amounts: list[list[str]] = [sorted(set(column), key=_amount) for column in zip(*map(AMOUNT.findall, reasons))]
    spans = iter([values[0] if len(values) == 1 else f"{values[0]} to {values[-1]}" for values in amounts])
    return AMOUNT.sub(lambda _: next(spans), reasons[0])


def _amount(number: str) -> float:
    return float(number.replace(",", ""))
