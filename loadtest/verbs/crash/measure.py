"""The measurement `crash`: one crash, of a server of its own; what it took down, from the account of all requests; and
the table of it. Times are in seconds from the start of the load's schedule."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from loadtest.clients.pace import EXECUTABLE
from loadtest.document.document import Section, table
from loadtest.document.figures import DASH, milliseconds, share
from loadtest.engine.measurement import Bench, Measurement, refuse_incidents, stop
from loadtest.engine.run import Part, Result
from loadtest.places.launch import ServerPlan
from loadtest.system.processes import Address, describe_status
from loadtest.verbs.crash import clients
from loadtest.verbs.crash.clients import Attempt, CrashSettings, CrashStep, Observation

CUT = frozenset({"EOF before response", "truncated", "reset"})  # the connection was lost before the answer
WRONG = frozenset({"error status", "wrong content"})


@dataclass
class Survivors:
    processes_before: int
    processes_kept: int  # of those before
    processes_new: int
    connections_before: int
    connections_kept: int
    server_status: int | None  # None: the server lives


@dataclass(kw_only=True)
class Crash(Result):
    step: CrashStep
    fault_at: float  # when the fault was really asked for
    faulty: str  # what became of that request
    attempts: list[Attempt]  # all others
    survivors: Survivors


def server(settings: CrashSettings, step: CrashStep) -> ServerPlan:
    contestant = settings.contestant_of(step)
    return ServerPlan(contestant, settings.cpus, settings.workers, settings.clients, ("--enable-faults",))


def measure(bench: Bench, step: CrashStep) -> Crash:
    settings = bench.settings
    processes: list[set[tuple[int, int]]] = []
    with bench.start(server(settings, step)) as running:
        found = running.ask(clients.crash, settings, step, lambda _: processes.append(running.processes()))
        died = running.has_ended()
        ended = stop(running)
        refuse_incidents(running)
    problem = crash_problem(found.faulty, found.attempts, found.fault_at)
    return Crash(
        step=step,
        server_command=running.command,
        problems=[*filter(None, [problem]), *found.problems],
        fault_at=found.fault_at,
        faulty=found.faulty,
        attempts=found.attempts,
        survivors=survivors(processes, found, ended.status if died else None),
    )


def load(address: Address, settings: CrashSettings, step: CrashStep) -> list[list[str]]:
    return [clients.load_command(address, settings), clients.fault_command(address, settings)]


CRASH = Measurement(
    name="crash",
    settings=CrashSettings,
    result=Crash,
    steps=clients.steps,
    seconds=lambda settings, step: float(settings.end + 0.3),  # with start and drain
    measure=measure,
    server=server,
    load=load,
    programs=(EXECUTABLE,),
    # what fails under a parent is not left out without one, nor the other way round
    key=lambda step: f"{step.contestant}{' +parent' if step.supervised else ''}",
)


# --- the account


def count(attempts: Sequence[Attempt], outcomes: Collection[str]) -> int:
    return sum(attempt.outcome in outcomes for attempt in attempts)


def in_hand(attempts: Sequence[Attempt], fault_at: float) -> list[Attempt]:
    """Sent before the fault was asked for, and not ended by then: what a crash could take down."""
    sent = [one for one in attempts if one.sent is not None and one.sent < fault_at]
    return [one for one in sent if one.done is None or one.done > fault_at]


def lost(attempts: Sequence[Attempt]) -> int:
    return sum(one.outcome != "ok" for one in attempts)


def turned_away(attempts: Sequence[Attempt], fault_at: float) -> int:
    """Not answered, without having been in hand at the fault: nobody was there, or nobody had time."""
    return lost(attempts) - lost(in_hand(attempts, fault_at))


def slowest_answer(attempts: Sequence[Attempt], fault_at: float) -> float | None:
    """Seconds from due to answered, of requests due after the fault; None when none was answered."""
    later = [one for one in attempts if one.due >= fault_at and one.outcome == "ok"]
    return max((one.done - one.due for one in later if one.done is not None), default=None)


def time_without_service(attempts: Sequence[Attempt], fault_at: float, end: float) -> tuple[float, bool]:
    """Seconds from each first loss to the next request that is answered, summed, and whether the last go on until the
    end. Of requests due after the fault: those that were in hand at it say nothing about the time after it."""
    later = sorted((one for one in attempts if one.due >= fault_at), key=lambda one: one.due)
    total, since = 0.0, None
    for attempt in later:
        if attempt.outcome == "ok" and since is not None:
            total, since = total + attempt.due - since, None
        elif attempt.outcome != "ok" and since is None:
            since = attempt.due
    return (total, False) if since is None else (total + end - since, True)


def crash_problem(faulty: str, attempts: Sequence[Attempt], fault_at: float) -> str:
    """Why a crash tells nothing; mostly ""."""
    if faulty not in CUT:
        return f"the fault crashed nothing ({faulty})"
    early = sum(one.outcome != "ok" and one.done is not None and one.done < fault_at for one in attempts)
    if early:
        return f"{early} requests failed before the fault"
    wrong = count(attempts, WRONG)
    return f"{wrong} requests were answered wrongly" if wrong else ""


def survivors(processes: Sequence[set[tuple[int, int]]], found: Observation, status: int | None) -> Survivors:
    """From the processes at two moments before the fault and two after it. Who is there only once of a pair lives for
    one request and does not count."""
    early, before, after, late = processes
    lasting = after & late
    kept, new = len(early & before & lasting), len(lasting - early - before)
    return Survivors(len(early & before), kept, new, found.connections_before, found.connections_kept, status)


# --- the table


def section(part: Part) -> Section:
    settings: CrashSettings = part.settings
    filled = table(
        "", "faulty\nrequest", "lost in\nhand", "turned\naway", "clients\nkept", "s without\nservice", "slowest\nms",
        "processes\nkept", "\nnew", "server",
    )  # fmt: skip
    for one in part.results:
        filled.add_row(settings.contestant_of(one.step).name, *_columns(one, settings.end))
    notes = [
        f"{settings.rate} requests/s for {settings.path} on {settings.clients} keep-alive connections; at "
        f"{settings.fault_at:g} s POST {settings.fault} on a connection of its own; watched until {settings.end:g} s. "
        "One crash each.",
        f"Other requests, all {settings.requests} accounted for. Lost in hand: of those that were sent before the "
        "fault and not answered yet. Turned away: sent later, or never, and not answered. Clients kept: connections "
        "that outlived the fault.",
        "Where nobody restarts a dead server it stays dead: its time without service, and the requests it turned away, "
        "end with the observation (>). +parent: --supervise, a parent that keeps the listening socket and restarts it.",
        f"Without service: resolution {1000 / settings.rate:g} ms. Slowest: of the answers to requests due after the "
        "fault. Processes: without those that live for one request.",
    ]
    return Section("What does a segmentation fault in one request take down?", filled, notes)


def _columns(one: Crash, end: float) -> list[str]:
    if one.problems:
        return [DASH] * 9
    survivors, slowest = one.survivors, slowest_answer(one.attempts, one.fault_at)
    hand = in_hand(one.attempts, one.fault_at)
    outage, lasting = time_without_service(one.attempts, one.fault_at, end)
    return [
        "EOF" if one.faulty == "EOF before response" else one.faulty,
        share(lost(hand), len(hand)),
        str(turned_away(one.attempts, one.fault_at)),
        share(survivors.connections_kept, survivors.connections_before),
        f"{'> ' if lasting else ''}{outage:.2f}",
        DASH if slowest is None else milliseconds(slowest),
        share(survivors.processes_kept, survivors.processes_before),
        str(survivors.processes_new),
        "lives" if survivors.server_status is None else describe_status(survivors.server_status).split()[-1],
    ]
