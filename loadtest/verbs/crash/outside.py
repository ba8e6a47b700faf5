"""Faults that come from outside: signals to a server's processes, and what is done to its files. On this machine only,
because it goes by process number."""

import os
import signal
import time
from collections import deque
from collections.abc import Collection, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from loadtest.system import MeasurementError, procfs
from loadtest.system.processes import Server
from loadtest.system.scoreboard import Scoreboard, Slot
from loadtest.verbs.walk import strace

LOOKS = 5  # at the scoreboard, of which all but the first see the same request in hand,
BETWEEN = 0.001  # seconds between two of them
LASTING = 0.4  # seconds that a worker is stopped, or a crash loop goes on when its worker has been killed
PATIENCE = 0.2  # seconds until that is seen
# Of strace: threads that are there already go on as before, because the parent makes no such call.
KILL_THE_NEW = ("-f", "-o", "/dev/null", "-e", "trace=prctl", "-e", "inject=prctl:signal=SIGKILL")
Identity = tuple[int, int]  # of a process: its number, and when it started


@dataclass(frozen=True)
class Scene:
    """The server, as it is looked at when the moment of the fault has come."""

    server: Server
    scoreboard: Scoreboard
    lasting: frozenset[Identity]  # processes that live for more than one request


@dataclass(frozen=True)
class Struck:
    """What a fault was done to, and when: seconds since 1970."""

    processes: frozenset[int]
    at: float
    lasting: ExitStack | None = None  # what goes on until this is closed
    took: float = 0.0  # seconds from then until all of it was done


def stop(scene: Scene) -> Struck:
    """A worker does nothing from here on: as when a debugger holds it, or its memory is read back from a slow disk."""
    return _send(signal.SIGSTOP, _chosen(scene))


def go_on(struck: Struck) -> None:
    """When the worker has been stopped for as long as it should."""
    _wait(struck)
    for process in struck.processes:
        with suppress(ProcessLookupError):  # somebody has killed it
            os.kill(process, signal.SIGCONT)


def kill_worker(scene: Scene) -> Struck:
    """As the kernel does when memory is short."""
    return _send(signal.SIGKILL, _chosen(scene))


def kill_parent(scene: Scene) -> Struck:
    """The process that was started: it has a parent's part where the model has one."""
    return _send(signal.SIGKILL, scene.server.pid)


def crash_loop(scene: Scene) -> Struck:
    """Whoever the parent forks from now on is killed at its first prctl(2), with which each asks to be told of the
    parent's death, before it serves anybody; and a worker is killed, so that a pool has one to replace. It counts from
    before strace is there, because nobody knows who is the first to be killed."""
    now = time.time()
    with ExitStack() as lasting:
        lasting.enter_context(strace.attached({scene.server.pid: scene.server.pid}, KILL_THE_NEW))
        struck = kill_worker(scene)
        goes_on = lasting.pop_all()
    return Struck(struck.processes, now, goes_on, struck.at - now)


def end_crash_loop(struck: Struck) -> None:
    """When it has gone on for as long as it should."""
    _wait(struck)
    if struck.lasting:
        struck.lasting.close()


def _wait(struck: Struck) -> None:
    time.sleep(max(0.0, struck.at + struck.took + LASTING - time.time()))


def truncate_scoreboard(scene: Scene) -> Struck:
    """Its pages vanish under the server, which has mapped them. Raises MeasurementError."""
    now = time.time()
    try:
        os.truncate(scene.scoreboard.path, 0)
    except OSError as error:
        raise MeasurementError(f"the scoreboard cannot be truncated: {error}") from error
    return Struck(frozenset(), now)


def choose(looks: Sequence[Sequence[Slot]], lasting: Collection[int]) -> int | None:
    """The process of a worker that has taken a request in hand after the first of these looks, and had it in hand in
    all the later ones: so the fault comes in the middle of a request that takes a while. None while there is none. Such
    requests are the load's: newcomers ask for something quick. Of process per request a connection's process is meant:
    a request's does not last."""
    readings: tuple[Slot, ...]
    for readings in zip(*looks):
        now = readings[-1]
        if now.process in lasting and now.counts.connections and _has_begun(readings):
            return now.process
    return None


def _has_begun(readings: Sequence[Slot]) -> bool:
    """Of process per request a connection's process counts no requests, but is idle between two."""
    first, *later = readings
    same = [one.counts == later[-1].counts and _is_in_hand(one) for one in (first, *later)]
    return not same[0] and all(same[1:])


def _is_in_hand(slot: Slot) -> bool:
    return slot.phases["running"] + slot.phases["sleeping"] > 0


def _chosen(scene: Scene) -> int:
    """Raises MeasurementError."""
    lasting, looks = dict(scene.lasting), deque[list[Slot]](maxlen=LOOKS)
    serving = {one.process for one in scene.scoreboard.slots() or [] if one.process in lasting}
    process = serving.pop() if len(serving) == 1 else None  # there is nothing to choose
    deadline = time.monotonic() + PATIENCE
    while process is None and time.monotonic() < deadline:
        time.sleep(BETWEEN)
        looks.append(scene.scoreboard.slots() or [])
        process = choose(looks, lasting) if len(looks) == LOOKS else None
    if process is None:
        raise MeasurementError("the scoreboard shows no worker that has a request of the load in hand")
    if procfs.identity(process) != (process, lasting[process]):
        raise MeasurementError(f"worker {process} was gone before the fault could come")
    return process


def _send(number: signal.Signals, process: int) -> Struck:
    now = time.time()
    try:
        os.kill(process, number)
    except ProcessLookupError as error:
        raise MeasurementError(f"process {process} was gone before {number.name} could be sent") from error
    return Struck(frozenset({process}), now)
