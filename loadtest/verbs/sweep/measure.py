"""One step of a rate sweep: a search against a server of its own, and what both ends say of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from loadtest.engine.measurement import Bench, Measurement, stop
from loadtest.engine.run import Result
from loadtest.places.launch import ServerPlan
from loadtest.statistics.validity import too_much_cpu
from loadtest.system import MeasurementError, procfs
from loadtest.system.processes import describe_status
from loadtest.system.usage import Usage, Window
from loadtest.verbs.load import measure as load
from loadtest.verbs.load.plan import TrialStep
from loadtest.verbs.sweep import clients, plan, search
from loadtest.verbs.sweep.clients import Probe
from loadtest.verbs.sweep.plan import APART, Search, SweepSettings, SweepStep
from loadtest.verbs.sweep.search import Found

RATE = "highest rate"


@dataclass(kw_only=True)
class Highest(Result):
    """A disturbed probe is asked again in the search, so that no step is repeated for it."""

    step: SweepStep
    client_command: str  # of the first probe
    found: Found
    probes: list[Probe] = field(default_factory=list)  # all, in the order in which they were asked


def measure(bench: Bench, step: SweepStep) -> Highest:
    """Raises MeasurementError; also when the server dies."""
    settings, readings = bench.settings, list[Usage]()
    with bench.start(server(settings, step, bench.directory / "root")) as running:

        def look(moment: str) -> float:
            if running.has_ended():
                fate = f"{describe_status(stop(running).status)}{running.last_lines()}"
                raise MeasurementError(f"under load the server {fate}")
            now = running.usage()  # ticks of the dead are rounded down: by a tick, on average, for each that has some
            readings.append(now)
            return now.cpu_seconds + procfs.TICK * now.parents

        sought = running.ask(clients.seek, settings, Search(step, near(settings, step, bench.earlier)), look)
        ended = stop(running)
        problems = running.incidents()
        if ended.status != 0:
            problems.append(f"the server {describe_status(ended.status)}{running.last_lines()}")
    for probe, before, after in zip(sought.probes, readings[::2], readings[1::2], strict=True):
        probe.server_cpu_seconds = believable(Window(before, after), step.cell.cpus)
    if sought.found.rate is None:
        problems.append(f"no probe tells: {sought.probes[-1].reason}")
    return Highest(
        step=step,
        server_command=running.command,
        problems=problems,
        client_command=sought.command,
        found=sought.found,
        probes=sought.probes,
    )


def believable(window: Window, server_cpus: int) -> float | None:
    """CPU seconds of a probe, in the window around it. None where so many CPUs cannot have given them in it."""
    used = window.corrected
    return None if too_much_cpu(used, window.seconds, server_cpus, window.bearable(server_cpus)) else used


def near(settings: SweepSettings, step: SweepStep, earlier: Sequence[Highest]) -> float | None:
    """Where the rounds before, of the same cell, say that a search begins."""
    cell = [one for one in earlier if one.step.cell == step.cell and not one.problems]
    rates = [one.found.rate for one in cell if one.found.rate is not None]
    return search.beside(rates, APART, Random(f"{settings.seed} {step.round} {step.contestant}"))


def server(settings: SweepSettings, step: SweepStep, root: Path | None = None) -> ServerPlan:
    """As under a load of the same cell."""
    return load.server(settings, TrialStep(step.round, step.cell), root)


def values(result: Highest) -> Mapping[str, float | None]:
    """A search that met nothing has found less than all rates that it asked for."""
    rate = result.found.rate
    return {RATE: min(probe.rate for probe in result.probes) / APART if rate == 0 else rate}


def bounds(result: Highest) -> Collection[str]:
    """Where the client could ask for no more, nobody knows what the server can bear."""
    return [RATE] if result.found.at_least else []


SWEEP = Measurement(
    name="sweep",
    settings=SweepSettings,
    result=Highest,
    steps=plan.steps,
    seconds=plan.seconds,
    measure=measure,
    server=server,
    load=clients.commands,
    programs=("quartet-pace",),
    values=values,
    bounds=bounds,
    labels=plan.labels,
    primary=RATE,
)
