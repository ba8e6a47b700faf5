"""The clients' side of a trial."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from loadtest.clients.outcomes import Newcomers
from loadtest.clients.probe import Watcher
from loadtest.places.place import Look
from loadtest.system import cpus, sockets
from loadtest.system.processes import Address, Finished
from loadtest.system.sockets import Sockets
from loadtest.verbs.load import generators
from loadtest.verbs.load.plan import Settings, TrialStep
from loadtest.verbs.tour.clients import COUNT_AT

LOOK_AT = 0.5  # of a trial's duration: when the server's memory is read


@dataclass
class TrialSeen:
    finished: Finished  # wrk or quartet-pace
    clients_served: int | None  # None: the server was not asked, or did not answer
    newcomers: Newcomers
    before: cpus.Reading
    after: cpus.Reading
    sockets_before: Sockets
    sockets_after: Sockets


def trial(address: Address, plan: Settings, step: TrialStep, look: Look) -> TrialSeen:
    """A load generator, with newcomers beside it. Looks amid the load."""
    cell, sockets_before, before = step.cell, sockets.read(), cpus.read()
    tells = plan.contestant(cell.contestant).ours
    newcomers = replace(plan.newcomers, path=plan.workload(cell.workload).path)
    amid = threading.Timer(LOOK_AT * plan.duration, look, ["amid"])
    asked_at = COUNT_AT * plan.duration if tells and cell.keep_alive else None
    with Watcher(address, newcomers, cell.connections, asked_at) as watcher, _running(amid):
        finished = generators.generate(address, plan, cell)
    return TrialSeen(
        finished=finished,
        clients_served=watcher.clients_served,
        newcomers=watcher.newcomers,
        before=before,
        after=cpus.read(),
        sockets_before=sockets_before,
        sockets_after=sockets.read(),
    )


@contextmanager
def _running(timer: threading.Timer) -> Iterator[None]:
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
