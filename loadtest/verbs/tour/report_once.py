"""The tables of what was measured once: memory, a crowd of clients, a crash. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from loadtest.clients.outcomes import Outcome
from loadtest.document.document import Section, table
from loadtest.document.figures import DASH, mebibytes, milliseconds, share
from loadtest.system.processes import describe_status
from loadtest.verbs.tour import crash
from loadtest.verbs.tour.report_loads import waits
from loadtest.verbs.tour.results import CrashRun, CrowdRun, MemoryRun, TourResults
from loadtest.verbs.tour.validity import crash_problem


def memory(results: TourResults) -> Section | None:
    if not results.memory:
        return None
    charged = any(run.in_hand.group for run in results.memory)
    filled = table(
        "", "processes\nat start", "\nbusy", "PSS, MiB\nat start", "\nbusy", "\nidle",
        "private\nbusy", *(GROUP_COLUMNS if charged else PROCESS_COLUMNS),
    )  # fmt: skip
    for run in results.memory:
        beyond = _group_columns(run) if charged else _process_columns(run)
        filled.add_row(run.contestant, *_memory_columns(run), *beyond)
    notes = [
        f"Of the whole process tree. Busy: {results.settings.connections} connections with a request in hand each; "
        "idle: the same connections, answered and kept alive.",
        *_unknown_notes(results.memory),
        *_rss_notes(results.memory),
        GROUP_NOTE if charged else "Not in PSS: page tables (shown), kernel stacks and socket buffers.",
    ]
    return Section("How much memory does the server take?", filled, notes)


PROCESS_COLUMNS = ("page tables\nbusy", "summed RSS\nbusy")
GROUP_COLUMNS = ("cgroup\nanon", "\nkernel", "\nsockets")
GROUP_NOTE = (
    "cgroup: what the kernel charges to the container while busy, to some 100 KiB, its PID 1 (tini) included. Anon: "
    "heaps, stacks and what else is private and written to. Kernel: "
    "stacks, page tables, slabs; cgroup v1 knows only the sum. Page cache is left out: its first user is charged."
)


def _memory_columns(run: MemoryRun) -> list[str]:
    busy = run.in_hand
    sizes = (run.at_start.pss, busy.pss, run.idle.pss, busy.private)
    return [str(run.at_start.processes), str(busy.processes), *map(_size, sizes)]


def _process_columns(run: MemoryRun) -> list[str]:
    return [_size(run.in_hand.page_tables), _size(run.in_hand.rss)]


def _group_columns(run: MemoryRun) -> list[str]:
    group = run.in_hand.group
    return [_size(size) for size in (group.anonymous, group.kernel, group.sockets)] if group else [DASH] * 3


def _size(count: int | None) -> str:
    return DASH if count is None else mebibytes(count)


def _unknown_notes(runs: Sequence[MemoryRun]) -> list[str]:
    reasons = {run.in_hand.unknown for run in runs} - {""}
    return [f"No PSS, private memory and RSS: {reason}." for reason in sorted(reasons)]


def _rss_notes(runs: Sequence[MemoryRun]) -> list[str]:
    """What summed RSS would have said, of the server that it slanders most."""
    known = [(run.in_hand.rss / run.in_hand.pss, run.contestant) for run in runs if run.in_hand.rss and run.in_hand.pss]
    if not known:
        return []
    factor, name = max(known, key=lambda one: one[0])
    return [
        "PSS counts a shared page once; summed RSS counts it once for each process and would charge "
        f"{name} {factor:.1f} times its PSS."
    ]


def crowd(results: TourResults) -> Section | None:
    if not results.crowds:
        return None
    settings = results.settings.crowd
    filled = table("", "workers", "clients served", "newcomers answered", "median wait ms")
    for run in results.crowds:
        rotation = f", rotation every {run.rotation}" if run.rotation else ""
        filled.add_row(run.contestant + rotation, *_crowd_columns(run))
    notes = [
        f"{settings.clients} keep-alive clients ask for {settings.path} over and over, for {settings.seconds:g} s; "
        "served is who got an answer at all. One run each.",
        f"rotation: --max-requests-per-connection {settings.rotation}, so that a pool's worker turns to the next "
        "client; otherwise the default of 1000. The other models have no bound that matters here.",
    ]
    return Section(f"Who is served when {settings.clients} clients come at once?", filled, notes)


def _crowd_columns(run: CrowdRun) -> list[str]:
    seen = run.newcomers
    workers = str(run.workers) if run.workers else DASH
    clients, newcomer = share(run.clients_served, run.clients_asked), share(seen.served, seen.asked)
    return [workers, clients, newcomer, waits(seen)[0]]


def crashes(results: TourResults) -> Section | None:
    if not results.crashes:
        return None
    settings = results.settings.crash
    filled = table(
        "", "faulty\nrequest", "cut in\nhand", "turned\naway", "clients\nkept", "s without\nservice",
        "slowest\nms", "processes\nkept", "\nnew", "server",
    )  # fmt: skip
    for run in results.crashes:
        filled.add_row(run.contestant, *([DASH] * 9 if crash_problem(run) else _crash_columns(run)))
    watched = settings.end - settings.fault_at
    notes = [
        f"{settings.rate} requests/s for {settings.path} on {settings.clients} keep-alive connections; at "
        f"{settings.fault_at:g} s POST {settings.fault} on a connection of its own; watched for {watched:.1f} s more. "
        "One crash each.",
        "Other requests, all accounted for: cut in hand (connection lost before the answer), turned away (refused or "
        "timed out). Clients kept: connections that outlived the fault.",
        "Where nobody restarts a dead server it stays dead: its time without service, and the requests it turned away, "
        "end with the observation (>). +parent: --supervise, a parent that keeps the listening socket and restarts it.",
        f"Without service: resolution {1000 / settings.rate:g} ms. Slowest: of the answers to requests due after the "
        "fault. Processes: without those that live for one request.",
        *(f"{run.contestant}: invalid, {problem}." for run in results.crashes if (problem := crash_problem(run))),
    ]
    return Section("What does a segmentation fault in one request take down?", filled, notes)


def _crash_columns(run: CrashRun) -> list[str]:
    survivors = run.survivors
    outage = crash.time_without_service(run.attempts, run.fault_at, run.end)
    slowest = crash.slowest_answer(run.attempts, run.fault_at)
    server = "lives" if survivors.server_status is None else describe_status(survivors.server_status).split()[-1]
    return [
        _faulty(run.faulty),
        share(crash.lost_in_hand(run.attempts), len(run.attempts)),
        str(crash.turned_away(run.attempts)),
        share(survivors.connections_kept, survivors.connections_before),
        f"{'> ' if outage.lasting else ''}{outage.seconds:.2f}",
        DASH if slowest is None else milliseconds(slowest),
        share(survivors.processes_kept, survivors.processes_before),
        str(survivors.processes_new),
        server,
    ]


def _faulty(outcome: Outcome) -> str:
    return "EOF" if outcome == Outcome.eof else outcome.value
