"""The verb memory, and the memory of the main job: how a step is measured. It has a server of its own and its clients,
and the server's memory is looked at."""

import time
from dataclasses import replace
from operator import attrgetter
from typing import Any

from loadtest.clients.pace import EXECUTABLE
from loadtest.engine.measurement import Bench, Measurement, Verb, stop_well
from loadtest.engine.run import Labels, Part
from loadtest.places.launch import ServerPlan
from loadtest.system import MeasurementError, memory
from loadtest.system.memory import MachineMemory, Memory
from loadtest.system.processes import Server
from loadtest.verbs.memory import clients, report, words

SETTLING = (3.0, 0.1)  # seconds in which a server should have come to rest, and between two looks
BUSY = (0.2, 0.02)  # the same for the plateaus: requests are in hand for a second or less
ALIKE = 0.001  # of the PSS, in which others' use of the same libraries shows
# What of the machine's change may still be there afterwards: more, and somebody else has had a hand in it.
LEFT, LEFT_AT_LEAST = 0.05, 1 << 20  # as a share; bytes

Machine = tuple[MachineMemory | None, int | None, str]  # as in an IdleResult: the change, what is left of it, a problem


def unbounded_server(settings: clients.IdleSettings | clients.SharingSettings, step: Any) -> ServerPlan:
    """With the ballast, no bound but the machine's, and all the time in the world; a peer has no options for these. A
    pool has a worker for each idle connection, one for /stats, and one to spare."""
    contestant = settings.contestant(step.contestant)
    if isinstance(settings, clients.IdleSettings):
        workers, connections = step.connections + 2, step.connections
    else:
        workers = connections = settings.workers
    more: list[str] = []
    if contestant.takes_options:
        contestant = replace(contestant, ballast=settings.ballast or contestant.ballast)
        for option in ("--max-connections", "--keep-alive-timeout", "--max-requests-per-connection"):
            if option not in contestant.options:
                more += [option, "0"]
    return ServerPlan(contestant, settings.cpus, workers, connections, tuple(more))


def idle_seconds(settings: clients.IdleSettings, step: clients.IdleStep) -> float:
    """Start, connections, looks until nothing moves, drain."""
    forks = settings.contestant(step.contestant).known.one_client_per_worker
    return 1.5 + step.connections * (3e-3 if forks else 2e-4)  # a process takes its time


def measure_idle(bench: Bench, step: clients.IdleStep) -> clients.IdleResult:
    looks: list[tuple[Memory, MachineMemory | None]] = []
    try:
        before, hidden = MachineMemory.settled(), ""
    except MeasurementError as error:
        before, hidden = None, str(error)
    with bench.start(unbounded_server(bench.settings, step)) as server:

        def look(moment: str) -> None:
            looks.append((_settled(server, *SETTLING), MachineMemory.read() if before else None))

        observed = server.ask(clients.hold, bench.settings, step, look)
        stop_well(server)
    [(found, during)] = looks
    machine, left, problem = machine_change(found, before, during) if before and during else (None, None, hidden)
    return clients.IdleResult(
        step=step,
        server_command=server.command,
        client=observed,
        memory=found,
        machine=machine,
        machine_left=left,
        machine_problem=problem,
    )


def machine_change(found: Memory, before: MachineMemory, during: MachineMemory) -> Machine:
    """Where it is needed and can be believed: what was not there before, and is no longer there after the server has
    gone."""
    if found.group:
        return None, None, "the server's control group tells"
    change, left = during - before, (MachineMemory.settled() - before).total
    if abs(left) > max(LEFT * abs(change.total), LEFT_AT_LEAST):
        return None, left, f"somebody else had a hand in it: {left / 2**20:+.1f} MiB after the server had gone"
    return change, left, ""


def idle_values(result: clients.IdleResult) -> dict[str, float | None]:
    memory = result.memory
    sizes = {"pss": memory.pss, "private": memory.private, "anonymous": memory.anonymous}
    return {name: None if size is None else size / 2**20 for name, size in sizes.items()}


IDLE = Measurement(
    name="idle",
    settings=clients.IdleSettings,
    result=clients.IdleResult,
    steps=clients.idle_steps,
    seconds=idle_seconds,
    primary="anonymous",
    measure=measure_idle,
    server=unbounded_server,
    load=clients.hold_commands,
    programs=(EXECUTABLE,),
    key=attrgetter("contestant", "connections"),
    values=idle_values,
    labels=lambda settings, step: Labels("idle", step.connections),
)


def measure_sharing(bench: Bench, step: clients.SharingStep) -> clients.SharingResult:
    points: list[clients.SharingPoint] = []
    with bench.start(unbounded_server(bench.settings, step)) as server:

        def look(moment: str) -> None:
            found = _settled(server, *SETTLING)
            each = [memory.read([one]).private for one in sorted(server.processes())]
            points.append(clients.SharingPoint(int(moment), found, [size for size in each if size is not None]))

        commands = server.ask(clients.wear, bench.settings, step, look)
        stop_well(server)
    return clients.SharingResult(step=step, server_command=server.command, client_commands=commands, points=points)


SHARING = Measurement(
    name="sharing",
    settings=clients.SharingSettings,
    result=clients.SharingResult,
    steps=clients.sharing_steps,
    seconds=lambda settings, step: float(2 + settings.workers * max(settings.requests) / settings.rate),
    measure=measure_sharing,
    server=unbounded_server,
    load=clients.wear_commands,
    programs=(EXECUTABLE,),
)


def plateau_server(settings: clients.PlateauSettings, step: clients.PlateauStep) -> ServerPlan:
    """A pool has workers as for idle connections; all have their usual options."""
    contestant, connections = settings.contestant(step.contestant), settings.connections
    return ServerPlan(contestant, settings.cpus, connections + 2, connections)


def measure_plateaus(bench: Bench, step: clients.PlateauStep) -> clients.PlateauResult:
    looks: list[Memory] = []
    with bench.start(plateau_server(bench.settings, step)) as server:
        start = server.memory()
        commands = server.ask(clients.plateaus, bench.settings, step, lambda _: looks.append(_settled(server, *BUSY)))
        stop_well(server)
    busy, idle = looks
    return clients.PlateauResult(
        step=step, server_command=server.command, client_commands=commands, at_start=start, busy=busy, idle=idle
    )


PLATEAUS = Measurement(
    name="plateaus",
    settings=clients.PlateauSettings,
    result=clients.PlateauResult,
    steps=lambda settings: [clients.PlateauStep(one.name) for one in settings.contestants],
    seconds=lambda settings, step: float(settings.sleep / 1000 + 0.3),
    measure=measure_plateaus,
    server=plateau_server,
    load=clients.plateau_commands,
    programs=(EXECUTABLE,),
)


def _settled(server: Server, patience: float, pause: float) -> Memory:
    """When no process comes or goes and no memory is freed any more: a loop sweeps, and a process that has answered
    may still be leaving."""
    deadline = time.monotonic() + patience
    now = server.memory()
    while time.monotonic() < deadline:
        time.sleep(pause)
        before, now = now, server.memory()
        known, later = before.pss or 0, now.pss or 0
        if now.processes == before.processes and abs(later - known) <= ALIKE * known:
            break
    return now


def parts(idle: clients.IdleSettings) -> list[Part]:
    """Of the verb: the same contestants in both."""
    sharing = clients.SharingSettings(idle.contestants, idle.cpus, idle.duration, idle.pace, idle.runner)
    return [Part(IDLE.name, idle), Part(SHARING.name, sharing)]


MEMORY = Verb(
    "memory",
    (IDLE, SHARING),
    report.sections,
    report.head,
    words=words.words,
    title="What does a connection cost in memory, and what do processes share?",
    first=words.first,
)
