"""cells.csv: the numbers of a run as tidy data, a line for each value. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from loadtest.results import LoadRun, Results
from loadtest.trial.measured import Trial, TrialResults
from loadtest.trial.metrics import METRICS

COLUMNS = (
    *("verb", "contestant", "kind", "model", "workload", "connections", "keep_alive", "pipeline", "cpus", "rate"),
    *("round", "valid", "metric", "value", "unit"),
)

Row = dict[str, Any]


def csv_text(results: Any) -> str:
    """Of any verb; one without values gives the head alone."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(results))
    return text.getvalue()


def rows(results: Any) -> Iterator[Row]:
    match results:
        case TrialResults():
            for trial in results.trials:
                yield from _of_trial(results, trial)
        case Results():
            for run in results.loads:
                yield from _of_load(results, run)


def _of_trial(results: TrialResults, trial: Trial) -> Iterator[Row]:
    cell, contestant = trial.cell, results.settings.contestant(trial.cell.contestant)
    common = {
        "verb": results.verb,
        "contestant": cell.contestant,
        "kind": contestant.kind.value,
        "model": contestant.model or contestant.name,
        "workload": cell.workload,
        "connections": cell.connections,
        "keep_alive": int(cell.keep_alive),
        "pipeline": cell.pipeline,
        "cpus": cell.cpus,
        "rate": "" if cell.rate is None else f"{cell.rate:g}",
        "round": trial.round,
        "valid": int(not trial.problems),
    }
    for metric in METRICS:
        if (value := metric.of(trial)) is not None:
            yield {**common, "metric": metric.name, "value": repr(float(value)), "unit": metric.unit}


def _of_load(results: Results, run: LoadRun) -> Iterator[Row]:
    """Of the main job."""
    plan = results.plan
    model = run.contestant.partition(" +")[0]
    common = {
        "verb": results.verb,
        "contestant": run.contestant,
        "kind": "model",
        "model": model,
        "workload": run.cell,
        "connections": plan.connections,
        "keep_alive": 1,
        "pipeline": 1,
        "cpus": len(plan.cpus.server),
        "round": run.round,
        "valid": int(not run.problems),
    }
    values = [("throughput", run.rate, "requests/s")]
    if run.wrk.requests:
        values.append(("cpu", run.cpu_per_request * 1e6, "us/request"))
    if run.wrk.latency:
        latency = run.wrk.latency
        times = {"p50": latency.median, "p99": latency.p99, "max": latency.max}
        values += [(f"latency {name}", microseconds / 1000, "ms") for name, microseconds in times.items()]
    for name, value, unit in values:
        yield {**common, "metric": name, "value": repr(float(value)), "unit": unit}
