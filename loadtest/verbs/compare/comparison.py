"""Two results folders: what has changed, as far as two runs at different times can tell. Pure.

Which comparisons are made is planned, before any value is seen: one metric for each contestant and load, unless more
are asked for. Of these, only the ones that have rounds enough share Holm's correction (`differences.family`); of the
others the table says how many rounds it would take, never that there is no difference.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import median

from loadtest.document.document import Document, Section, table
from loadtest.document.figures import DASH, listed, number, plural
from loadtest.engine.measurement import MEASUREMENTS, Step
from loadtest.engine.metrics import BY_NAME
from loadtest.engine.run import Exit, Labels, Part, Run
from loadtest.statistics import differences
from loadtest.statistics.differences import ALPHA, Ratio

HUGE = 2  # times: so far outside the range of A, all rounds of B are worth a word even where no test can tell

NAMED = 4  # cells that got worse, by name above the table

Key = tuple[str, str]  # cell and metric


@dataclass(frozen=True)
class Change:
    """Of one metric of one cell: b / a, with as much as its rounds can tell."""

    cell: str
    metric: str
    unit: str
    before: float  # medians of the valid rounds
    after: float | None  # None: B has no valid one
    rounds: tuple[int, int]  # valid ones of A and of B
    unknown: str = ""  # why B has none, by no fault of the server's
    lost: str = ""  # how its rounds became fewer in B: a regression, whatever the others show
    ratio: Ratio | None = None
    adjusted_p: float | None = None  # by Holm; None: it was not judged, for want of rounds
    detectable: float | None = None  # the smallest change that could be seen, after the correction (0.02: 2 %)
    needed: int = 0  # rounds that it would take to judge it; 0: there are enough
    apart: str = ""  # "below" or "above": where all rounds of B are, far from all of A
    worse: bool = False  # by more than the margin, as far as could be judged

    @property
    def regressed(self) -> bool:
        return self.worse or bool(self.lost)


@dataclass(frozen=True)
class Comparison:
    changes: list[Change]
    only_in_b: list[str]  # cells
    warnings: list[str]  # why they may not be comparable at all


@dataclass
class Rounds:
    """Of one metric of one cell, in one run."""

    asked: int = 0
    values: list[float] = field(default_factory=list)  # of the valid ones
    problems: list[str] = field(default_factory=list)  # of invalid ones
    hidden: int = 0  # valid ones in which the instrument could not tell this metric: nobody's loss
    otherwise: str = "they gave no result"  # why there are fewer than asked for, when nothing was invalid

    @property
    def share(self) -> float:
        return (len(self.values) + self.hidden) / self.asked if self.asked else 0.0


def compare(a: Run, b: Run, metrics: Sequence[str], margin: float) -> Comparison:
    """Without metrics, the primary one of each load. Raises ValueError when nothing can be compared: other runners or
    cells; or an unknown metric."""
    if unknown := [name for name in metrics if name not in BY_NAME]:
        raise ValueError(f"there is no metric {unknown[0]!r}; there are {', '.join(BY_NAME)}")
    if a.environment.runner != b.environment.runner:
        raise ValueError("a figure from a container is never compared with a native one")
    before, after = _measured(a, metrics), _measured(b, metrics)
    planned = [key for key, rounds in before.items() if rounds.values and not _not_reached(b, after.get(key))]
    if not any(key in after for key in planned):
        raise ValueError("these two have no cell and metric in common")
    changes = _judged([_change(key, before[key], after.get(key, Rounds())) for key in planned], before, after, margin)
    only_in_b = {key[0] for key, rounds in after.items() if rounds.values and key not in planned}
    return Comparison(changes, sorted(only_in_b - {cell for cell, _ in planned}), _warnings(a, b, changes))


def _not_reached(run: Run, rounds: Rounds | None) -> bool:
    """It was cut short before: nobody's fault."""
    return run.state != "complete" and (rounds is None or not rounds.asked)


def primary(labels: Labels) -> str:
    """The one metric that answers what a load asks: clients that ask again when they are answered show how many
    requests a server can bear, a constant rate how long they take."""
    return "throughput" if labels.rate is None else "latency p99"


def _measured(run: Run, metrics: Sequence[str]) -> dict[Key, Rounds]:
    found: dict[Key, Rounds] = {}
    for part in run.parts:
        for step in _asked(run, part):
            for key in _keys(part, step, metrics):
                found.setdefault(key, Rounds()).asked += 1
        for result in part.results:
            values = MEASUREMENTS[part.measurement].values(result)
            for key in _keys(part, result.step, metrics):
                _count(found.setdefault(key, Rounds()), key[1], values.get(key[1]), result.problems)
        for failure in run.failures:
            for step in _asked(run, part):
                for key in _keys(part, step, metrics) if step.contestant == failure.contestant else []:
                    found[key].otherwise = failure.reason
    return found


def _asked(run: Run, part: Part) -> list[Step]:
    """Contestant by contestant. A run that was cut short was asked for what it has: the rest is nobody's fault."""
    cut_short = run.state != "complete"
    steps = [one.step for one in part.results] if cut_short else MEASUREMENTS[part.measurement].steps(part.settings)
    names = [one.name for one in part.settings.contestants]
    return sorted(steps, key=lambda step: names.index(step.contestant))


def _keys(part: Part, step: Step, metrics: Sequence[str]) -> list[Key]:
    labels = MEASUREMENTS[part.measurement].labels(step)
    usual = MEASUREMENTS[part.measurement].primary or primary(labels)
    return [(_cell(step.contestant, labels), name) for name in metrics or [usual]]


def _count(rounds: Rounds, name: str, value: float | None, problems: Sequence[str]) -> None:
    """A ratio takes values above 0, and finite ones."""
    if problems:
        rounds.problems += problems
    elif value is None:
        rounds.hidden += 1
        rounds.otherwise = f"{name} could not be told"
    elif 0 < value < math.inf:
        rounds.values.append(value)
    else:
        rounds.otherwise = f"{name} is {value:g}"


def _cell(contestant: str, labels: Labels) -> str:
    words = [contestant, labels.workload, f"-c{labels.connections}"]
    words += [] if labels.keep_alive else ["fresh"]
    words += [f"pipeline {labels.pipeline}"] if labels.pipeline != 1 else []
    words += [f"cpus {labels.cpus}"] if labels.cpus != 1 else []
    if labels.rate is None:
        return " ".join(words + ([f"by {labels.client}"] if labels.client not in ("", "wrk") else []))
    return " ".join([*words, f"{labels.rate:g}/s", *(["even"] if labels.arrivals == "even" else [])])


def _change(key: Key, before: Rounds, after: Rounds) -> Change:
    cell, name = key
    return Change(
        cell=cell,
        metric=name,
        unit=BY_NAME[name].unit,
        before=median(before.values),
        after=median(after.values) if after.values else None,
        rounds=(len(before.values), len(after.values)),
        unknown=f"{after.otherwise} in B" if after.hidden and not after.values else "",
        lost=_lost(before, after),
        ratio=differences.unpaired(after.values, before.values) if after.values else None,
        apart=_apart(before.values, after.values),
    )


def _lost(before: Rounds, after: Rounds) -> str:
    """Fewer rounds that were asked for are no loss; less than half the share of valid ones is."""
    if not after.asked:
        return "gone: B has no run of it"
    if 2 * after.share >= before.share:
        return ""
    missing = after.asked - len(after.values)
    lack = f"are invalid ({after.problems[0]})" if after.problems else f"have no value ({after.otherwise})"
    return f"{'half gone' if after.values else 'gone'}: {missing} of {after.asked} runs of B {lack}"


def _apart(before: Sequence[float], after: Sequence[float]) -> str:
    if not after:
        return ""
    if HUGE * max(after) < min(before):
        return "below"
    return "above" if min(after) > HUGE * max(before) else ""


def _judged(changes: list[Change], before: dict[Key, Rounds], after: dict[Key, Rounds], margin: float) -> list[Change]:
    ratios = {(one.cell, one.metric): one.ratio for one in changes if one.ratio}
    family = differences.family(ratios)
    adjusted = differences.holm({key: ratios[key].p for key in family})
    found = []
    for one in changes:
        key = one.cell, one.metric
        if key in adjusted:
            strict = differences.unpaired(after[key].values, before[key].values, len(family))
            worse = differences.regressed(ratios[key], adjusted[key], BY_NAME[one.metric].better == "more", margin)
            one = replace(one, adjusted_p=adjusted[key], detectable=differences.detectable(strict), worse=worse)
        elif one.ratio:
            one = replace(one, needed=differences.values_needed(*one.rounds, len(ratios)))
        found.append(one)
    return found


def status(found: Comparison) -> Exit:
    """gate: something got worse, or is gone. invalid: nothing could be judged for want of rounds, or something changed
    by more than a factor of two that could not be judged: it must not pass for unchanged. A table in which some cells
    have too few rounds and look alike is ok, because the main job has some on purpose."""
    if any(one.regressed for one in found.changes):
        return Exit.gate
    unjudged = [one for one in found.changes if one.needed or one.unknown]
    nothing = len(unjudged) == len(found.changes)
    return Exit.invalid if nothing or any(one.apart for one in unjudged) else Exit.ok


def _warnings(a: Run, b: Run, changes: Sequence[Change]) -> list[str]:
    found = [differences.AT_DIFFERENT_TIMES]
    for name in ("cpu_model", "kernel", "cpus"):
        mine, its = (getattr(run.environment, name) for run in (a, b))
        if mine != its:
            what = name.replace("_", " ")
            found.append(f"ANOTHER MACHINE: {what} {mine} and {its}; no change can be told from that.")
    found += [f"One of them is {run.state}." for run in (a, b) if run.state != "complete"]
    if unjudged := [one for one in changes if one.needed]:
        found.append(
            f"CANNOT TELL: {len(unjudged)} of {plural(len(changes), 'comparison')} have too few rounds to show any "
            "change, however large. They take no part in the correction: their number of rounds alone decided that, "
            "before any value was seen."
        )
    return found


def to_json(found: Comparison) -> str:
    """What the table says, in its words too; status is the program's."""
    changes = [{**asdict(one), "regressed": one.regressed, "words": " ".join(words(one))} for one in found.changes]
    return json.dumps({**asdict(found), "changes": changes, "status": status(found)}, indent=1) + "\n"


def words(one: Change) -> list[str]:
    """What the cell of the table says, line by line; how its rounds were lost stands below the table."""
    lines = [one.lost.partition(":")[0]] if one.lost else [f"cannot tell: {one.unknown}"] if one.unknown else []
    if one.ratio and one.needed:
        lines += [f"x {one.ratio.ratio:.2f}, all rounds of B {one.apart} all of A;"] if one.apart else []
        lines.append(f"cannot tell with {plural(one.ratio.rounds, 'round')}: {one.needed} are needed")
    elif one.ratio:
        lines.append(differences.describe(one.ratio, one.adjusted_p, one.detectable))
    return ["REGRESSION " + lines[0], *lines[1:]] if one.regressed else lines


def document(found: Comparison, before: str, after: str) -> Document:
    filled = table("", "metric", "before", "after", "change")
    for one in found.changes:
        new = DASH if one.after is None else number(one.after)
        filled.add_row(one.cell, f"{one.metric}, {one.unit}", number(one.before), new, "\n".join(words(one)))
    judged = sum(one.adjusted_p is not None for one in found.changes)
    notes = [
        *(f"{one.cell}, {one.metric}: {one.lost}." for one in found.changes if one.lost),
        f"Medians; change: after / before with its interval at {1 - ALPHA:.0%}, judged by Holm's correction over "
        f"{plural(judged, 'comparison')}; detectable: what a change must exceed to be seen among them.",
        *(one for one in found.warnings if one != differences.AT_DIFFERENT_TIMES),
        *(f"Only B has {cell}." for cell in found.only_in_b),
    ]
    head = [f"A, before: {before}", f"B, after: {after}"]
    return Document(head, [Section("What has changed?", filled, notes)], words=verdict(found))


def verdict(found: Comparison) -> list[str]:
    """How many got worse, and who; how many could not be told."""
    worse = [one for one in found.changes if one.regressed]
    unjudged = [one for one in found.changes if (one.needed or one.unknown) and not one.regressed]
    judged = len(found.changes) - len(unjudged)
    told = [f"{len(worse)} of {plural(judged, 'comparison')} got worse" + (f": {_named(worse)}." if worse else ".")]
    if unjudged:
        told.append(f"{plural(len(unjudged), 'comparison')} could not be judged.")
    if apart := [one for one in unjudged if one.apart]:
        told.append(f"Far from A with all rounds, which are too few to judge: {_named(apart)}.")
    return [*told, differences.AT_DIFFERENT_TIMES]


def _named(changes: Sequence[Change]) -> str:
    more = [f"{len(changes) - NAMED} more"] if len(changes) > NAMED else []
    return listed([one.cell for one in changes[:NAMED]] + more)
