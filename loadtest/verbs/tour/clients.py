"""The clients' side of every step: what must run where the server can be reached. Natively that is the harness itself,
in Docker a process in the load container; hence nothing here knows of the server more than its address."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from loadtest.clients import wrk
from loadtest.clients.client import Client, fetch_counts
from loadtest.clients.outcomes import Newcomers, Outcome
from loadtest.clients.probe import Watcher
from loadtest.clients.wrk_result import WrkLoad
from loadtest.places.place import Look
from loadtest.system import cpus, sockets
from loadtest.system.errors import MeasurementError
from loadtest.system.processes import Address
from loadtest.system.sockets import Sockets
from loadtest.verbs.tour import crash as light_load
from loadtest.verbs.tour import crowd as many
from loadtest.verbs.tour.plan import CrashStep, CrowdStep, LoadStep, MemoryStep, Plan

COUNT_AT = 0.7  # of a load run's duration: when /stats is asked who has a worker


@dataclass
class LoadSeen:
    wrk_command: str
    wrk_output: str
    wrk_cpu_seconds: float
    clients_served: int | None  # None: /stats was not answered
    newcomers: Newcomers
    before: cpus.Reading
    after: cpus.Reading
    sockets_before: Sockets
    sockets_after: Sockets


def wrk_load(plan: Plan, step: LoadStep) -> WrkLoad:
    return WrkLoad(step.cell.path, plan.connections, plan.duration)


def load(address: Address, plan: Plan, step: LoadStep, look: Look) -> LoadSeen:
    """wrk, with newcomers beside it."""
    asked, sockets_before = wrk_load(plan, step), sockets.read(address.host)
    argv = wrk.command(asked, plan.cpus.load, address)
    before = cpus.read()
    with Watcher(address, plan.newcomers, plan.connections, COUNT_AT * plan.duration) as watcher:
        finished = wrk.measure(argv, asked)
    return LoadSeen(
        wrk_command=finished.command,
        wrk_output=finished.stdout,
        wrk_cpu_seconds=finished.cpu_seconds,
        clients_served=watcher.clients_served,
        newcomers=watcher.newcomers,
        before=before,
        after=cpus.read(),
        sockets_before=sockets_before,
        sockets_after=sockets.read(address.host),
    )


def plateaus(address: Address, plan: Plan, step: MemoryStep, look: Look) -> None:
    """Looks when every connection has a request in hand ("busy"), and when all are answered ("idle")."""
    asyncio.run(_plateaus(address, plan, look))


async def _plateaus(address: Address, plan: Plan, look: Look) -> None:
    clients = [Client(address) for _ in range(plan.connections)]
    target, patience = f"/sleep?ms={plan.memory.sleep}", plan.memory.sleep / 1000 + 2
    asking = [asyncio.create_task(client.ask(target, patience)) for client in clients]
    await _until_sleeping(address, plan, time.monotonic() + 2)
    look("busy")
    answers = await asyncio.gather(*asking)
    look("idle")
    for client in clients:
        client.close()
    lost = sum(answer.outcome != Outcome.ok for answer in answers)
    if lost:
        raise MeasurementError(f"the server left {lost} of {len(answers)} requests for {target} unanswered")


async def _until_sleeping(address: Address, plan: Plan, deadline: float) -> None:
    while time.monotonic() < deadline:
        counts = await fetch_counts(address, plan.newcomers.patience)
        if counts and counts.sleeping >= plan.connections:
            return
        await asyncio.sleep(0.01)
    raise MeasurementError(f"the server did not take up {plan.connections} connections in time")


def crowd(address: Address, plan: Plan, step: CrowdStep, look: Look) -> many.Served:
    return asyncio.run(many.gather(address, plan.crowd, plan.newcomers))


def crash(address: Address, plan: Plan, step: CrashStep, look: Look) -> light_load.Observation:
    """Looks half-way to the fault, right before it, and at the end."""
    return asyncio.run(_crash(address, plan, look))


async def _crash(address: Address, plan: Plan, look: Look) -> light_load.Observation:
    return await light_load.LightLoad(address, plan.crash).observe(lambda: look("processes"))
