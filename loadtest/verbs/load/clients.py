"""The clients' side of a trial: a load generator, with newcomers beside it. wrk where clients ask again when they are
answered, quartet-pace at a constant rate."""

import dataclasses
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace

from loadtest.clients import pace, stats, wrk
from loadtest.clients.client_side import ClientSide, Newcomers, Quantiles
from loadtest.clients.pace import Schedule
from loadtest.clients.wrk import Histogram, WrkLoad
from loadtest.statistics.stats import percentile
from loadtest.system import cpus, sockets
from loadtest.system.processes import Address, Finished, Tell
from loadtest.system.sockets import Sockets
from loadtest.verbs.load.plan import Cell, Settings, TrialStep

MEMORY_AT, COUNT_AT = 0.5, 0.7  # of a trial's duration: when the server's memory is read, and when /stats is asked
COUNTS = 5  # how often /stats is asked, until it says that all clients have a worker


@dataclass
class Observed:
    """What the clients' side saw of one trial."""

    finished: Finished  # wrk or quartet-pace
    clients_served: int | None  # None: the server was not asked, or did not answer
    newcomers: Newcomers
    newcomers_cpu_seconds: float
    before: cpus.Reading
    after: cpus.Reading
    sockets_before: Sockets
    sockets_after: Sockets


def trial(address: Address, settings: Settings, step: TrialStep, tell: Tell) -> Observed:
    """Tells amid the load. Raises MeasurementError."""
    cell, sockets_before, before = step.cell, sockets.read(address.host), cpus.read()
    schedule, command = newcomers(settings, cell), argv(address, settings, cell)
    served: list[int | None] = []
    moments: dict[float, Callable[[], object]] = {MEMORY_AT: lambda: tell("amid")}
    if settings.contestant(cell.contestant).ours and cell.keep_alive:
        moments[COUNT_AT] = lambda: served.append(clients_served(address, cell.connections, schedule.patience))
    with ExitStack() as stack:
        load = settings.budgets[cell.cpus].load
        company = stack.enter_context(pace.beside(settings.pace, address, load, schedule))
        for share, call in moments.items():
            timer = threading.Timer(share * settings.duration, call)
            stack.callback(timer.join)
            stack.callback(timer.cancel)  # before it is joined
            timer.start()
        if cell.rate is None:
            finished = wrk.measure(command, wrk_load(settings, cell))
        else:
            finished = pace.measure(command, settings.duration)
    return Observed(
        finished=finished,
        clients_served=served[0] if served else None,
        newcomers=company.newcomers,
        newcomers_cpu_seconds=company.cpu_seconds,
        before=before,
        after=cpus.read(),
        sockets_before=sockets_before,
        sockets_after=sockets.read(address.host),
    )


def newcomers(settings: Settings, cell: Cell) -> Schedule:
    """They ask for what all others ask for."""
    return replace(settings.newcomers, path=settings.workload(cell.workload).path)


def clients_served(address: Address, connections: int, patience: float) -> int | None:
    """How many of so many kept connections a worker has taken up, as the server counts them. None when it does not
    answer in time. Its gauges are read one by one, so that a connection that changes its state can be missed once; the
    one that asks, and a newcomer at times, are among them."""
    most = 0
    for _ in range(COUNTS):
        found = stats.fetch(address, patience)
        if found is None:
            return None
        most = max(most, min(found.held - 1, connections))
        if most == connections:
            break
        time.sleep(0.01)
    return most


# --- the load generators


def argv(address: Address, settings: Settings, cell: Cell) -> list[str]:
    load = settings.budgets[cell.cpus].load
    if cell.rate is None:
        return wrk.command(wrk_load(settings, cell), load, address)
    size = ["--rate", f"{cell.rate:g}", "-c", str(cell.connections), "-d", f"{settings.duration}s"]
    fresh = [] if cell.keep_alive else ["--fresh"]
    path, patience = settings.workload(cell.workload).path, ["--timeout", "2s", "--grace", "2s"]
    return pace.command(settings.pace, address, load, path, *size, *fresh, *patience)


def wrk_load(settings: Settings, cell: Cell) -> WrkLoad:
    return WrkLoad(
        path=settings.workload(cell.workload).path,
        connections=cell.connections,
        seconds=settings.duration,
        threads=settings.load_threads(cell),
        keep_alive=cell.keep_alive,
        pipeline=cell.pipeline,
    )


def client_side(settings: Settings, cell: Cell, finished: Finished) -> ClientSide:
    """From what it printed. Raises MeasurementError."""
    if cell.rate is not None:
        return pace.client_side(finished)
    result = wrk.parse(finished.stdout, wrk_load(settings, cell))
    return ClientSide(
        command=finished.command,
        seconds=result.duration,
        requests=result.requests,
        good=result.good,
        bytes=result.bytes,
        errors={kind: count for kind, count in dataclasses.asdict(result.errors).items() if count},
        latency=None if result.latency_problem else quantiles(result.observed),
        cpu_seconds=finished.cpu_seconds,
        connections=result.connections,
        latency_problem=result.latency_problem,
    )


def quantiles(histogram: Histogram) -> Quantiles:
    """Of counts by microseconds."""
    count, total = sum(histogram.values()), sum(value * number for value, number in histogram.items())
    p50, p90, p99, p999 = (percentile(histogram, share) for share in (0.5, 0.9, 0.99, 0.999))
    return Quantiles(count, total / count, p50, p90, p99, p999, max(histogram))
