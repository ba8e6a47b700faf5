"""One fault, injected once into a server of its own: both sides of it, and what they say together."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from loadtest.clients.pace import EXECUTABLE
from loadtest.contestants.contestants import loops
from loadtest.document.figures import plural
from loadtest.engine.measurement import Bench, Measurement
from loadtest.places.launch import ServerPlan
from loadtest.system import MeasurementError
from loadtest.system.cpus import Disturbance
from loadtest.system.processes import Address, Server
from loadtest.system.scoreboard import Scoreboard
from loadtest.verbs.crash import clients, plan, report, triggers
from loadtest.verbs.crash.attend import attend, end, harmable, keep_records, limited
from loadtest.verbs.crash.catalogue import Fault
from loadtest.verbs.crash.clients import AFTER, BEFORE, EARLY, FAULT, JUST, LATE
from loadtest.verbs.crash.ledger import Ledger
from loadtest.verbs.crash.outside import Scene, Struck
from loadtest.verbs.crash.plan import CrashSettings
from loadtest.verbs.crash.results import DELAYED, STARVED, Crash, CrashStep, Known, Processes, Told
from loadtest.verbs.crash.survival import Identities, brought_back_by, survivors
from loadtest.verbs.crash.triggers import Trigger

BLIND = 0.35  # seconds: where an answer may take longer, a stop of 0.4 s is nobody's delay
SLOW = 0.3  # seconds that a fault may take to come: then its 0.4 s still end 0.1 s before the end of the load
SPOILED = 0.25  # the share of a CPU that others may take: a verdict minds less than a CPU time does
# To look up the names of functions for its report takes AddressSanitizer a second, in which other threads go on.
QUICK = ("env", "ASAN_OPTIONS=symbolize=0")


@dataclass
class Watch:
    """The server's side: looks at the server when the clients' side tells that a moment has come."""

    server: Server
    scoreboard: Scoreboard
    trigger: Trigger
    processes: dict[str, Identities] = field(default_factory=dict)
    phases: dict[str, int] = field(default_factory=dict)
    blamed: list[str] = field(default_factory=list)
    readable: bool = False  # the scoreboard, at the end
    struck: Struck | None = None  # by a fault from outside
    relieved: bool = False
    missed: list[str] = field(default_factory=list)  # why it could not be done, or not in time; mostly nothing

    def look(self, moment: str) -> None:
        if moment in (EARLY, BEFORE, AFTER, LATE):
            self.processes[moment] = self.server.processes()
        if moment == JUST:
            self.phases = self.scoreboard.phases()
        if moment == LATE:
            self.readable, self.blamed = self.scoreboard.slots() is not None, self.scoreboard.blamed()
        if moment == FAULT and self.trigger.strike:
            self._strike(self.trigger.strike)
        if moment == AFTER:
            self.close()

    def close(self) -> None:
        """Ends what a fault from outside goes on with, if nobody has; at the latest when the load has failed."""
        if self.struck and self.trigger.relieve and not self.relieved:
            self.trigger.relieve(self.struck)
            self.relieved = True

    def _strike(self, strike: Callable[[Scene], Struck]) -> None:
        lasting = frozenset(self.processes[EARLY] & self.processes[BEFORE])
        try:
            self.struck = strike(Scene(self.server, self.scoreboard, lasting))
        except MeasurementError as error:
            self.missed.append(str(error))
        if self.struck and self.struck.took > SLOW:
            self.missed.append(f"it took {self.struck.took:.2f} s until the fault was there")

    def account(self, status: int | None) -> Processes:
        """From two moments before the fault and two after it."""
        early, before, after, late = (self.processes[moment] for moment in (EARLY, BEFORE, AFTER, LATE))
        return survivors((early, before), (after, late), status)


def server(settings: CrashSettings, step: CrashStep) -> ServerPlan:
    fault = settings.fault(step.fault)
    under = (*limited(fault.limits), *triggers.of(fault).under(), *(QUICK if step.sanitizer else ()))
    return harmable(settings, step, under)


def measure(bench: Bench, step: CrashStep) -> Crash:
    """Raises MeasurementError."""
    settings: CrashSettings = bench.settings
    fault = settings.fault(step.fault)
    if refusal := triggers.refusal(fault, settings.runner) or triggers.untraceable(fault):
        raise MeasurementError(refusal)
    found = None
    try:
        found = measured(bench, step, fault)
        return found
    finally:
        try:
            triggers.of(fault).tidy_up()
        except MeasurementError as error:  # costs no result, and hides no other error
            if found:
                found.problems.append(str(error))


def measured(bench: Bench, step: CrashStep, fault: Fault) -> Crash:
    """Raises MeasurementError."""
    settings: CrashSettings = bench.settings
    watching = partial(Watch, trigger=triggers.of(fault))
    seen = attend(bench, server(settings, step), clients.crash, step, watching)
    watch, found = seen.watch, seen.found
    keep_records(bench, step, step.fault, found)
    struck = watch.struck or Struck(frozenset(), found.started + settings.fault_at)
    ledger = Ledger(found.lanes, found.records, struck.at - found.started, settings.end, struck.processes)
    bad_luck = [
        *watch.missed,
        *misfortunes(ledger, loops(settings.contestant_of(step), len(settings.cpus.server)), seen.disturbance),
    ]
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
        faulty=ledger.fates,
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
        stored=found.stored,
    )


def misfortunes(ledger: Ledger, shared_loops: int, disturbance: Disturbance | None) -> Iterator[str]:
    """What makes a try tell nothing, and is not the server's doing. Other load can make somebody late; it cuts nobody
    off."""
    late = any(ledger.harm(one) in (DELAYED, STARVED) for one in ledger.harmed)
    if late and disturbance and disturbance.worst > SPOILED:
        yield f"others took {disturbance.worst:.0%} of a CPU"
    if not ledger.harmed and ledger.late_from > BLIND:
        yield f"before the fault answers took so long that nobody is late before {ledger.late_from:.2f} s"
    if shared_loops > 1 and not is_spread(ledger):
        yield f"the connections were not spread over {shared_loops} loops"
    cut = ledger.account.connections - ledger.account.connections_kept
    if shared_loops > 1 and cut and not ledger.harmed:
        yield f"{plural(cut, 'connection')} of others ended, and by chance none had a request in hand"


def is_spread(ledger: Ledger) -> bool:
    """A kept client shares the faulty worker, and another worker has somebody, be it newcomers: only then does it show
    whom of them the fault harms. Who accepts a client is chance where processes share a listener, and seldom fair."""
    known = [(one, worker) for one in ledger.others if (worker := ledger.worker(one)) in ledger.workers_before]
    kept = {worker for one, worker in known if not ledger.is_newcomer(one)}
    return len({worker for _, worker in known}) > 1 and ledger.faulty_workers <= kept


def _asks_wrk(settings: CrashSettings, step: CrashStep) -> bool:
    """A fault from outside comes amid a request that takes a while, and wrk sends none."""
    once = step.round == 1 and not step.sanitizer
    return settings.asks_wrk and once and not triggers.of(settings.fault(step.fault)).strike


def told_by_wrk(bench: Bench, step: CrashStep) -> Told | None:
    """In a run of its own, with a server of its own; None where that failed: it costs no verdict."""
    settings: CrashSettings = bench.settings
    try:
        with bench.start(server(settings, step)) as running:
            told = running.ask(clients.beside_wrk, settings, step, lambda _: None)
            end(bench, running)
        return told
    except MeasurementError:
        return None


def load(address: Address, settings: CrashSettings, step: CrashStep) -> list[list[str]]:
    """And what is done from outside; and, where it is asked, what wrk is given: the fault comes a second after its
    start; and what removes what the server has left."""
    trigger = triggers.of(settings.fault(step.fault))
    by_hand = [one.format(port=address.port) for one in trigger.by_hand]
    commands = [clients.load_command(address, settings, step), *map(str.split, by_hand)]
    if _asks_wrk(settings, step):
        commands += [clients.wrk_fault_command(address, settings, step), clients.wrk_command(address, settings, step)]
    return [*commands, *filter(None, [list(trigger.removes())])]


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
    instruments=lambda settings: any(triggers.of(one).traces for one in settings.faults),
    sanitized=plan.sanitized,
    # what fails of one fault is not left out of the others, nor under a parent, nor of another build
    key=lambda step: (step.contestant, step.fault, step.keeper, step.sanitizer),
    caveats=report.caveats,
)
