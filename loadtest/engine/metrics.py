"""Every number that has a name: in tables, comparisons, gates and the schema; and cells.csv, which holds those of a run
as tidy data, a line for each value. Pure."""

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from loadtest.contestants.contestants import Contestant
from loadtest.engine.measurement import MEASUREMENTS
from loadtest.engine.run import Labels, Run


@dataclass(frozen=True)
class Metric:
    name: str
    unit: str
    divided_by: str = ""  # what the sum is divided by
    more_is_better: bool = False

    @property
    def better(self) -> str:
        return "more" if self.more_is_better else "less"


LATENCIES = ("p50", "p90", "p99", "p999", "max", "mean")

SECONDS = "seconds of the load"
ANSWERS = "answers, newcomers' included"

METRICS = (
    Metric("throughput", "requests/s", SECONDS, more_is_better=True),
    Metric("goodput", "requests/s", SECONDS, more_is_better=True),
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
    """All that was measured of a metric."""
    for part in run.parts:
        measurement, settings = MEASUREMENTS[part.measurement], part.settings
        for result in part.results:
            step, valid = result.step, not result.problems
            for name, value in measurement.values(result).items():
                if value is not None:
                    who, labels = settings.contestant(step.contestant), measurement.labels(step)
                    yield Value(who, labels, step.round, valid, BY_NAME[name], float(value))


COLUMNS = (
    *("verb", "contestant", "kind", "model", "workload", "connections", "keep_alive", "pipeline", "cpus", "rate"),
    *("round", "valid", "metric", "value", "unit"),
)


def csv_text(run: Run) -> str:
    """Without values the head alone."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for one in values(run):
        row = {
            **asdict(one.labels),
            "verb": run.verb,
            "contestant": one.contestant.name,
            "kind": one.contestant.kind.value,
            "model": one.contestant.model or one.contestant.name,
            "keep_alive": int(one.labels.keep_alive),
            "rate": "" if one.labels.rate is None else f"{one.labels.rate:g}",
            "round": one.round,
            "valid": int(one.valid),
            "metric": one.metric.name,
            "value": one.value,
            "unit": one.metric.unit,
        }
        writer.writerow(row)
    return text.getvalue()
