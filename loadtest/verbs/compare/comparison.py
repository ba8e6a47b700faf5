"""Two results folders: what has changed, as far as two runs at different times can tell. Pure."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

from loadtest.document.document import Document, Section, table
from loadtest.document.figures import number
from loadtest.engine.metrics import BY_NAME, Value, values
from loadtest.engine.run import Run
from loadtest.statistics import differences


@dataclass(frozen=True)
class Change:
    """Of one metric of one cell: b / a."""

    cell: str
    metric: str
    unit: str
    before: float  # medians
    after: float
    ratio: differences.Ratio
    adjusted_p: float  # by Holm, over all changes of the comparison
    regressed: bool


@dataclass(frozen=True)
class Comparison:
    changes: list[Change]
    missing: list[str]  # cells that only one of them has
    warnings: list[str]  # why they may not be comparable at all


def compare(a: Run, b: Run, metrics: Sequence[str], margin: float) -> Comparison:
    """Raises ValueError when nothing can be compared: other runners or cells; or an unknown metric."""
    if unknown := [name for name in metrics if name not in BY_NAME]:
        raise ValueError(f"there is no metric {unknown[0]!r}; there are {', '.join(BY_NAME)}")
    if a.environment.runner != b.environment.runner:
        raise ValueError("a figure from a container is never compared with a native one")
    before, after = _values(a, metrics), _values(b, metrics)
    ratios = {key: differences.unpaired(after[key], before[key]) for key in before if key in after}
    if not ratios:
        raise ValueError("these two have no cell and metric in common")
    changes = []
    for key, p in differences.holm({key: ratio.p for key, ratio in ratios.items()}).items():
        (cell, name), ratio = key, ratios[key]
        worse = differences.regressed(ratio, p, BY_NAME[name].better == "more", margin)
        old, new = median(before[key]), median(after[key])
        changes.append(Change(cell, name, BY_NAME[name].unit, old, new, ratio, p, worse))
    missing = {cell for cell, _ in before.keys() ^ after.keys()} - {cell for cell, _ in ratios}
    return Comparison(changes, sorted(missing), _warnings(a, b, list(ratios.values())))


def _values(run: Run, metrics: Sequence[str]) -> dict[tuple[str, str], list[float]]:
    """Of the valid trials, by cell and metric; a ratio takes values above 0."""
    found: dict[tuple[str, str], list[float]] = {}
    for one in values(run):
        if one.metric.name in metrics and one.valid and one.value > 0:
            found.setdefault((_cell(one), one.metric.name), []).append(one.value)
    return found


def _cell(one: Value) -> str:
    labels = one.labels
    words = [one.contestant.name, labels.workload, f"-c{labels.connections}"]
    words += [] if labels.keep_alive else ["fresh"]
    words += [f"pipeline {labels.pipeline}"] if labels.pipeline != 1 else []
    words += [f"cpus {labels.cpus}"] if labels.cpus != 1 else []
    return " ".join(words + ([] if labels.rate is None else [f"{labels.rate:g}/s"]))


def _warnings(a: Run, b: Run, ratios: Sequence[differences.Ratio]) -> list[str]:
    found = [differences.AT_DIFFERENT_TIMES]
    for name in ("cpu_model", "kernel", "cpus"):
        mine, its = (getattr(run.environment, name) for run in (a, b))
        if mine != its:
            what = name.replace("_", " ")
            found.append(f"ANOTHER MACHINE: {what} {mine} and {its}; no change can be told from that.")
    found += [f"One of them is {run.state}." for run in (a, b) if run.state != "complete"]
    sentence = differences.too_few_rounds(ratios, interleaved=False)
    return found + ([f"Some changes cannot show: {sentence}."] if sentence else [])


def to_json(found: Comparison) -> str:
    return json.dumps(asdict(found), indent=1) + "\n"


def document(found: Comparison, before: str, after: str) -> Document:
    filled = table("", "metric", "before", "after", "change")
    for one in found.changes:
        change = ("REGRESSION " if one.regressed else "") + differences.describe(one.ratio, one.adjusted_p)
        filled.add_row(one.cell, f"{one.metric}, {one.unit}", number(one.before), number(one.after), change)
    notes = [
        "Medians; change: after / before with its interval at 95 %, judged by Holm's correction over the table.",
        *found.warnings,
        *(f"Only one of them has {cell}." for cell in found.missing),
    ]
    return Document([f"A, before: {before}", f"B, after: {after}"], [Section("What has changed?", filled, notes)])
