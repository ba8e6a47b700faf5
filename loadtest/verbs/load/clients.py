"""The clients' side of a trial: a load generator, with newcomers beside it. wrk where clients ask again when they are
answered, quartet-pace at a constant rate."""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace

from loadtest.clients import pace, stats, wrk
from loadtest.clients.client_side import ClientSide, Newcomers
from loadtest.system import cpus, sockets
from loadtest.system.processes import Address, Tell
from loadtest.verbs.load.plan import Cell, Settings, TrialStep

MEMORY_AT, COUNT_AT = 0.5, 0.7  # of a trial's duration: when the server's memory is read, and when /stats is asked
COUNTS = 5  # how often /stats is asked, until it says that all clients have a worker


@dataclass
class Observed:
    """What the clients' side saw of one trial."""

    client: ClientSide
    printed: str  # by wrk or quartet-pace
    clients_served: int | None  # None: the server was not asked, or did not answer
    newcomers: Newcomers
    newcomers_cpu_seconds: float
    before: cpus.Reading
    after: cpus.Reading


def trial(address: Address, settings: Settings, step: TrialStep, tell: Tell) -> Observed:
    """Tells amid the load. Raises MeasurementError."""
    cell, ports, before = step.cell, sockets.read(address.host), cpus.read()
    schedule, command, load = newcomers(settings, cell), argv(address, settings, cell), wrk_load(settings, cell)
    served: list[int | None] = []
    moments: dict[float, Callable[[], object]] = {MEMORY_AT: lambda: tell("amid")}
    if settings.contestant(cell.contestant).ours and cell.keep_alive:
        moments[COUNT_AT] = lambda: served.append(clients_served(address, cell.connections, schedule.patience))
    with ExitStack() as stack:
        company = stack.enter_context(pace.beside(settings.pace, address, settings.budgets[cell.cpus].load, schedule))
        for share, call in moments.items():
            timer = threading.Timer(share * settings.duration, call)
            stack.callback(timer.join)
            stack.callback(timer.cancel)  # before it is joined
            timer.start()
        closed = cell.rate is None
        finished = wrk.measure(command, load) if closed else pace.measure(command, settings.duration)
    after = cpus.read()
    client = wrk.client_side(finished, load) if closed else pace.client_side(finished)
    if problem := sockets.port_problem(ports, sockets.read(address.host), client.errors.get("connect", 0)):
        client.problems.append(problem)
    served_then = served[0] if served else None
    return Observed(client, finished.stdout, served_then, company.newcomers, company.cpu_seconds, before, after)


def newcomers(settings: Settings, cell: Cell) -> pace.Schedule:
    """They ask for what all others ask for."""
    return replace(settings.newcomers, path=settings.workload(cell.workload).path)


def clients_served(address: Address, connections: int, patience: float) -> int | None:
    """How many of so many kept connections a worker has taken up, as the server counts them. None when it does not
    answer in time. Its gauges are read one by one, so that a connection that changes its state can be missed once; the
    one that asks, and a newcomer at times, are among them."""
    most = 0
    for _ in range(COUNTS):
        if (found := stats.fetch(address, patience)) is None:
            return None
        most = max(most, min(found.held - 1, connections))
        if most == connections:
            break
        time.sleep(0.01)
    return most


def argv(address: Address, settings: Settings, cell: Cell) -> list[str]:
    load = settings.budgets[cell.cpus].load
    if cell.rate is None:
        return wrk.command(wrk_load(settings, cell), load, address)
    size = ["--rate", f"{cell.rate:g}", "-c", str(cell.connections), "-d", f"{settings.duration}s"]
    fresh = [] if cell.keep_alive else ["--fresh"]
    path, patience = settings.workload(cell.workload).path, ["--timeout", "2s", "--grace", "2s"]
    return pace.command(settings.pace, address, load, path, *size, *fresh, *patience)


def wrk_load(settings: Settings, cell: Cell) -> wrk.WrkLoad:
    path, threads = settings.workload(cell.workload).path, settings.load_threads(cell)
    return wrk.WrkLoad(path, cell.connections, settings.duration, threads, cell.keep_alive, cell.pipeline)
