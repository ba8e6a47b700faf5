"""cells.csv: the numbers of a run as tidy data, a line for each value. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from loadtest.contestants.contestants import Contestant
from loadtest.engine.metrics import BY_NAME, Labels, Metric
from loadtest.engine.run import Part, Run
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
        for result in part.results:
            yield from _of(part, result)


def _of(part: Part, result: Any) -> Iterator[Value]:
    step, measurement = result.step, measurement_of(part)
    contestant = next(one for one in part.settings.contestants if one.name == step.contestant)
    for name, value in measurement.values(result).items():
        if value is not None:
            yield Value(
                contestant, measurement.labels(step), step.round, not result.problems, BY_NAME[name], float(value)
            )


def csv_text(run: Run) -> str:
    """Without values the head alone."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_row(run.verb, value) for value in values(run))
    return text.getvalue()


def _row(verb: str, one: Value) -> dict[str, Any]:
    labels = asdict(one.labels)
    return {
        **labels,
        "verb": verb,
        "contestant": one.contestant.name,
        "kind": one.contestant.kind.value,
        "model": one.contestant.model or one.contestant.name,
        "keep_alive": int(one.labels.keep_alive),
        "rate": "" if one.labels.rate is None else f"{one.labels.rate:g}",
        "round": one.round,
        "valid": int(one.valid),
        "metric": one.metric.name,
        "value": repr(one.value),
        "unit": one.metric.unit,
    }
