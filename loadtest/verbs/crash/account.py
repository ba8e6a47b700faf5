"""What a crash took down, from the account of all requests. Pure. Times are in seconds from the start of the load's
schedule."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from loadtest.clients.pace import NEVER
from loadtest.engine.run import Result
from loadtest.verbs.crash.clients import Attempt, Observation
from loadtest.verbs.crash.plan import CrashStep

CUT = frozenset({"EOF before response", "truncated", "reset"})  # in hand, or about to be, and not answered
TURNED_AWAY = frozenset({"refused", "timed out", NEVER})  # by nobody there, or nobody in time
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


@dataclass(frozen=True)
class Outage:
    seconds: float
    lasting: bool  # until the end of the observation


def count(attempts: Sequence[Attempt], outcomes: Collection[str]) -> int:
    return sum(attempt.outcome in outcomes for attempt in attempts)


def slowest_answer(attempts: Sequence[Attempt], fault_at: float) -> float | None:
    """Seconds from due to answered, of requests due after the fault; None when none was answered."""
    answered = [(one.due, one.done) for one in attempts if one.due >= fault_at and one.outcome == "ok"]
    return max((done - due for due, done in answered if done is not None), default=None)


def time_without_service(attempts: Sequence[Attempt], fault_at: float, end: float) -> Outage:
    """Of requests due after the fault: from each first loss to the next that is answered, summed. Requests that
    were in hand at the fault are losses, but say nothing about the time after it."""
    later = sorted((one for one in attempts if one.due >= fault_at), key=lambda one: one.due)
    total, since = 0.0, None
    for attempt in later:
        if attempt.outcome == "ok" and since is not None:
            total, since = total + attempt.due - since, None
        elif attempt.outcome != "ok" and since is None:
            since = attempt.due
    return Outage(total, False) if since is None else Outage(total + end - since, True)


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
    return Survivors(
        processes_before=len(early & before),
        processes_kept=len(early & before & lasting),
        processes_new=len(lasting - early - before),
        connections_before=found.connections_before,
        connections_kept=found.connections_kept,
        server_status=status,
    )
