"""The numbers of trials, for cells.csv. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from loadtest.engine.verb import Value
from loadtest.verbs.load.metrics import METRICS
from loadtest.verbs.load.results import Trial, TrialResults


def of(results: TrialResults) -> Iterator[Value]:
    for trial in results.trials:
        yield from _of_trial(results, trial)


def _of_trial(results: TrialResults, trial: Trial) -> Iterator[Value]:
    cell, contestant = trial.cell, results.settings.contestant(trial.cell.contestant)
    for metric in METRICS:
        value = metric.of(trial)
        if value is None:
            continue
        yield Value(
            contestant=cell.contestant,
            kind=contestant.kind.value,
            model=contestant.model or contestant.name,
            workload=cell.workload,
            connections=cell.connections,
            keep_alive=cell.keep_alive,
            pipeline=cell.pipeline,
            cpus=cell.cpus,
            rate=cell.rate,
            round=trial.round,
            valid=not trial.problems,
            metric=metric.name,
            value=float(value),
            unit=metric.unit,
        )
