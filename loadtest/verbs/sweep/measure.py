"""One step of a rate sweep: a search against a server of its own, and what both ends say of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from loadtest.engine.measurement import Bench, Measurement, stop
from loadtest.engine.run import Result
from loadtest.places.launch import ServerPlan
from loadtest.system import MeasurementError, procfs
from loadtest.system.processes import describe_status
from loadtest.verbs.load import measure as load
from loadtest.verbs.load.plan import TrialStep
from loadtest.verbs.sweep import clients, plan
from loadtest.verbs.sweep.clients import Probe
from loadtest.verbs.sweep.plan import SweepSettings, SweepStep
from loadtest.verbs.sweep.search import Found


@dataclass(kw_only=True)
class Highest(Result):
    """A disturbed probe is asked again in the search, so that no step is repeated for it."""

    step: SweepStep
    client_command: str  # of the first probe
    found: Found
    probes: list[Probe] = field(default_factory=list)  # all, in the order in which they were asked


def measure(bench: Bench, step: SweepStep) -> Highest:
    """Raises MeasurementError; also when the server dies."""
    settings, used = bench.settings, list[float]()
    with bench.start(server(settings, step, bench.directory / "root")) as running:

        def look(moment: str) -> float:
            if running.has_ended():
                fate = f"{describe_status(stop(running).status)}{running.last_lines()}"
                raise MeasurementError(f"under load the server {fate}")
            now = running.usage()  # ticks of the dead are rounded down: by a tick, on average, for each that has some
            used.append(now.cpu_seconds + procfs.TICK * now.parents)
            return used[-1]

        sought = running.ask(clients.seek, settings, step, look)
        ended = stop(running)
        problems = running.incidents()
        if ended.status != 0:
            problems.append(f"the server {describe_status(ended.status)}{running.last_lines()}")
    for probe, before, after in zip(sought.probes, used[::2], used[1::2], strict=True):
        probe.server_cpu_seconds = after - before
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


def server(settings: SweepSettings, step: SweepStep, root: Path | None = None) -> ServerPlan:
    """As under a load of the same cell."""
    return load.server(settings, TrialStep(step.round, step.cell), root)


def values(result: Highest) -> Mapping[str, float | None]:
    """A bound is no value: a change of the client's limit would be taken for one of the server."""
    found = result.found
    return {"highest rate": None if found.at_least or not found.rate else found.rate}


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
    labels=plan.labels,
    primary="highest rate",
)
