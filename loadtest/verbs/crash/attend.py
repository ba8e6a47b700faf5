"""The whole life of a server that something is done to, from both sides: who watches it, and what is left of it."""

import csv
import io
import os
import re
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from loadtest.document.figures import plural
from loadtest.engine.measurement import Bench, stop
from loadtest.places.launch import ServerPlan
from loadtest.system import MeasurementError, cpus, procfs
from loadtest.system.cpus import CpuSets, Disturbance, Reading
from loadtest.system.processes import Ended, Job, Server
from loadtest.system.scoreboard import Scoreboard
from loadtest.verbs.crash.catalogue import Limits
from loadtest.verbs.crash.clients import Observation
from loadtest.verbs.crash.plan import Try, WatchSettings
from loadtest.verbs.crash.results import DOCKER, PARENT

KEPT = {"": "", PARENT: "+parent", DOCKER: "+restart"}  # in names of files
LONGEST = 200  # such a name, which parameters of the user's choice may be in
DRAIN = "100ms"  # a server cuts then what its fault has left
# Seconds that a drain may take until the server hangs; and how many more until that is an error.
HANGING, HANGING_ASAN, DRAINING = 0.6, 1.5, 12.0
MEBIBYTE = 2**20
REAPING = 1.0  # seconds that a parent may take to wait for those that have ended
LOOKS, BETWEEN = 3, 0.005  # at descriptors, seconds
NOTICING = 0.2  # and a worker, to close what its clients have closed


def harmable(settings: WatchSettings, step: Try, under: tuple[str, ...]) -> ServerPlan:
    """Started by that command."""
    more = ("--enable-faults", "--drain-timeout", DRAIN)
    contestant, restarts = settings.contestant_of(step), step.keeper == DOCKER
    return ServerPlan(contestant, settings.cpus, settings.workers, settings.clients, more, under, restarts)


def limited(limits: Limits) -> tuple[str, ...]:
    """A command that gives those to the one that follows; nothing where there are none."""
    space, descriptors = limits.address_space_mib, limits.descriptors
    words = [f"--as={space * MEBIBYTE}"] if space else []
    words += [f"--nofile={descriptors}"] if descriptors else []
    return ("prlimit", *words, "--") if words else ()


W = TypeVar("W", bound="Watching")


class Watching(Protocol):
    def look(self, moment: str) -> None:
        """At the server, when the clients' side tells that a moment has come."""

    def close(self) -> None:
        """Ends what was begun and has not been ended, whatever happens."""


@dataclass
class Seen(Generic[W]):
    """By both sides."""

    watch: W
    found: Observation
    command: str
    status: int | None  # with which the server ended by itself; None: it lived
    leftovers: list[str]  # of the server
    incidents: list[str]
    disturbance: Disturbance | None


class Descriptors:
    """That the processes have open which were there at the start: each the least of some looks, because a server that
    has just begun to listen may still have something open for a moment."""

    def __init__(self, server: Server) -> None:
        self._server, self._open = server, dict[tuple[int, int], int]()
        for _ in range(LOOKS):
            for one in server.processes():
                count = procfs.descriptors(one[0])
                self._open[one] = min(count, self._open.get(one, count))
            time.sleep(BETWEEN)

    def more(self) -> int:
        """That are open now. Processes take a moment to notice that their clients have left."""
        deadline = time.monotonic() + NOTICING
        while (found := self._more()) > 0 and time.monotonic() < deadline:
            time.sleep(BETWEEN)
        return found

    def _more(self) -> int:
        there = self._server.processes() & self._open.keys()
        return sum(max(0, procfs.descriptors(one[0]) - self._open[one]) for one in there)


class Account:
    """What the server and its CPUs have done until the first look and until the last. For a container, whose own
    account goes with it; outside of these looks the engine works for us, too."""

    def __init__(self, server: Server) -> None:
        self._server, self.readings = server, list[tuple[Reading, float]]()

    def read(self) -> None:
        try:
            used = self._server.usage().cpu_seconds
        except MeasurementError:  # it has ended: what it used between the first look and its death is little
            used = 0.0
        self.readings.append((cpus.read(), used))

    def disturbance(self, sets: CpuSets, load: float) -> Disturbance:
        (before, earlier), (after, later) = self.readings[0], self.readings[-1]
        return cpus.disturbance(before, after, sets, later - earlier if later > earlier else later, load)


def attend(
    bench: Bench, plan: ServerPlan, job: Job[Observation], step: Try, watching: Callable[[Server, Scoreboard], W]
) -> Seen[W]:
    """The whole life of a server. Raises MeasurementError."""
    began = cpus.read()
    with ExitStack() as opened:
        running = opened.enter_context(bench.start(plan))
        scoreboard = opened.enter_context(closing(running.scoreboard()))
        watch = opened.enter_context(closing(watching(running, scoreboard)))
        descriptors, account = Descriptors(running), Account(running)

        def look(moment: str) -> None:
            watch.look(moment)
            if bench.place.name == "docker":
                account.read()

        found = running.ask(job, bench.settings, step, look)
        died, zombies, more = running.has_ended(), neglected(running.session), descriptors.more()
        # all of them share the locks; a container has process numbers of its own
        shared = [] if bench.place.name == "docker" else running.processes()
        locks = max((procfs.abandoned_locks(pid) for pid, _ in shared), default=0)
        ended = end(bench, running, HANGING_ASAN if step.sanitizer else HANGING)
        left = leftovers(ended, zombies, more, locks, scoreboard.is_there())
        incidents = running.incidents()
    if ended.cpu_seconds is None:
        disturbance = account.disturbance(plan.cpus, found.cpu_seconds)
    else:
        disturbance = cpus.disturbance(began, cpus.read(), plan.cpus, ended.cpu_seconds, found.cpu_seconds)
    status = ended.status if died else None
    return Seen(watch, found, running.command, status, left, incidents, disturbance)


def end(bench: Bench, server: Server, hanging: float = HANGING) -> Ended:
    """As stop() does. But whoever hangs is sent SIGALRM, by which a server would end itself (servers/README.md): its
    own alarm counts whole seconds, and would come two seconds after the drain began. Raises MeasurementError."""
    if server.has_ended() or bench.place.name == "docker":
        return stop(server)
    server.signal(signal.SIGTERM)
    if not server.ends_within(hanging):
        for process, _ in server.processes():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGALRM)
    return server.wait(DRAINING)


def neglected(session: int) -> int:
    """Zombies. A parent of many whose clients have just left takes a moment to wait for all."""
    deadline = time.monotonic() + REAPING
    while (found := procfs.zombies(session)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return found


def leftovers(ended: Ended, zombies: int, descriptors: int, locks: int, scoreboard: bool) -> list[str]:
    """Half a sentence each. All but orphans are those before the drain, when the clients had left."""
    counted = {"zombie": zombies, "open descriptor": descriptors, "abandoned lock": locks, "orphan": ended.left}
    found = [plural(count, what) for what, count in counted.items() if count > 0]
    return found + (["its scoreboard"] if scoreboard else [])


def keep_records(bench: Bench, step: Try, what: str, found: Observation) -> None:
    bench.printed[raw_name(step, what)] = records_text(found)


def raw_name(step: Try, what: str) -> str:
    built = "+asan" if step.sanitizer else ""
    words = f"{step.round:02}-{what}-{step.contestant}{built}{KEPT[step.keeper]}"
    return re.sub(r"[^\w.+-]", "_", words)[:LONGEST] + ".csv"


def records_text(found: Observation) -> str:
    """As CSV: what every request asked for, and what became of it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("class", "due", "sent", "done", "outcome", "status", "connection", "process", "slot"))
    for one in found.records:
        times = ("" if moment is None else f"{moment:.6f}" for moment in (one.due, one.sent, one.done))
        answer = (one.outcome, one.status or "", one.connection, one.worker or "", one.slot if one.worker else "")
        writer.writerow((found.lanes[one.lane], *times, *answer))
    return text.getvalue()
