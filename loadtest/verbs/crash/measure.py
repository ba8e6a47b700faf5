"""One fault, injected once into a server of its own: both sides of it, and what they say together."""

import csv
import io
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, Protocol, TypeVar

from loadtest.clients.pace import EXECUTABLE
from loadtest.contestants.contestants import Contestant
from loadtest.document.figures import plural
from loadtest.engine.measurement import Bench, Measurement, stop
from loadtest.places.launch import ServerPlan
from loadtest.system import MeasurementError, cpus, procfs
from loadtest.system.cpus import CpuSets, Disturbance, Reading
from loadtest.system.processes import Address, Ended, Job, Server
from loadtest.system.scoreboard import Scoreboard
from loadtest.verbs.crash import clients, plan, triggers
from loadtest.verbs.crash.catalogue import Limits
from loadtest.verbs.crash.clients import AFTER, BEFORE, EARLY, FAULT, JUST, LATE, Observation
from loadtest.verbs.crash.ledger import Ledger
from loadtest.verbs.crash.outside import Scene, Struck
from loadtest.verbs.crash.plan import CrashSettings, Try, WatchSettings
from loadtest.verbs.crash.results import (
    DELAYED,
    DOCKER,
    NONE,
    PARENT,
    STARVED,
    Crash,
    CrashStep,
    Known,
    Processes,
    Recovery,
    Told,
    Verdict,
)
from loadtest.verbs.crash.triggers import Trigger

LONGEST = 200  # name of a file, which parameters of the user's choice may be in
BLIND = 0.35  # seconds: where an answer may take longer, a stop of 0.4 s is nobody's delay
SPOILED = 0.25  # the share of a CPU that others may take: a verdict minds less than a CPU time does
KEPT = {"": "", PARENT: "+parent", DOCKER: "+restart"}  # in names of files
DRAIN = "100ms"  # a server that hangs after its fault is cut off then, and ends a second later
MEBIBYTE = 2**20
REAPING = 1.0  # seconds that a parent may take to wait for those that have ended
LOOKS, BETWEEN = 3, 0.005  # at descriptors, seconds
NOTICING = 0.2  # and a worker, to close what its clients have closed


@dataclass
class Watch:
    """The server's side: looks at the server when the clients' side tells that a moment has come."""

    server: Server
    scoreboard: Scoreboard
    trigger: Trigger
    processes: dict[str, set[tuple[int, int]]] = field(default_factory=dict)
    phases: dict[str, int] = field(default_factory=dict)
    blamed: list[str] = field(default_factory=list)
    readable: bool = False  # the scoreboard, at the end
    struck: Struck | None = None  # by a fault from outside
    missed: list[str] = field(default_factory=list)  # why it could not be done; mostly nothing

    def look(self, moment: str) -> None:
        if moment in (EARLY, BEFORE, AFTER, LATE):
            self.processes[moment] = self.server.processes()
        if moment == JUST:
            self.phases = self.scoreboard.phases()
        if moment == LATE:
            self.readable, self.blamed = self.scoreboard.slots() is not None, self.scoreboard.blamed()
        if moment == FAULT and self.trigger.strike:
            self._strike(self.trigger.strike)
        if moment == AFTER and self.struck and self.trigger.relieve:
            self.trigger.relieve(self.struck)

    def _strike(self, strike: Callable[[Scene], Struck]) -> None:
        lasting = frozenset(self.processes[EARLY] & self.processes[BEFORE])
        try:
            self.struck = strike(Scene(self.server, self.scoreboard, lasting))
        except MeasurementError as error:
            self.missed.append(str(error))

    def account(self, status: int | None) -> Processes:
        """From two moments before the fault and two after it."""
        early, before, after, late = (self.processes[moment] for moment in (EARLY, BEFORE, AFTER, LATE))
        return survivors((early, before), (after, late), status)


Identities = set[tuple[int, int]]  # of processes


def survivors(
    before: tuple[Identities, Identities], after: tuple[Identities, Identities], status: int | None
) -> Processes:
    """Each time from two looks: who is there in one of them alone lives for one request and does not count."""
    lasting = after[0] & after[1]
    there = before[0] & before[1]
    return Processes(len(there), len(there & lasting), len(lasting - before[0] - before[1]), status)


def server(settings: CrashSettings, step: CrashStep) -> ServerPlan:
    fault = settings.fault(step.fault)
    return harmable(settings, step, (*limited(fault.limits), *triggers.of(fault).under()))


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


@dataclass
class Seen(Generic[W]):
    """By both sides."""

    watch: W
    found: Observation
    command: str
    status: int | None  # with which the server ended by itself; None: it lived
    leftovers: list[str]  # after the drain
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
        watch, descriptors, account = watching(running, scoreboard), Descriptors(running), Account(running)

        def look(moment: str) -> None:
            watch.look(moment)
            if bench.place.name == "docker":
                account.read()

        found = running.ask(job, bench.settings, step, look)
        died, zombies, more = running.has_ended(), neglected(running.session), descriptors.more()
        ended = stop(running)
        left = leftovers(ended, zombies, more, scoreboard.is_there())
        incidents = running.incidents()
    if ended.cpu_seconds is None:
        disturbance = account.disturbance(plan.cpus, found.cpu_seconds)
    else:
        disturbance = cpus.disturbance(began, cpus.read(), plan.cpus, ended.cpu_seconds, found.cpu_seconds)
    status = ended.status if died else None
    return Seen(watch, found, running.command, status, left, incidents, disturbance)


def measure(bench: Bench, step: CrashStep) -> Crash:
    """Raises MeasurementError."""
    settings: CrashSettings = bench.settings
    fault = settings.fault(step.fault)
    if refusal := triggers.refusal(fault, settings.runner):
        raise MeasurementError(refusal)
    watching = partial(Watch, trigger=triggers.of(fault))
    seen = attend(bench, server(settings, step), clients.crash, step, watching)
    watch, found = seen.watch, seen.found
    bench.printed[_raw_name(step)] = records_text(found)
    struck = watch.struck or Struck(frozenset(), found.started + settings.fault_at)
    ledger = Ledger(found.lanes, found.records, struck.at - found.started, settings.end, struck.processes)
    bad_luck = [*watch.missed, *misfortunes(ledger, loops_of(settings.contestant_of(step)), seen.disturbance)]
    bad_luck += ledger.problems
    processes = watch.account(seen.status)
    recovery = ledger.recovery
    recovery.by = brought_back_by(ledger.verdict, recovery, processes, step.keeper)
    return Crash(
        step=step,
        server_command=seen.command,
        problems=[*ledger.refusals, *found.problems, *seen.incidents, *bad_luck],
        disturbance=seen.disturbance,
        fault_at=ledger.fault_at,
        faulty=fates(ledger),
        verdict=ledger.verdict,
        expected=list(settings.expected(step)),
        others=ledger.account,
        recovery=recovery,
        strip=ledger.strip,
        known=Known(watch.phases, watch.blamed) if watch.readable else None,
        processes=processes,
        leftovers=seen.leftovers,
        told_by_wrk=told_by_wrk(bench, step) if _asks_wrk(settings, step) else None,
        unlucky=bool(bad_luck or found.problems),
    )


def fates(ledger: Ledger) -> list[str]:
    """Of the faulty requests."""
    return [f"status {one.status}" if one.outcome == "error status" else one.outcome for one in ledger.faults]


def misfortunes(ledger: Ledger, loops: int, disturbance: Disturbance | None) -> Iterator[str]:
    """What makes a try tell nothing, and is not the server's doing. Other load can make somebody late; it cuts nobody
    off."""
    late = any(ledger.harm(one) in (DELAYED, STARVED) for one in ledger.harmed)
    if late and disturbance and disturbance.worst > SPOILED:
        yield f"others took {disturbance.worst:.0%} of a CPU"
    if not ledger.harmed and ledger.late_from > BLIND:
        yield f"before the fault answers took so long that nobody is late before {ledger.late_from:.2f} s"
    theirs = {worker for one in ledger.others if (worker := ledger.worker(one)) in ledger.workers_before}
    if loops > 1 and (len(theirs) < loops or not ledger.faulty_workers <= theirs):
        yield f"the connections were not spread over {loops} loops"


def loops_of(contestant: Contestant) -> int:
    """That clients share."""
    return int(contestant.options.get("--workers", 1)) if contestant.known.many_loops else 1


def _asks_wrk(settings: CrashSettings, step: CrashStep) -> bool:
    """A fault from outside comes amid a request that takes a while, and wrk sends none."""
    return bool(settings.asks_wrk) and step.round == 1 and not triggers.of(settings.fault(step.fault)).strike


def told_by_wrk(bench: Bench, step: CrashStep) -> Told | None:
    """In a run of its own, with a server of its own; None where that failed: it costs no verdict."""
    settings: CrashSettings = bench.settings
    try:
        with bench.start(server(settings, step)) as running:
            told = running.ask(clients.beside_wrk, settings, step, lambda _: None)
            stop(running)
        return told
    except MeasurementError:
        return None


def brought_back_by(verdict: Verdict, recovery: Recovery, processes: Processes, keeper: str) -> str:
    """Who brought service back, where any of it was gone."""
    if recovery.back is None:
        return "nobody"
    if verdict.harm == NONE:
        return ""
    if keeper == DOCKER and not processes.kept:  # what it starts again is new as a whole
        return DOCKER
    if processes.new and processes.kept < processes.before:
        return PARENT if keeper == PARENT else "its parent"
    return "the fault ended" if recovery.back > 0 else ""


def neglected(session: int) -> int:
    """Zombies. A parent of many whose clients have just left takes a moment to wait for all."""
    deadline = time.monotonic() + REAPING
    while (found := procfs.zombies(session)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return found


def leftovers(ended: Ended, zombies: int, descriptors: int, scoreboard: bool) -> list[str]:
    """Half a sentence each. Zombies and descriptors are those before the drain, when the clients had left."""
    counted = {"zombie": zombies, "open descriptor": descriptors, "orphan": ended.left}
    found = [plural(count, what) for what, count in counted.items() if count > 0]
    return found + (["its scoreboard"] if scoreboard else [])


def load(address: Address, settings: CrashSettings, step: CrashStep) -> list[list[str]]:
    """And, where it is asked, what wrk is given: the fault comes a second after its start."""
    commands = [clients.load_command(address, settings, step)]
    if _asks_wrk(settings, step):
        commands += [clients.wrk_fault_command(address, settings, step), clients.wrk_command(address, settings, step)]
    return commands


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


def _raw_name(step: CrashStep) -> str:
    words = f"{step.round:02}-{step.fault}-{step.contestant}{KEPT[step.keeper]}"
    return re.sub(r"[^\w.+-]", "_", words)[:LONGEST] + ".csv"


def seconds(settings: CrashSettings, step: CrashStep) -> float:
    by_wrk = clients.WRK_SECONDS + 0.5 if _asks_wrk(settings, step) else 0.0
    containers = 1.0 if settings.runner == "docker" else 0.0
    return settings.end + 0.5 + by_wrk + containers  # with start and drain, and what hangs


CRASH = Measurement(
    name="crash",
    settings=CrashSettings,
    result=Crash,
    steps=plan.steps,
    seconds=seconds,
    measure=measure,
    server=server,
    load=load,
    programs=(EXECUTABLE,),
    uses_wrk=lambda settings: settings.asks_wrk and not all(triggers.of(one).strike for one in settings.faults),
    # what fails of one fault is not left out of the others, nor under a parent
    key=lambda step: (step.contestant, step.fault, step.keeper),
)
