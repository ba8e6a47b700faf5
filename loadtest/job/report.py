"""Results in, text out: one table for each question, and below it what can mislead. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from loadtest.job import report_loads, report_once
from loadtest.job.report_loads import ROUNDS_FOR_INTERVALS
from loadtest.job.summary import invalid_runs
from loadtest.results import Environment, Results
from loadtest.statistics import validity
from loadtest.system.cpu_sets import CpuSets
from loadtest.text import Section, plural, render_section, wrap


def render(results: Results, width: int = 100) -> str:
    """The whole report, without colour."""
    parts = [wrap(_header(results), width, "")]
    sections = [section for make in SECTIONS if (section := make(results))]
    parts += [render_section(_labelled(section, results), width) for section in sections]
    parts.append("\n".join(wrap([line], width, "") for line in _closing(results)))
    return "\n".join(part for part in parts if part) + "\n"


def _labelled(section: Section, results: Results) -> Section:
    """A figure from a container says so: none stands beside a native one."""
    where = results.environment.runner
    return section if where == "local" else replace(section, title=f"{section.title} [{where}]")


def _header(results: Results) -> list[str]:
    plan = results.plan
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


def describe_machine(environment: Environment, cpus: CpuSets) -> str:
    model = environment.cpu_model + (" (virtual)" if environment.virtual else "")
    return (
        f"{model}, {plural(environment.cpus, 'CPU')}: {describe_sets(cpus)}; "
        f"Linux {environment.kernel}, {environment.system}; load average {environment.load_average:.1f} at the start."
    )


def describe_sets(cpus: CpuSets) -> str:
    if cpus.server == cpus.load:
        return "server and load share it"
    shared = ", which they share" if cpus.shared else ""
    return f"server on CPU {_list(cpus.server)}, load on CPU {_list(cpus.load)}{shared}"


def describe_place(environment: Environment) -> list[str]:
    if environment.runner == "local":
        return []
    return [
        f"IN DOCKER: {environment.place}. Compare these figures with each other, never with native ones.",
    ]


def _list(cpus: Sequence[int]) -> str:
    return ", ".join(map(str, cpus))


def _closing(results: Results) -> list[str]:
    lines = [""]
    lines += [f"FAILED {one.contestant} ({one.step}; left out after it): {one.reason}" for one in results.failures]
    for one in invalid_runs(results):
        lines.append(f"INVALID {one.contestant}, round {one.round}, {one.cell}: {'; '.join(one.problems)}")
    lines += _disturbances(results)
    if results.state == "interrupted":
        lines.append("INTERRUPTED: the tables hold what was measured until then.")
    lines.append(f"Measured in {results.seconds:.0f} s.")
    return lines


def _disturbances(results: Results) -> list[str]:
    disturbed = [run for run in results.loads if run.disturbance.worst > validity.DISTURBED]
    repeated = sum(run.repeats for run in results.loads)
    lines = []
    if repeated:
        lines.append(f"Other load on our CPUs: {plural(repeated, 'run')} thrown away and repeated.")
    if disturbed:
        worst = max(run.disturbance.worst for run in disturbed)
        lines.append(
            f"DISTURBED: in {len(disturbed)} of {len(results.loads)} load runs others took more than "
            f"{validity.DISTURBED:.0%} of a CPU, at worst {worst:.0%}. Repeat on a quiet machine."
        )
    return lines + validity.unseen([run.disturbance for run in results.loads])


SECTIONS: Sequence[Callable[[Results], Section | None]] = (
    report_loads.throughput,
    report_loads.ballast,
    report_loads.latency,
    report_loads.cpu_time,
    report_loads.newcomers,
    report_once.crowd,
    report_once.memory,
    report_once.crashes,
)
