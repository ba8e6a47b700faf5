"""The clients' side of a trial: a load generator, with newcomers beside it. wrk where clients ask again when they are
answered, or quartet-pace for who wants it; quartet-pace at a constant rate."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial

from loadtest.clients import pace, stats, wrk
from loadtest.clients.client_side import ClientSide, Newcomers
from loadtest.system import sockets
from loadtest.system.processes import Address, Tell
from loadtest.verbs.load.plan import POISSON, WRK, Cell, Settings, TrialStep

# What the server's side is told. The outer two are outside of the load: nobody works for it yet, or any more.
LOAD_BEGINS, WINDOW_BEGINS, WINDOW_ENDS, AMID, LOAD_ENDS = (
    *("load begins", "window begins", "window ends", "amid", "load ends"),
)
# When, as shares of a load's duration. All clients are connected by then, and none has left before the window has
# ended, though that may be read late on a busy machine. Memory is read after it, still under load: that takes locks of
# the server's, and for a large tree a while.
WINDOW_BEGIN, COUNT_AT, WINDOW_END = 0.1, 0.7, 0.75  # in between, /stats is asked
COUNTS = 5  # how often /stats is asked, until it says that all clients have a worker


@dataclass
class Observed:
    """What the clients' side saw of one trial."""

    client: ClientSide
    printed: str  # by wrk or quartet-pace
    clients_served: int | None  # None: the server was not asked, or did not answer
    newcomers: Newcomers
    cpu_seconds: float  # that the clients have used, newcomers' too
    own_cpu_seconds: float  # that this process has used meanwhile
    began: float  # the monotonic clock, before the load's program was started


def trial(address: Address, settings: Settings, step: TrialStep, tell: Tell) -> Observed:
    """Tells before, amid and after the load. Raises MeasurementError."""
    cell, ports = step.cell, sockets.read(address.host)
    schedule, command, load = newcomers(settings, cell), argv(address, settings, step), wrk_load(settings, cell)
    served: list[int | None] = []
    moments: dict[float, Callable[[], object]] = {
        WINDOW_BEGIN * settings.duration: lambda: _tell_in_turn(tell, WINDOW_BEGINS),
        WINDOW_END * settings.duration: lambda: _tell_in_turn(tell, WINDOW_ENDS, AMID),
    }
    if settings.contestant(cell.contestant).ours and cell.keep_alive:
        ask = partial(clients_served, address, cell.connections, schedule.patience)
        moments[COUNT_AT * settings.duration] = lambda: served.append(ask())
    by_wrk, cpu_set = cell.client == WRK, settings.budgets[cell.cpus].load
    tell(LOAD_BEGINS)
    own = time.process_time()
    with pace.beside(settings.pace, address, cpu_set, schedule, settings.duration) as company:
        began = time.monotonic()
        with at(moments):
            finished = wrk.measure(command, load) if by_wrk else pace.measure(command, settings.duration)
    own = time.process_time() - own
    tell(LOAD_ENDS)
    client = wrk.client_side(finished, load) if by_wrk else pace.client_side(finished)
    if problem := sockets.port_problem(ports, sockets.read(address.host), client.errors.get("connect", 0)):
        client.problems.append(problem)
    return Observed(
        client=client,
        printed=finished.stdout,
        clients_served=served[0] if served else None,
        newcomers=company.newcomers,
        cpu_seconds=client.cpu_seconds + company.cpu_seconds,
        own_cpu_seconds=own,
        began=began,
    )


_telling = threading.Lock()


def _tell_in_turn(tell: Tell, *moments: str) -> None:
    """One at a time: in a container, question and answer go over one pipe."""
    with _telling:
        for moment in moments:
            tell(moment)


@contextmanager
def at(moments: Mapping[float, Callable[[], object]]) -> Iterator[None]:
    """Calls each after so many seconds, beside the block; those whose time has not come when it ends, never. What one
    raises is raised at the end."""
    errors: list[BaseException] = []

    def guarded(call: Callable[[], object]) -> None:
        try:
            call()
        except BaseException as error:
            errors.append(error)

    with ExitStack() as stack:
        for seconds, call in moments.items():
            timer = threading.Timer(seconds, guarded, [call])
            stack.callback(timer.join)
            stack.callback(timer.cancel)  # before it is joined
            timer.start()
        yield
    if errors:
        raise errors[0]


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


def argv(address: Address, settings: Settings, step: TrialStep) -> list[str]:
    """In each round others arrive at random, the same ones at everybody's."""
    cell, load = step.cell, settings.budgets[step.cell.cpus].load
    if cell.client == WRK:
        return wrk.command(wrk_load(settings, cell), load, address)
    size = (cell.connections, settings.duration, cell.keep_alive)
    if cell.rate is None:
        asking = pace.closed(*size, cell.pipeline)
    else:
        seed = 1000 * settings.seed + step.round if cell.arrivals == POISSON else None
        asking = pace.constant_rate(cell.rate, *size, seed)
    return pace.command(settings.pace, address, load, settings.workload(cell.workload).path, *asking)


def wrk_load(settings: Settings, cell: Cell) -> wrk.WrkLoad:
    path, threads = settings.workload(cell.workload).path, settings.load_threads(cell)
    return wrk.WrkLoad(path, cell.connections, settings.duration, threads, cell.keep_alive, cell.pipeline)
