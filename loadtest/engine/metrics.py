"""Every number that has a name: in tables, comparisons, gates and the schema; and cells.csv, which holds those of a run
as tidy data, a line for each value. Pure."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from loadtest.contestants.contestants import Contestant
from loadtest.engine.measurement import MEASUREMENTS
from loadtest.engine.run import Labels, Run


@dataclass(frozen=True)
class Metric:
    name: str
    unit: str
    divided_by: str = ""  # what the sum is divided by
    better: str = "less"  # or more


LATENCIES = ("p50", "p90", "p99", "p999", "max", "mean")

SECONDS = "seconds of the load"
ANSWERS = "answers, newcomers' included"

METRICS = (
    Metric("throughput", "requests/s", SECONDS, better="more"),
    Metric("goodput", "requests/s", SECONDS, better="more"),
    Metric("cpu", "us/request", ANSWERS),
    Metric("cpu user", "us/request", ANSWERS),
    Metric("cpu system", "us/request", ANSWERS),
    Metric("voluntary switches", "1/request", ANSWERS),
    Metric("involuntary switches", "1/request", ANSWERS),
    Metric("system calls", "1/request", ANSWERS),
    *(Metric(f"latency {name}", "ms") for name in LATENCIES),
    *(Metric(f"service {name}", "ms") for name in LATENCIES),
    Metric("pss", "MiB"),
    Metric("private", "MiB"),
    Metric("anonymous", "MiB"),
    Metric("unanswered", "1/request", "requests that were due"),
    Metric("highest rate", "requests/s", better="more"),
    *(Metric(f"{size} {name}", "ms") for size in ("short", "long") for name in ("p50", "p99", "mean")),
)
BY_NAME = {metric.name: metric for metric in METRICS}


@dataclass(frozen=True)
class Value:
    contestant: Contestant
    labels: Labels
    round: int
    valid: bool
    metric: Metric
    value: float


def values(run: Run) -> Iterator[Value]:
    """All that was measured of a metric. A bound is no value: a change of the client's limit would be taken for one of
    the server."""
    for part in run.parts:
        measurement, settings = MEASUREMENTS[part.measurement], part.settings
        for result in part.results:
            step, valid, bounds = result.step, not result.problems, measurement.bounds(result)
            for name, value in measurement.values(result).items():
                if value is not None and name not in bounds:
                    who, labels = settings.contestant(step.contestant), measurement.labels(settings, step)
                    yield Value(who, labels, step.round, valid, BY_NAME[name], float(value))


CELL = (  # columns that say of what a value is
    *("verb", "contestant", "kind", "model"),
    *("workload", "connections", "keep_alive", "pipeline", "cpus", "rate", "client", "arrivals", "objective"),
)
COLUMNS = (*CELL, "round", "valid", "metric", "value", "unit")


def csv_text(run: Run) -> str:
    """Without values the head alone."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for chapter in run.chapters:
        for one in values(chapter):
            what = (one.round, int(one.valid), one.metric.name, one.value, one.metric.unit)
            writer.writerow([*cell(chapter.verb, one), *what])
    return text.getvalue()


def cell(verb: str, one: Value) -> tuple[object, ...]:
    who, load = one.contestant, one.labels
    rate = "" if load.rate is None else f"{load.rate:g}"
    return (
        *(verb, who.name, who.kind.value, who.model or who.name),
        *(load.workload, load.connections, int(load.keep_alive), load.pipeline, load.cpus, rate),
        *(load.client, load.arrivals, load.objective),
    )
