"""One crowd, before a server of its own, and the measurement `crowd`."""

from __future__ import annotations

from dataclasses import dataclass

from loadtest.clients import pace
from loadtest.clients.client_side import Newcomers
from loadtest.engine.measurement import Bench, Measurement, stop_well
from loadtest.engine.run import Result
from loadtest.places.launch import ServerPlan
from loadtest.system.processes import Address
from loadtest.verbs.crowd import clients, plan
from loadtest.verbs.crowd.plan import CrowdSettings, CrowdStep


@dataclass(kw_only=True)
class Crowd(Result):
    step: CrowdStep
    workers: int | None  # of a pool
    clients_served: int
    newcomers: Newcomers


def measure(bench: Bench, step: CrowdStep) -> Crowd:
    """Raises MeasurementError."""
    settings = bench.settings
    with bench.start(server(settings, step)) as running:
        served = running.ask(clients.crowd, settings, step, lambda _: None)
        stop_well(running)
    return Crowd(
        step=step,
        server_command=running.command,
        problems=served.problems,
        workers=settings.workers if settings.contestant(step.contestant).known.pool else None,
        clients_served=served.clients,
        newcomers=served.newcomers,
    )


def server(settings: CrowdSettings, step: CrowdStep) -> ServerPlan:
    rotation = ("--max-requests-per-connection", str(step.rotation)) if step.rotation else ()
    contestant = settings.contestant(step.contestant)
    return ServerPlan(contestant, settings.cpus, settings.workers, settings.clients, rotation)


def load(address: Address, settings: CrowdSettings, step: CrowdStep) -> list[list[str]]:
    newcomers = pace.newcomer_command(settings.pace, address, settings.cpus.load, settings.newcomers)
    return [clients.command(address, settings), newcomers]


CROWD = Measurement(
    "crowd", CrowdSettings, Crowd, plan.steps, plan.seconds, measure, server, load, programs=(pace.EXECUTABLE,)
)
