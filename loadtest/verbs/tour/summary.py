"""From results to the numbers of the tables. Pure: reads results only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from loadtest.clients.outcomes import Newcomers, Outcome
from loadtest.statistics import stats
from loadtest.statistics.stats import Estimate, estimate
from loadtest.verbs.tour.plan import Cell, Plan, contestants_of
from loadtest.verbs.tour.results import LoadRun, TourResults
from loadtest.verbs.tour.validity import crash_problem, unranked_reason

REFERENCE = "prefork"


@dataclass(frozen=True)
class LoadSummary:
    """One contestant under one load, over all rounds."""

    contestant: str
    all_runs: tuple[LoadRun, ...]
    runs: tuple[LoadRun, ...]  # the valid ones
    invalid: str  # why there are none; "" when there are some, or when nothing was measured
    unranked: str  # why its throughput has no place among the others'

    def estimate(self, value: Callable[[LoadRun], float]) -> Estimate:
        return estimate([value(run) for run in self.runs])

    def median(self, value: Callable[[LoadRun], float]) -> float:
        return median(map(value, self.runs))

    def ratio(self, reference: LoadSummary, value: Callable[[LoadRun], float]) -> Estimate | None:
        """To the reference, round by round, because what disturbs a round disturbs both."""
        ratios = stats.ratios(_by_round(self.runs, value), _by_round(reference.runs, value))
        return estimate(ratios) if ratios else None


def _by_round(runs: Sequence[LoadRun], value: Callable[[LoadRun], float]) -> dict[int, float]:
    return {run.round: value(run) for run in runs}


def summarize(results: TourResults, cell: Cell) -> dict[str, LoadSummary]:
    """By contestant, in the plan's order; those that were measured."""
    names = [contestant.name for contestant in contestants_of(results.settings, cell)]
    summaries = {name: _summarize(results, cell, name) for name in names}
    return {name: summary for name, summary in summaries.items() if summary.runs or summary.invalid}


def _summarize(results: TourResults, cell: Cell, name: str) -> LoadSummary:
    runs = [run for run in results.loads if run.contestant == name and run.cell == cell.name]
    valid = tuple(run for run in runs if not run.problems)
    invalid = runs[-1].problems[0] if runs and not valid else ""
    return LoadSummary(name, tuple(runs), valid, invalid, unranked_reason(valid, results.settings) if valid else "")


def reference_of(plan: Plan) -> str:
    names = [contestant.name for contestant in plan.contestants]
    return REFERENCE if REFERENCE in names else names[0]


def rate(run: LoadRun) -> float:
    return run.rate


def cpu_per_request(run: LoadRun) -> float:
    return run.cpu_per_request


def ranks(summaries: dict[str, LoadSummary], reference: str) -> dict[str, str]:
    """By throughput, where the server was the bottleneck and there were rounds enough for intervals."""
    if reference not in summaries:
        return {}
    intervals = {}
    for name, summary in summaries.items():
        ratio = summary.ratio(summaries[reference], rate)
        if not summary.unranked and ratio and ratio.interval:
            intervals[name] = ratio.interval
    return stats.ranks(intervals) if len(intervals) > 1 else {}


def all_newcomers(runs: Sequence[LoadRun]) -> Newcomers:
    """Of all these rounds together."""
    outcomes: dict[Outcome, int] = {}
    for run in runs:
        for outcome, count in run.newcomers.outcomes.items():
            outcomes[outcome] = outcomes.get(outcome, 0) + count
    return Newcomers(outcomes, [wait for run in runs for wait in run.newcomers.waits])


def invalid_runs(results: TourResults) -> list[LoadRun]:
    return [run for run in results.loads if run.problems]


def has_invalid_cell(results: TourResults) -> bool:
    """Some cell of the tables is a dash because what was measured is invalid."""
    loads = (summary.invalid for cell in results.settings.cells for summary in summarize(results, cell).values())
    return any(loads) or any(map(crash_problem, results.crashes))
