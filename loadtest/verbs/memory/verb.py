"""The verb memory, and the memory of the main job: how a step is measured. It has a server of its own and its clients,
and the server's memory is looked at."""

import time
from dataclasses import replace
from operator import attrgetter

from loadtest.engine.measurement import Bench, Measurement, Verb, stop_well
from loadtest.engine.run import Labels, Part
from loadtest.places.launch import ServerPlan
from loadtest.system import MeasurementError, memory
from loadtest.system.memory import MachineMemory, Memory
from loadtest.system.processes import Server
from loadtest.verbs.memory import clients, plan, report

SETTLING, PAUSE = 3.0, 0.1  # seconds in which a server should have come to rest, and between two looks
BUSY_SETTLING, BUSY_PAUSE = 0.2, 0.02  # the same for the plateaus: requests are in hand for a second or less
ALIKE = 0.001  # of the PSS, in which others' use of the same libraries shows
# What of the machine's change may still be there afterwards: more, and somebody else has had a hand in it.
LEFT, LEFT_AT_LEAST = 0.05, 1 << 20  # as a share; bytes

Machine = tuple[MachineMemory | None, int | None, str]  # as in an IdleResult: the change, what is left of it, a problem


def idle_server(settings: plan.IdleSettings, step: plan.IdleStep) -> ServerPlan:
    """A pool has a worker for each connection, one for /stats, and one to spare."""
    return _unbounded_server(settings, step.contestant, step.connections + 2, step.connections)


def idle_seconds(settings: plan.IdleSettings, step: plan.IdleStep) -> float:
    """How long a step takes, about: start, connections, looks until nothing moves, drain."""
    forks = settings.contestant(step.contestant).known.one_client_per_worker
    return 1.5 + step.connections * (3e-3 if forks else 2e-4)  # a process takes its time


def measure_idle(bench: Bench, step: plan.IdleStep) -> plan.IdleResult:
    looks: list[tuple[Memory, MachineMemory | None]] = []
    try:
        before, hidden = MachineMemory.settled(), ""
    except MeasurementError as error:
        before, hidden = None, str(error)
    with bench.start(idle_server(bench.settings, step)) as server:

        def look(moment: str) -> None:
            looks.append((_settled_memory(server, SETTLING, PAUSE), MachineMemory.read() if before else None))

        observed = server.ask(clients.hold, bench.settings, step, look)
        stop_well(server)
    [(found, during)] = looks
    machine, left, problem = machine_change(found, before, during) if before and during else (None, None, hidden)
    return plan.IdleResult(
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


def idle_values(result: plan.IdleResult) -> dict[str, float | None]:
    sizes = {"pss": result.memory.pss, "private": result.memory.private}
    return {name: None if size is None else size / 2**20 for name, size in sizes.items()}


IDLE = Measurement(
    name="idle",
    settings=plan.IdleSettings,
    result=plan.IdleResult,
    steps=plan.idle_steps,
    seconds=idle_seconds,
    measure=measure_idle,
    server=idle_server,
    load=clients.hold_commands,
    programs=("quartet-pace",),
    key=attrgetter("contestant", "connections"),
    values=idle_values,
    labels=lambda step: Labels("idle", step.connections),
)


def sharing_server(settings: plan.SharingSettings, step: plan.SharingStep) -> ServerPlan:
    return _unbounded_server(settings, step.contestant, settings.workers, settings.workers)


def measure_sharing(bench: Bench, step: plan.SharingStep) -> plan.SharingResult:
    points: list[plan.SharingPoint] = []
    with bench.start(sharing_server(bench.settings, step)) as server:

        def look(moment: str) -> None:
            found = _settled_memory(server, SETTLING, PAUSE)
            each = [memory.read([one]).private for one in sorted(server.processes())]
            points.append(plan.SharingPoint(int(moment), found, [size for size in each if size is not None]))

        commands = server.ask(clients.wear, bench.settings, step, look)
        stop_well(server)
    return plan.SharingResult(step=step, server_command=server.command, client_commands=commands, points=points)


SHARING = Measurement(
    name="sharing",
    settings=plan.SharingSettings,
    result=plan.SharingResult,
    steps=plan.sharing_steps,
    seconds=lambda settings, step: float(2 + settings.workers * max(settings.requests) / settings.rate),
    measure=measure_sharing,
    server=sharing_server,
    load=clients.wear_commands,
    programs=("quartet-pace",),
)


def plateau_server(settings: plan.PlateauSettings, step: plan.PlateauStep) -> ServerPlan:
    """A pool has workers as for idle connections; all have their usual options."""
    contestant, connections = settings.contestant(step.contestant), settings.connections
    return ServerPlan(contestant, settings.cpus, connections + 2, connections)


def measure_plateaus(bench: Bench, step: plan.PlateauStep) -> plan.PlateauResult:
    looks: list[Memory] = []
    with bench.start(plateau_server(bench.settings, step)) as server:

        def look(moment: str) -> None:
            looks.append(_settled_memory(server, BUSY_SETTLING, BUSY_PAUSE))

        start = server.memory()
        commands = server.ask(clients.plateaus, bench.settings, step, look)
        stop_well(server)
    busy, idle = looks
    return plan.PlateauResult(
        step=step, server_command=server.command, client_commands=commands, at_start=start, busy=busy, idle=idle
    )


PLATEAUS = Measurement(
    name="plateaus",
    settings=plan.PlateauSettings,
    result=plan.PlateauResult,
    steps=lambda settings: [plan.PlateauStep(one.name) for one in settings.contestants],
    seconds=lambda settings, step: float(settings.sleep / 1000 + 0.3),
    measure=measure_plateaus,
    server=plateau_server,
    load=clients.plateau_commands,
    programs=("quartet-pace",),
)


def _unbounded_server(
    settings: plan.IdleSettings | plan.SharingSettings, name: str, workers: int, connections: int
) -> ServerPlan:
    """With the ballast, no bound but the machine's, and all the time in the world; a peer has no options for these."""
    contestant = settings.contestant(name)
    if not contestant.takes_options:
        return ServerPlan(contestant, settings.cpus, workers, connections)
    loaded = replace(contestant, ballast=settings.ballast or contestant.ballast)
    options = ("--max-connections", "--keep-alive-timeout", "--max-requests-per-connection")
    more = tuple(word for option in options if option not in contestant.options for word in (option, "0"))
    return ServerPlan(loaded, settings.cpus, workers, connections, more)


def _settled_memory(server: Server, patience: float, pause: float) -> Memory:
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


def parts(idle: plan.IdleSettings) -> list[Part]:
    """Of the verb: the same contestants in both."""
    sharing = plan.SharingSettings(idle.contestants, idle.cpus, idle.duration, idle.pace, idle.runner)
    return [Part(IDLE.name, idle), Part(SHARING.name, sharing)]


MEMORY = Verb("memory", (IDLE, SHARING), report.sections, report.head)
