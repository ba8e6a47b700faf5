"""The table of what a crash takes down. Pure."""

from __future__ import annotations

from loadtest.document.document import Section, table
from loadtest.document.figures import DASH, milliseconds, share
from loadtest.engine.run import Part
from loadtest.system.processes import describe_status
from loadtest.verbs.crash import account
from loadtest.verbs.crash.account import CUT, TURNED_AWAY, Crash
from loadtest.verbs.crash.plan import CrashSettings


def section(part: Part) -> Section | None:
    """None: nothing has been measured yet."""
    if not part.results:
        return None
    settings: CrashSettings = part.settings
    filled = table(
        "", "faulty\nrequest", "cut in\nhand", "turned\naway", "clients\nkept", "s without\nservice",
        "slowest\nms", "processes\nkept", "\nnew", "server",
    )  # fmt: skip
    for one in part.results:
        name = settings.contestant_of(one.step).name
        filled.add_row(name, *([DASH] * 9 if one.problems else _columns(one, settings.end)))
    watched = settings.end - settings.fault_at
    notes = [
        f"{settings.rate} requests/s for {settings.path} on {settings.clients} keep-alive connections; at "
        f"{settings.fault_at:g} s POST {settings.fault} on a connection of its own; watched for {watched:.1f} s more. "
        "One crash each.",
        "Other requests, all accounted for: cut in hand (connection lost before the answer), turned away (refused, "
        "timed out or never answered). Clients kept: connections that outlived the fault.",
        "Where nobody restarts a dead server it stays dead: its time without service, and the requests it turned away, "
        "end with the observation (>). +parent: --supervise, a parent that keeps the listening socket and restarts it.",
        f"Without service: resolution {1000 / settings.rate:g} ms, on a quiet machine. Slowest: of the answers to "
        "requests due after the fault. Processes: without those that live for one request.",
    ]
    return Section("What does a segmentation fault in one request take down?", filled, notes)


def _columns(one: Crash, end: float) -> list[str]:
    survivors = one.survivors
    outage = account.time_without_service(one.attempts, one.fault_at, end)
    slowest = account.slowest_answer(one.attempts, one.fault_at)
    server = "lives" if survivors.server_status is None else describe_status(survivors.server_status).split()[-1]
    return [
        "EOF" if one.faulty == "EOF before response" else one.faulty,
        share(account.count(one.attempts, CUT), len(one.attempts)),
        str(account.count(one.attempts, TURNED_AWAY)),
        share(survivors.connections_kept, survivors.connections_before),
        f"{'> ' if outage.lasting else ''}{outage.seconds:.2f}",
        DASH if slowest is None else milliseconds(slowest),
        share(survivors.processes_kept, survivors.processes_before),
        str(survivors.processes_new),
        server,
    ]
