"""One step of idle connections, or of copy-on-write: a server of its own, its clients, and looks at its memory."""

from __future__ import annotations

import resource
import time
from dataclasses import replace

from loadtest.contestants.contestants import Contestant, gives
from loadtest.engine.measurement import Bench, stop_well
from loadtest.engine.metrics import Labels
from loadtest.places.launch import ServerPlan
from loadtest.places.place import Server
from loadtest.system import machine_memory, memory
from loadtest.system.errors import MeasurementError
from loadtest.system.machine_memory import MachineMemory
from loadtest.system.memory import Memory
from loadtest.verbs.memory import clients
from loadtest.verbs.memory.plan import IdleSettings, IdleStep, SharingSettings, SharingStep
from loadtest.verbs.memory.results import IdleResult, SharingPoint, SharingResult

SPARE_DESCRIPTORS = 64  # of a process, besides its connections
SETTLING = 3.0  # seconds in which a server should have come to rest
PAUSE = 0.1  # seconds between two looks
ALIKE = 0.001  # of the PSS, in which others' use of the same libraries shows
# What of the machine's change may still be there afterwards: more, and somebody else has had a hand in it.
LEFT, LEFT_AT_LEAST = 0.05, 1 << 20  # as a share; bytes


# --- idle connections


def idle_server(settings: IdleSettings, step: IdleStep) -> ServerPlan:
    """A pool has a worker for each connection, one for /stats, and one to spare."""
    contestant = _with_ballast(settings.contestant(step.contestant), settings.ballast)
    return ServerPlan(contestant, settings.cpus, step.connections + 2, step.connections, _unbounded(contestant))


def idle(bench: Bench, step: IdleStep) -> IdleResult:
    _need_descriptors(step.connections)
    looks: list[tuple[Memory, MachineMemory | None]] = []
    before, hidden = _before()
    with bench.start(idle_server(bench.settings, step)) as server:

        def look(moment: str) -> None:
            looks.append((_settled_memory(server), None if hidden else machine_memory.read()))

        observed = server.ask(clients.hold, bench.settings, step, look)
        stop_well(server)
    [(found, during)] = looks
    machine, left, problem = _machine(found, before, during) if before and during else (None, None, hidden)
    return IdleResult(
        step=step,
        server_command=server.command,
        client=observed,
        memory=found,
        machine=machine,
        machine_left=left,
        machine_problem=problem,
    )


def idle_values(result: IdleResult) -> dict[str, float | None]:
    sizes = {"pss": result.memory.pss, "private": result.memory.private}
    return {name: None if size is None else size / 2**20 for name, size in sizes.items()}


def idle_labels(step: IdleStep) -> Labels:
    return Labels("idle", step.connections)


# --- copy-on-write


def sharing_server(settings: SharingSettings, step: SharingStep) -> ServerPlan:
    contestant = _with_ballast(settings.contestant(step.contestant), settings.ballast)
    return ServerPlan(contestant, settings.cpus, settings.workers, settings.workers, _unbounded(contestant))


def sharing(bench: Bench, step: SharingStep) -> SharingResult:
    points: list[SharingPoint] = []
    with bench.start(sharing_server(bench.settings, step)) as server:

        def look(moment: str) -> None:
            found = _settled_memory(server)
            each = [memory.read([one]).private for one in sorted(server.processes())]
            points.append(SharingPoint(int(moment), found, [size for size in each if size is not None]))

        observed = server.ask(clients.wear, bench.settings, step, look)
        stop_well(server)
    return SharingResult(step=step, server_command=server.command, client_commands=observed.commands, points=points)


# --- of both


def _with_ballast(contestant: Contestant, ballast: int) -> Contestant:
    """Of a peer nobody can ask for one."""
    return replace(contestant, ballast=ballast) if ballast and contestant.takes_options else contestant


def _unbounded(contestant: Contestant) -> tuple[str, ...]:
    """Options of all but peers: no bound but the machine's, and all the time in the world."""
    if not contestant.takes_options:
        return ()
    options = ("--max-connections", "--keep-alive-timeout", "--max-requests-per-connection")
    return tuple(word for option in options if not gives(contestant, option) for word in (option, "0"))


def _need_descriptors(connections: int) -> None:
    """Of the server and of the client; both raise their soft limit themselves."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < connections + SPARE_DESCRIPTORS:
        raise MeasurementError(
            f"{connections:,} connections need {connections + SPARE_DESCRIPTORS:,} descriptors in one process, and the "
            f"hard limit is {hard:,}; raise it: ulimit -Hn {connections + SPARE_DESCRIPTORS} (as root)"
        )


def _settled_memory(server: Server) -> Memory:
    """When no process comes or goes and no memory is freed any more: a loop sweeps, and a process that has answered
    may still be leaving."""
    deadline = time.monotonic() + SETTLING
    before, now = None, server.memory()
    while not (before and _alike(before, now)) and time.monotonic() < deadline:
        time.sleep(PAUSE)
        before, now = now, server.memory()
    return now


def _alike(one: Memory, other: Memory) -> bool:
    known, later = one.pss or 0, other.pss or 0
    return one.processes == other.processes and abs(later - known) <= ALIKE * known


def _before() -> tuple[MachineMemory | None, str]:
    """The machine's memory, or why the kernel does not tell."""
    try:
        return machine_memory.settled(), ""
    except MeasurementError as error:
        return None, str(error)


def _machine(
    found: Memory, before: MachineMemory, during: MachineMemory
) -> tuple[MachineMemory | None, int | None, str]:
    """The machine's change, where it is needed and can be believed: what was not there before, and is no longer there
    after the server has gone."""
    if found.group:
        return None, None, "the server's control group tells"
    change, left = during - before, (machine_memory.settled() - before).total
    if abs(left) > max(LEFT * abs(change.total), LEFT_AT_LEAST):
        reason = f"somebody else had a hand in it: {left / 2**20:+.1f} MiB after the server had gone"
        return None, left, reason
    return change, left, ""
