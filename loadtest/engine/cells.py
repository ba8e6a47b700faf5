"""cells.csv: the numbers of a run as tidy data, a line for each value. Pure."""

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from loadtest.contestants.contestants import Contestant
from loadtest.engine.metrics import BY_NAME, Labels, Metric
from loadtest.engine.run import Run
from loadtest.engine.verb import measurement_of

COLUMNS = (
    *("verb", "contestant", "kind", "model", "workload", "connections", "keep_alive", "pipeline", "cpus", "rate"),
    *("round", "valid", "metric", "value", "unit"),
)


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
        measurement = measurement_of(part)
        contestants = {one.name: one for one in part.settings.contestants}
        for result in part.results:
            step, valid = result.step, not result.problems
            labels = measurement.labels(step)
            for name, value in measurement.values(result).items():
                if value is not None:
                    yield Value(contestants[step.contestant], labels, step.round, valid, BY_NAME[name], float(value))


def csv_text(run: Run) -> str:
    """Without values the head alone."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_row(run.verb, value) for value in values(run))
    return text.getvalue()


def _row(verb: str, one: Value) -> dict[str, Any]:
    labels = one.labels
    return {
        **asdict(labels),
        "verb": verb,
        "contestant": one.contestant.name,
        "kind": one.contestant.kind.value,
        "model": one.contestant.model or one.contestant.name,
        "keep_alive": int(labels.keep_alive),
        "rate": "" if labels.rate is None else f"{labels.rate:g}",
        "round": one.round,
        "valid": int(one.valid),
        "metric": one.metric.name,
        "value": one.value,
        "unit": one.metric.unit,
    }
