"""Two results folders: what has changed, as far as two runs at different times can tell. Pure."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from loadtest.document.document import Document, Section, table
from loadtest.document.figures import number
from loadtest.engine import cells
from loadtest.engine.cells import Value
from loadtest.engine.metrics import BY_NAME
from loadtest.engine.run import Run
from loadtest.statistics.differences import (
    AT_DIFFERENT_TIMES,
    Ratio,
    describe,
    holm,
    regressed,
    too_few_rounds,
    unpaired,
)


@dataclass(frozen=True)
class Change:
    """Of one metric of one cell: b / a."""

    cell: str
    metric: str
    unit: str
    before: float  # medians
    after: float
    ratio: Ratio
    adjusted_p: float  # by Holm, over all changes of the comparison
    regressed: bool


@dataclass(frozen=True)
class Comparison:
    changes: list[Change]
    missing: list[str]  # cells that only one of them has
    warnings: list[str]  # why they may not be comparable at all


def compare(a: Run, b: Run, metrics: Sequence[str], margin: float) -> Comparison:
    """Raises ValueError when nothing can be compared: other runners or cells; or an unknown metric."""
    unknown = [name for name in metrics if name not in BY_NAME]
    if unknown:
        raise ValueError(f"there is no metric {unknown[0]!r}; there are {', '.join(BY_NAME)}")
    if a.environment.runner != b.environment.runner:
        raise ValueError("a figure from a container is never compared with a native one")
    before, after = _values(a, metrics), _values(b, metrics)
    common = [key for key in before if key in after]
    if not common:
        raise ValueError("these two have no cell and metric in common")
    ratios = {key: unpaired(after[key], before[key]) for key in common}
    adjusted = holm({key: ratio.p for key, ratio in ratios.items()})
    changes = [_change(key, before[key], after[key], ratios[key], adjusted[key], margin) for key in common]
    missing = sorted({key[0] for key in before.keys() ^ after.keys()} - {key[0] for key in common})
    return Comparison(changes, missing, _warnings(a, b, changes))


def _change(
    key: tuple[str, str], before: list[float], after: list[float], ratio: Ratio, adjusted: float, margin: float
) -> Change:
    cell, name = key
    metric = BY_NAME[name]
    worse = regressed(ratio, adjusted, metric.more_is_better, margin)
    return Change(cell, name, metric.unit, median(before), median(after), ratio, adjusted, worse)


def _values(run: Run, metrics: Sequence[str]) -> dict[tuple[str, str], list[float]]:
    """Of the valid trials, by cell and metric; a ratio takes values above 0."""
    found: dict[tuple[str, str], list[float]] = {}
    for one in cells.values(run):
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


def _warnings(a: Run, b: Run, changes: Sequence[Change]) -> list[str]:
    found = [AT_DIFFERENT_TIMES]
    for name in ("cpu_model", "kernel", "cpus"):
        mine, its = getattr(a.environment, name), getattr(b.environment, name)
        if mine != its:
            what = name.replace("_", " ")
            found.append(f"ANOTHER MACHINE: {what} {mine} and {its}; no change can be told from that.")
    states = [results.state for results in (a, b) if results.state != "complete"]
    found += [f"One of them is {state}." for state in states]
    sentence = too_few_rounds([change.ratio for change in changes], interleaved=False)
    return found + ([f"Some changes cannot show: {sentence}."] if sentence else [])


def to_json(found: Comparison) -> str:
    return json.dumps(dataclasses.asdict(found), indent=1) + "\n"


def document(found: Comparison, before: str, after: str) -> Document:
    filled = table("", "metric", "before", "after", "change")
    for one in found.changes:
        mark = "REGRESSION " if one.regressed else ""
        change = mark + describe(one.ratio, one.adjusted_p)
        filled.add_row(one.cell, f"{one.metric}, {one.unit}", number(one.before), number(one.after), change)
    notes = [
        "Medians; change: after / before with its interval at 95 %, judged by Holm's correction over the table.",
        *found.warnings,
        *(f"Only one of them has {cell}." for cell in found.missing),
    ]
    section = Section("What has changed?", filled, notes)
    return Document([f"A, before: {before}", f"B, after: {after}"], [section])
