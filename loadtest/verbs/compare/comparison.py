"""Two results folders: what has changed, as far as two runs at different times can tell. Pure.

One metric is compared for each contestant and load, unless more are asked for. Of these comparisons, only the ones
that have rounds enough share Holm's correction (`differences.family`); of the others the table says how many rounds it
would take, never that there is no difference.
"""

import json
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import median

from loadtest.document.document import Caveat, Document, Section, said, table
from loadtest.document.figures import DASH, listed, number, plural
from loadtest.engine.measurement import MEASUREMENTS, Step, describe
from loadtest.engine.metrics import BY_NAME
from loadtest.engine.report import looks
from loadtest.engine.run import Exit, Labels, Part, Run
from loadtest.statistics import differences
from loadtest.statistics.differences import ALPHA, Ratio
from loadtest.verbs.compare import machines, plots, verdicts

HUGE = 2  # times: so far outside the range of A, all rounds of B are worth a word even where no test can tell

GOODPUT, P99 = "goodput", "latency p99"

METHOD = (
    "A and B are two runs, each with interleaved rounds of its own; between them nothing is interleaved. Each change "
    "is the ratio of B to A with an interval at 95 %, judged by the exact rank-sum test, with Holm's correction over "
    "all comparisons that have rounds enough.",
    "That test assumes that nothing but the server changed between the two. On made-up machines that drift it calls "
    "equal servers different in more than half of all tries. Where it matters, measure A and B once more, in turn.",
)

NAMED = 4  # cells that got worse, by name above the table

Key = tuple[str, str]  # cell and metric


@dataclass(frozen=True)
class Change:
    """Of one metric of one cell: b / a, with as much as its rounds can tell."""

    cell: str
    metric: str
    unit: str
    before: float | None  # medians of the valid rounds
    after: float | None  # None: there is no valid one
    at_least: tuple[bool, bool]  # whether these two are only lower bounds
    rounds: tuple[int, int]  # valid ones of A and of B
    unknown: str = ""  # why nobody can tell, by no fault of the server's
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
    bounds: list[float] = field(default_factory=list)  # of the valid ones, too, which may have been any higher
    endless: int = 0  # valid ones that are higher than anybody knows: too few requests were answered well
    problems: list[str] = field(default_factory=list)  # of invalid ones
    hidden: int = 0  # valid ones in which the instrument could not tell this metric: nobody's loss
    otherwise: str = "they gave no result"  # why there are fewer than asked for, when nothing was invalid

    @property
    def all(self) -> list[float]:
        return self.values + self.bounds

    @property
    def share(self) -> float:
        return (len(self.all) + self.hidden) / self.asked if self.asked else 0.0

    @property
    def is_bound(self) -> bool:
        return 2 * len(self.bounds) >= len(self.all) > 0

    @property
    def tells(self) -> bool:
        """Most of it are values, or would be without the instrument's faults."""
        without = len(self.bounds) + self.endless
        return not without or without < len(self.values) + self.hidden


def compare(a: Run, b: Run, metrics: Sequence[str], margin: float) -> Comparison:
    """Without metrics, the primary one of each load. Raises ValueError when nothing can be compared: other runners or
    cells; or an unknown metric."""
    if unknown := [name for name in metrics if name not in BY_NAME]:
        raise ValueError(f"there is no metric {unknown[0]!r}; there are {', '.join(BY_NAME)}")
    refuse_other_runners(a, b)
    for run in (a, b):
        if not any(MEASUREMENTS[part.measurement].has_values for part in run.parts):
            raise ValueError(f"{run.verb} has no figures that could be compared")
    before, after = _measured(a, metrics), _measured(b, metrics)
    chosen = list(before) if metrics else _chosen(before, after)
    known = [key for key in chosen if before[key].all or (before[key].hidden and key in after and after[key].all)]
    planned = [key for key in known if not _not_reached(b, after.get(key))]
    if not any(key in after for key in planned):
        hidden = [before[key].otherwise for key in chosen if key in after and before[key].hidden]
        raise ValueError("these two have no cell and metric in common" + (f": {hidden[0]} in A" if hidden else ""))
    changes = _judged([_change(key, before[key], after.get(key, Rounds())) for key in planned], before, after, margin)
    only_in_b = {cell for (cell, _), rounds in after.items() if rounds.all} - {cell for cell, _ in before}
    otherwise = [cell for cell, name in planned if not metrics and (cell, P99) in before and name != P99]
    lacking = {cell for (cell, _), rounds in after.items() if rounds.all} - only_in_b - {cell for cell, _ in planned}
    warnings = [*_warnings(a, b, changes), *_by_goodput(otherwise, before, after), *_not_compared(sorted(lacking))]
    return Comparison(changes, sorted(only_in_b), warnings)


def refuse_other_runners(a: Run, b: Run) -> None:
    """Raises ValueError."""
    if a.environment.runner != b.environment.runner:
        raise ValueError("a figure from a container is never compared with a native one")


def _not_reached(run: Run, rounds: Rounds | None) -> bool:
    """It was cut short before: nobody's fault."""
    return run.state != "complete" and (rounds is None or not rounds.asked)


def primary(labels: Labels) -> list[str]:
    """The metrics that answer what a load asks: clients that ask again when they are answered show how many requests a
    server can bear, a constant rate how long they take. Of several, the first that both runs tell: where one request in
    a hundred is not answered well, it is the number of those that are."""
    return [GOODPUT] if labels.rate is None else [P99, GOODPUT]


def _chosen(before: dict[Key, Rounds], after: dict[Key, Rounds]) -> list[Key]:
    """One for each cell."""
    cells: dict[str, list[Key]] = {}
    for key in before:
        cells.setdefault(key[0], []).append(key)
    told = {
        key
        for key in before
        if before[key].tells and (key not in after or after[key].tells) and not _is_hidden(key, before, after)
    }
    return [next((key for key in keys if key in told), keys[-1]) for keys in cells.values()]


def _is_hidden(key: Key, before: dict[Key, Rounds], after: dict[Key, Rounds]) -> bool:
    """By the instrument, in both runs."""
    return all(key in one and one[key].hidden and not one[key].all for one in (before, after))


def _measured(run: Run, metrics: Sequence[str]) -> dict[Key, Rounds]:
    found: dict[Key, Rounds] = {}
    failed = _failed(run)
    for part in run.parts:
        measurement = MEASUREMENTS[part.measurement]
        for step in _asked(run, part, failed):
            for key in _keys(part, step, metrics):
                found.setdefault(key, Rounds()).asked += 1
                found[key].otherwise = failed.get(measurement.key(step), found[key].otherwise)
        for result in part.results:
            values, bounds = measurement.values(result), measurement.bounds(result)
            for key in _keys(part, result.step, metrics):
                _count(found.setdefault(key, Rounds()), key[1], values.get(key[1]), key[1] in bounds, result.problems)
    return found


def _failed(run: Run) -> dict[Hashable, str]:
    """Why, by the key of the steps that were left out from there on."""
    reasons = {one.step: one.reason for one in run.failures}
    everything = ((MEASUREMENTS[part.measurement], part.settings) for part in run.parts) if reasons else []
    return {
        measurement.key(step): reasons[describe(step)]
        for measurement, settings in everything
        for step in measurement.steps(settings)
        if describe(step) in reasons
    }


def _asked(run: Run, part: Part, failed: Mapping[Hashable, str]) -> list[Step]:
    """Contestant by contestant. A run that was cut short was asked for what it has, and for all of those that failed:
    the rest is nobody's fault."""
    measurement, done = MEASUREMENTS[part.measurement], {one.step for one in part.results}
    steps = measurement.steps(part.settings)
    if run.state != "complete":
        steps = [step for step in steps if step in done or measurement.key(step) in failed]
    names = [one.name for one in part.settings.contestants]
    return sorted(steps, key=lambda step: names.index(step.contestant))


def _keys(part: Part, step: Step, metrics: Sequence[str]) -> list[Key]:
    measurement = MEASUREMENTS[part.measurement]
    labels = measurement.labels(part.settings, step)
    usual = [measurement.primary] if measurement.primary else primary(labels)
    return [(_cell(step.contestant, labels), name) for name in metrics or usual]


def _count(rounds: Rounds, name: str, value: float | None, is_bound: bool, problems: Sequence[str]) -> None:
    """A ratio takes values above 0, and finite ones."""
    if problems:
        rounds.problems += problems
    elif value is None and is_bound:
        rounds.endless += 1
        rounds.otherwise = "too few requests were answered well"
    elif value is None:
        rounds.hidden += 1
        rounds.otherwise = f"{name} could not be told"
    elif 0 < value < math.inf:
        (rounds.bounds if is_bound else rounds.values).append(value)
    else:
        rounds.otherwise = f"{name} is {value:g}"


def _cell(contestant: str, labels: Labels) -> str:
    return f"{contestant} {plots.load(labels)}"


def _change(key: Key, before: Rounds, after: Rounds) -> Change:
    cell, name = key
    mine, its = _series(name, before, after)
    return Change(
        cell=cell,
        metric=name,
        unit=BY_NAME[name].unit,
        before=median(before.all) if before.all else None,
        after=median(after.all) if after.all else None,
        at_least=(before.is_bound, after.is_bound),
        rounds=(len(mine), len(its)),
        unknown=_unknown(name, before, after),
        lost=_lost(before, after),
        ratio=differences.unpaired(its, mine) if mine and its else None,
        apart=_apart(mine, its),
    )


def _series(name: str, before: Rounds, after: Rounds) -> tuple[list[float], list[float]]:
    """Of A and of B, as they are judged. A bound stands for any higher value: where that is to B's credit, it is taken
    to be no lower than all of the other run, so that nobody is called worse by it."""
    if BY_NAME[name].better == "more":
        return before.all, after.values + [max([bound, *before.all]) for bound in after.bounds]
    return before.values + [max([bound, *after.all]) for bound in before.bounds], after.all


def _unknown(name: str, before: Rounds, after: Rounds) -> str:
    for rounds, where in ((before, "A"), (after, "B")):
        if rounds.hidden and not rounds.all:
            return f"{rounds.otherwise} in {where}"
    bound, other, where = (after, before, "B") if BY_NAME[name].better == "more" else (before, after, "A")
    if not bound.is_bound or not other.all:
        return ""
    better = median(bound.all) > median(other.all) and not other.is_bound
    return "" if better else f"{name} is only a lower bound in {where}"


def _lost(before: Rounds, after: Rounds) -> str:
    """Fewer rounds that were asked for are no loss; half the share of valid ones, or less, is."""
    if not after.asked:
        return "gone: B has no run of it"
    if 2 * after.share > before.share:
        return ""
    missing = after.asked - len(after.all)
    lack = f"are invalid ({after.problems[0]})" if after.problems else f"have no value ({after.otherwise})"
    return f"{'half gone' if after.all else 'gone'}: {missing} of {after.asked} runs of B {lack}"


def _apart(before: Sequence[float], after: Sequence[float]) -> str:
    if not before or not after:
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
            mine, its = _series(one.metric, before[key], after[key])
            strict = differences.unpaired(its, mine, len(family))
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


def _by_goodput(cells: Sequence[str], before: dict[Key, Rounds], after: dict[Key, Rounds]) -> list[str]:
    """Why they are not compared by p99."""
    hidden = [cell for cell in cells if _is_hidden((cell, P99), before, after)]
    reasons = {
        "p99 is unknown where more than one request in a hundred is not answered well": [
            cell for cell in cells if cell not in hidden
        ],
        "p99 could not be told in either run": hidden,
    }
    return [f"By goodput, since {why}: {', '.join(those)}." for why, those in reasons.items() if those]


def _not_compared(cells: Sequence[str]) -> list[str]:
    return [f"Not compared, since A has no valid figure of it: {', '.join(cells)}."] if cells else []


def to_json(found: Comparison) -> str:
    """What the table says, in its words too; status is the program's."""
    changes = [{**asdict(one), "regressed": one.regressed, "words": " ".join(words(one))} for one in found.changes]
    return json.dumps({**asdict(found), "changes": changes, "status": status(found)}, indent=1) + "\n"


def words(one: Change) -> list[str]:
    """What the cell of the table says, line by line; how its rounds were lost stands below the table."""
    lines = [one.lost.partition(":")[0]] if one.lost else []
    if one.unknown and not one.worse:
        lines = lines or [f"cannot tell: {one.unknown}"]
    elif one.ratio and one.needed:
        lines += [f"x {one.ratio.ratio:.2f}, all rounds of B {one.apart} all of A;"] if one.apart else []
        lines.append(f"cannot tell with {plural(one.ratio.rounds, 'round')}: {one.needed} are needed")
    elif one.ratio:
        lines.append(differences.describe(one.ratio, one.adjusted_p, one.detectable))
    return ["REGRESSION " + lines[0], *lines[1:]] if one.regressed else lines


def document(found: Comparison, before: str, after: str) -> Document:
    filled = table("", "metric", "before", "after", "change")
    for one in found.changes:
        old, new = (_figure(*each) for each in zip((one.before, one.after), one.at_least))
        filled.add_row(one.cell, f"{one.metric}, {one.unit}", old, new, "\n".join(words(one)))
    judged = sum(one.adjusted_p is not None for one in found.changes)
    notes = [
        *(f"{one.cell}, {one.metric}: {one.lost}." for one in found.changes if one.lost),
        f"Medians; change: after / before with its interval at {1 - ALPHA:.0%}, judged by Holm's correction over "
        f"{plural(judged, 'comparison')}; detectable: what a change must exceed to be seen among them.",
        *(one for one in found.warnings if one != differences.AT_DIFFERENT_TIMES),
        *_only_in_b(found.only_in_b),
    ]
    head = [f"A, before: {before}", f"B, after: {after}"]
    return Document(head, [Section("What has changed?", filled, notes)], words=[said(one) for one in verdict(found)])


MOST_NAMED = 6  # cells in a sentence


def _only_in_b(cells: Sequence[str]) -> list[str]:
    named, more = cells[:MOST_NAMED], len(cells) - MOST_NAMED
    others = [f"{plural(more, 'other')}"] if more > 0 else []
    return [f"Only B has {listed([*named, *others])}."] if cells else []


def page(a: Run, b: Run, before: str, after: str, metrics: Sequence[str] = (), margin: float = 0.0) -> Document:
    """Both side by side, with plots; `before` and `after` are the names of their folders. Raises ValueError, as
    compare() does, but not where both have verdicts on faults and nothing else."""
    refuse_other_runners(a, b)
    of_faults = verdicts.section(a, b)
    nothing_else = not any(MEASUREMENTS[part.measurement].has_values for part in (*a.parts, *b.parts))
    found = Comparison([], [], []) if of_faults and nothing_else else compare(a, b, metrics, margin)
    changes = [replace(one, id="changes") for one in document(found, before, after).sections if found.changes]
    faults = [of_faults] if of_faults else []
    return Document(
        [f"A, before: {before}", f"B, after: {after}"],
        [*changes, *faults, *plots.sections(a, b), machines.section(a, b, before, after)],
        words=[*(said(one, "changes") for one in _judgement(found)), *(said(one.notes[0], one.id) for one in faults)],
        title="What has changed between two runs?",
        caveats=[*machines.caveats(a, b), *_unjudged(found)],
        commands=machines.commands(a, b, before, after),
        method=METHOD,
        looks={**looks(b), **looks(a)},
    )


def _judgement(found: Comparison) -> list[str]:
    """The verdict without what a caveat says."""
    return [one for one in verdict(found) if one != differences.AT_DIFFERENT_TIMES] if found.changes else []


def _unjudged(found: Comparison) -> list[Caveat]:
    few = [one for one in found.changes if one.needed]
    if not few:
        return []
    return [
        Caveat(
            "CANNOT TELL",
            f"{len(few)} of {plural(len(found.changes), 'comparison')} have too few rounds to show any change.",
            "They are not shown to be equal.",
        )
    ]


def _figure(value: float | None, at_least: bool) -> str:
    return DASH if value is None else f"{'>= ' if at_least else ''}{number(value)}"


def verdict(found: Comparison) -> list[str]:
    """How many got worse, and who; how many could not be told."""
    worse = [one for one in found.changes if one.regressed]
    unjudged = [one for one in found.changes if (one.needed or one.unknown) and not one.regressed]
    judged = len(found.changes) - len(unjudged)
    told = [f"{len(worse)} of {plural(judged, 'comparison')} got worse" + (f": {_named(worse)}." if worse else ".")]
    if unjudged:
        needed = max(one.needed for one in unjudged)
        told.append(
            f"{plural(len(unjudged), 'comparison')} could not be judged"
            + (f": {plural(needed, 'round')} of each are needed." if needed else ".")
        )
    if apart := [one for one in unjudged if one.apart]:
        told.append(f"Far from A with all rounds, which are too few to judge: {_named(apart)}.")
    return [*told, differences.AT_DIFFERENT_TIMES]


def _named(changes: Sequence[Change]) -> str:
    more = [f"{len(changes) - NAMED} more"] if len(changes) > NAMED else []
    return listed([one.cell for one in changes[:NAMED]] + more)
