"""Who is served in a crowd: one crowd before a server of its own, and the table of all."""

import shlex
from dataclasses import dataclass

from loadtest.clients import pace
from loadtest.clients.client_side import Newcomers
from loadtest.document.document import Axis, Mark, Plot, Section, Shape, table
from loadtest.document.figures import DASH, milliseconds, share
from loadtest.engine.measurement import Bench, Measurement, stop_well
from loadtest.engine.run import Part, Result
from loadtest.places.launch import EXAMPLE, ServerPlan
from loadtest.system.processes import Address
from loadtest.verbs.crowd import clients
from loadtest.verbs.crowd.clients import CrowdSettings, CrowdStep


@dataclass(kw_only=True)
class Crowd(Result):
    step: CrowdStep
    workers: int | None  # of a pool
    clients_served: int
    newcomers: Newcomers


def measure(bench: Bench, step: CrowdStep) -> Crowd:
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
    cpu_set, schedule = settings.cpus.load, settings.newcomers
    newcomers = pace.newcomer_command(settings.pace, address, cpu_set, schedule, settings.seconds)
    return [clients.command(address, settings), newcomers]


def seconds(settings: CrowdSettings, step: CrowdStep) -> float:
    return settings.seconds + 0.3  # with start and drain


CROWD = Measurement(
    "crowd", CrowdSettings, Crowd, clients.steps, seconds, measure, server, load, programs=(pace.EXECUTABLE,)
)


def section(part: Part) -> Section:
    settings: CrowdSettings = part.settings
    filled = table("", "workers", "clients served", "newcomers answered", "median wait ms")
    for one in part.results:
        waits = one.newcomers.waits
        cells = [
            str(one.workers or DASH),
            share(one.clients_served, settings.clients),
            share(one.newcomers.served, one.newcomers.asked),
            milliseconds(waits.p50 / 1e6) if waits else DASH,
        ]
        filled.add_row(one.step.name, *([DASH] * 4 if one.problems else cells))
    notes = [
        f"{settings.clients} keep-alive clients ask for {settings.path} over and over, for {settings.seconds:g} s; "
        "served is who got an answer at all. One run each.",
        f"+rotation: --max-requests-per-connection {settings.rotation}: a pool's worker turns to the next client.",
    ]
    title = f"Who is served when {settings.clients} clients come at once?"
    return Section(title, filled, notes, id="crowd", plots=[served(part)] if part.results else ())


def served(part: Part) -> Plot:
    settings: CrowdSettings = part.settings
    return Plot(
        id="crowd-served",
        title=f"Clients served, of {settings.clients} at once",
        caption=f"A bar that ends at the line has served all {settings.clients} clients; what is missing are clients "
        "that waited in vain. A pool without rotation serves as many as it has workers. +rotation: a worker turns to "
        f"the next client after {settings.rotation} requests. One run each.",
        shape=Shape.bars,
        x=Axis("contestant"),
        y=Axis("clients served"),
        marks=[_mark(one) for one in part.results],
        reference=settings.clients,
        commands=[part.results[0].server_command, *map(shlex.join, load(EXAMPLE, settings, part.results[0].step))],
    )


def _mark(one: Crowd) -> Mark:
    if one.problems:
        return Mark(one.step.name, note=f"invalid: {one.problems[0]}")
    workers = f"{one.workers} workers; " if one.workers else ""
    newcomers = f"{share(one.newcomers.served, one.newcomers.asked)} newcomers were answered"
    return Mark(one.step.name, y=one.clients_served, note=workers + newcomers)
