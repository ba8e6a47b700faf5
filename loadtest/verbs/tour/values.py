"""The numbers of the main job's loads, for cells.csv. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from loadtest.engine.verb import Value
from loadtest.verbs.tour.results import LoadRun, TourResults


def of(results: TourResults) -> Iterator[Value]:
    plan = results.settings
    for run in results.loads:
        for metric, value, unit in _metrics(run):
            yield Value(
                contestant=run.contestant,
                kind="model",
                model=run.contestant.partition(" +")[0],
                workload=run.cell,
                connections=plan.connections,
                cpus=len(plan.cpus.server),
                round=run.round,
                valid=not run.problems,
                metric=metric,
                value=float(value),
                unit=unit,
            )


def _metrics(run: LoadRun) -> Iterator[tuple[str, float, str]]:
    yield "throughput", run.rate, "requests/s"
    if run.wrk.requests:
        yield "cpu", run.cpu_per_request * 1e6, "us/request"
    if latency := run.wrk.latency:
        for name, microseconds in (("p50", latency.median), ("p99", latency.p99), ("max", latency.max)):
            yield f"latency {name}", microseconds / 1000, "ms"
