"""TourResults in, text out: one table for each question, and below it what can mislead. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from loadtest.document.document import Document, Section
from loadtest.document.figures import plural
from loadtest.engine.header import describe_machine, describe_place
from loadtest.statistics.validity import DISTURBED
from loadtest.system import cpus
from loadtest.verbs.tour import report_loads, report_once
from loadtest.verbs.tour.report_loads import ROUNDS_FOR_INTERVALS
from loadtest.verbs.tour.results import TourResults
from loadtest.verbs.tour.summary import invalid_runs


def document(results: TourResults) -> Document:
    found = [section for make in SECTIONS if (section := make(results))]
    return Document(_header(results), [_labelled(section, results) for section in found], _closing(results))


def _labelled(section: Section, results: TourResults) -> Section:
    """A figure from a container says so: none stands beside a native one."""
    where = results.environment.runner
    return section if where == "local" else replace(section, title=f"{section.title} [{where}]")


def _header(results: TourResults) -> list[str]:
    plan = results.settings
    lines = [
        describe_machine(results.environment, plan.cpus),
        *describe_place(results.environment),
        f"wrk: {plan.connections} connections, {plan.duration} s, in {plural(plan.rounds, 'interleaved round')}; every "
        f"run has a fresh server. Routes: {', '.join(cell.path for cell in plan.cells)}.",
        f"Pools have {plan.workers} workers: one for each connection, one for newcomers, one for /stats.",
    ]
    if plan.rounds < ROUNDS_FOR_INTERVALS:
        lines.append(
            f"INDICATIVE: {plan.rounds} of the {ROUNDS_FOR_INTERVALS} rounds that an interval takes. "
            "Medians only; no ranks."
        )
    return lines


def _closing(results: TourResults) -> list[str]:
    lines = [f"FAILED {one.contestant} ({one.step}; left out after it): {one.reason}" for one in results.failures]
    for one in invalid_runs(results):
        lines.append(f"INVALID {one.contestant}, round {one.round}, {one.cell}: {'; '.join(one.problems)}")
    lines += _disturbances(results)
    if results.state == "interrupted":
        lines.append("INTERRUPTED: the tables hold what was measured until then.")
    lines.append(f"Measured in {results.seconds:.0f} s.")
    return lines


def _disturbances(results: TourResults) -> list[str]:
    disturbed = [run for run in results.loads if run.disturbance.worst > DISTURBED]
    repeated = sum(run.repeats for run in results.loads)
    lines = []
    if repeated:
        lines.append(f"Other load on our CPUs: {plural(repeated, 'run')} thrown away and repeated.")
    if disturbed:
        worst = max(run.disturbance.worst for run in disturbed)
        lines.append(
            f"DISTURBED: in {len(disturbed)} of {len(results.loads)} load runs others took more than "
            f"{DISTURBED:.0%} of a CPU, at worst {worst:.0%}. Repeat on a quiet machine."
        )
    return lines + cpus.unseen([run.disturbance for run in results.loads])


SECTIONS: Sequence[Callable[[TourResults], Section | None]] = (
    report_loads.throughput,
    report_loads.ballast,
    report_loads.latency,
    report_loads.cpu_time,
    report_loads.newcomers,
    report_once.crowd,
    report_once.memory,
    report_once.crashes,
)
