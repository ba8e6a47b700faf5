"""Two runs side by side: for each load that both have a plot of each metric, with both medians of each contestant.
Pure."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from loadtest.document.anchors import slugs
from loadtest.document.document import Axis, Mark, Plot, Section, Shape, Table
from loadtest.document.figures import DASH, number, plural
from loadtest.engine.measurement import MEASUREMENTS
from loadtest.engine.metrics import BY_NAME, Metric
from loadtest.engine.run import Labels, Part, Run
from loadtest.statistics.stats import estimate
from loadtest.verbs.load.results import Series

# The rest is in cells.csv: throughput is goodput where all is answered well, and other quantiles lie between these.
PLOTTED = (
    *("goodput", "highest rate", "cpu", "cpu user", "cpu system", "system calls"),
    *("voluntary switches", "involuntary switches"),
    *("latency p50", "latency p99", "latency p999", "unanswered", "pss", "anonymous"),
)
PLAIN = {
    "goodput": "good answers",
    "cpu": "CPU time",
    "cpu user": "CPU time in user space",
    "cpu system": "CPU time in the kernel",
    "latency p50": "latency, 50 %",
    "latency p99": "latency, 99 %",
    "latency p999": "latency, 99.9 %",
    "pss": "memory (PSS)",
    "anonymous": "heap and stack",
}
CAPTION = (
    "Two dots for each contestant: A and B, each the median of its valid rounds; the thin lines are intervals at 95 %. "
    "Whether A and B differ the dots do not judge: of the metrics in the table at the top it is judged there."
)


BOUND = "a lower bound"
WHY_BOUNDS = {
    "goodput": "the server could have answered more",
    "highest rate": "the client could not ask faster and the server could have answered more",
}


@dataclass
class Rounds:
    """Of one metric and one contestant under one load, in one run."""

    values: list[float] = field(default_factory=list)  # of valid rounds; infinite where it has no end
    bounds: int = 0  # of these, lower bounds
    rounds: int = 0  # invalid ones, too
    limit: str = ""  # why the server could have answered more


CHAPTER = "Side by side"
HOW_TABLE = "A | B: medians of the valid rounds; whether they differ is judged in the table at the top."

Found = dict[tuple[Labels, str], dict[str, Rounds]]  # by load and metric; by contestant


def sections(a: Run, b: Run) -> list[Section]:
    """A section for each load that both have."""
    before, after = found(a), found(b)
    shared: dict[Labels, list[Plot]] = {}
    names = slugs(f"{load(labels)} {name}" for labels, name in before)
    for name in PLOTTED:
        for key in (key for key in before if key[1] == name and key in after):
            marks = list(_marks(before[key], after[key]))
            if any(one.y for one in marks):
                shared.setdefault(key[0], []).append(_plot(names[f"{load(key[0])} {name}"], key, marks))
    anchors = slugs(map(load, shared))
    return [
        Section(
            f"A and B: {load(labels)}", _medians(plots), [HOW_TABLE], f"both-{anchors[load(labels)]}", plots, CHAPTER
        )
        for labels, plots in shared.items()
    ]


def _medians(plots: Sequence[Plot]) -> Table:
    """A row for each contestant, a column for each metric: A and B."""
    heads = ("", *(f"{plot.y.title}\n{plot.y.unit}" for plot in plots))
    filled = Table(heads, wide=True)
    shown = [{(mark.row, mark.part): _figure(mark) for mark in plot.marks} for plot in plots]
    for row in dict.fromkeys(mark.row for plot in plots for mark in plot.marks):
        filled.add_row(row, *(f"{cells.get((row, 'A'), DASH)} | {cells.get((row, 'B'), DASH)}" for cells in shown))
    return filled


def _figure(mark: Mark) -> str:
    return DASH if mark.y is None else f"{'>= ' if mark.note.startswith(BOUND) else ''}{number(mark.y)}"


def load(labels: Labels) -> str:
    """In short: "plaintext -c16 1000/s"."""
    words = [labels.workload, f"-c{labels.connections}"]
    words += [] if labels.keep_alive else ["fresh"]
    words += [f"pipeline {labels.pipeline}"] if labels.pipeline != 1 else []
    words += [f"cpus {labels.cpus}"] if labels.cpus != 1 else []
    words += [labels.objective] if labels.objective else []
    if labels.rate is None:
        return " ".join(words + ([f"by {labels.client}"] if labels.client not in ("", "wrk") else []))
    return " ".join([*words, f"{labels.rate:g}/s", *(["even"] if labels.arrivals == "even" else [])])


def found(run: Run) -> Found:
    """All rounds of all that has a value anywhere, contestants in the order of the settings."""
    everything: Found = {}
    for part in run.parts:
        limits = _limits(part)
        for one in part.settings.contestants:
            for result in part.of(one.name):
                labels = MEASUREMENTS[part.measurement].labels(part.settings, result.step)
                for name in MEASUREMENTS[part.measurement].values(result):
                    rounds = everything.setdefault((labels, name), {}).setdefault(one.name, Rounds())
                    _count(rounds, part, result, name)
                    rounds.limit = limits.get((one.name, labels), "") if name == "goodput" else ""
    return everything


def _count(rounds: Rounds, part: Part, result: object, name: str) -> None:
    kind = MEASUREMENTS[part.measurement]
    value, is_bound = kind.values(result).get(name), name in kind.bounds(result)
    rounds.rounds += 1
    if not getattr(result, "problems") and (value is not None or is_bound):
        rounds.values.append(math.inf if value is None else value)
        rounds.bounds += is_bound


def _limits(part: Part) -> dict[tuple[str, Labels], str]:
    """Why requests a second are a lower bound, of a closed loop."""
    if part.measurement != "load":
        return {}
    labels = MEASUREMENTS[part.measurement].labels
    return {
        (one.name, labels(part.settings, one.tried[0].step)): one.unranked
        for one in Series.of(part)
        if one.tried and one.cell.rate is None
    }


def _marks(before: Mapping[str, Rounds], after: Mapping[str, Rounds]) -> Iterator[Mark]:
    """Of contestants that both have."""
    for name in (name for name in before if name in after):
        yield _mark(name, "A", before[name])
        yield _mark(name, "B", after[name])


def _mark(name: str, side: str, rounds: Rounds) -> Mark:
    if not rounds.values:
        return Mark(name, y=None, part=side, note=f"none of {plural(rounds.rounds, 'round')} has a value")
    middle, interval = median(rounds.values), estimate(rounds.values).interval
    if math.isinf(middle):
        return Mark(name, y=None, part=side, note="longer than the clients waited")
    known = interval if interval and math.isfinite(interval.high) else None
    return Mark(
        name, y=middle, low=known.low if known else None, high=known.high if known else None, part=side,
        note=_note(rounds, bool(interval)),
    )  # fmt: skip


def _note(rounds: Rounds, has_interval: bool) -> str:
    valid = len(rounds.values)
    bound = BOUND if rounds.limit or 2 * rounds.bounds >= valid else ""
    told = plural(valid, "round") if valid == rounds.rounds else f"{valid} of {plural(rounds.rounds, 'round')}"
    return "; ".join(filter(None, [bound, told, rounds.limit, "" if has_interval else "indicative"]))


def _plot(name: str, key: tuple[Labels, str], marks: Sequence[Mark]) -> Plot:
    metric: Metric = BY_NAME[key[1]]
    title = PLAIN.get(metric.name, metric.name)
    why = WHY_BOUNDS.get(metric.name, "some requests were never answered well and may have taken any longer")
    bound = f" ≥: a lower bound, {why}." if any(one.note.startswith(BOUND) for one in marks) else ""
    return Plot(
        id=f"both-{name}",
        title=f"{title[0].upper()}{title[1:]}, {load(key[0])}",
        caption=f"{metric.better.capitalize()} is better. {CAPTION}{bound}",
        shape=Shape.dots,
        x=Axis("contestant"),
        y=Axis(title, metric.unit),
        marks=marks,
    )
