"""What the models take at start, while every connection has a request in hand, and when all are idle again: the memory
of the main job."""

from __future__ import annotations

import time
from collections.abc import Sequence

from loadtest.document.document import Section, table
from loadtest.document.figures import DASH, mebibytes
from loadtest.engine.measurement import Bench, stop_well
from loadtest.engine.run import Part
from loadtest.places.launch import ServerPlan
from loadtest.places.place import Server
from loadtest.system.memory import Memory
from loadtest.verbs.memory import clients
from loadtest.verbs.memory.plan import PlateauSettings, PlateauStep
from loadtest.verbs.memory.results import PlateauResult

SETTLING = 0.2  # seconds; the requests are in hand for a few of them

PROCESS_COLUMNS = ("page tables\nbusy", "summed RSS\nbusy")
GROUP_COLUMNS = ("cgroup\nanon", "\nkernel", "\nsockets")
GROUP_NOTE = (
    "cgroup: what the kernel charges to the container while busy, to some 100 KiB, its PID 1 (tini) included. Anon: "
    "heaps, stacks and what else is private and written to. Kernel: "
    "stacks, page tables, slabs; cgroup v1 knows only the sum. Page cache is left out: its first user is charged."
)


def server(settings: PlateauSettings, step: PlateauStep) -> ServerPlan:
    """A pool has a worker for each connection, one for /stats, and one to spare."""
    contestant, connections = settings.contestant(step.contestant), settings.connections
    return ServerPlan(contestant, settings.cpus, connections + 2, connections)


def measure(bench: Bench, step: PlateauStep) -> PlateauResult:
    found: dict[str, Memory] = {}
    with bench.start(server(bench.settings, step)) as running:

        def look(moment: str) -> None:
            found[moment] = _settled_memory(running)

        at_start = running.memory()
        observed = running.ask(clients.plateaus, bench.settings, step, look)
        stop_well(running)
    return PlateauResult(
        step=step,
        server_command=running.command,
        client_commands=observed.commands,
        at_start=at_start,
        busy=found["busy"],
        idle=found["idle"],
    )


def _settled_memory(running: Server) -> Memory:
    """When no process comes or goes: the one that answered /stats, or a request, may still be leaving."""
    deadline = time.monotonic() + SETTLING
    before, now = None, running.processes()
    while now != before and time.monotonic() < deadline:
        time.sleep(0.02)
        before, now = now, running.processes()
    return running.memory()


# --- the table


def section(part: Part) -> Section | None:
    if not part.results:
        return None
    charged = any(result.busy.group for result in part.results)
    filled = table(
        "", "processes\nat start", "\nbusy", "PSS, MiB\nat start", "\nbusy", "\nidle",
        "private\nbusy", *(GROUP_COLUMNS if charged else PROCESS_COLUMNS),
    )  # fmt: skip
    for result in part.results:
        filled.add_row(result.step.contestant, *_columns(result, charged))
    notes = [
        f"Of the whole process tree. Busy: {part.settings.connections} connections with a request in hand each; "
        "idle: the same connections, answered and kept alive.",
        *_unknown_notes(part.results),
        *_rss_notes(part.results),
        GROUP_NOTE if charged else "Not in PSS: page tables (shown), kernel stacks and socket buffers.",
    ]
    return Section("How much memory does the server take?", filled, notes)


def _columns(result: PlateauResult, charged: bool) -> list[str]:
    busy, group = result.busy, result.busy.group
    beyond = [group.anonymous, group.kernel, group.sockets] if group else [None] * 3
    sizes = (result.at_start.pss, busy.pss, result.idle.pss, busy.private)
    more = beyond if charged else [busy.page_tables, busy.rss]
    return [str(result.at_start.processes), str(busy.processes), *map(_size, [*sizes, *more])]


def _size(count: int | None) -> str:
    return DASH if count is None else mebibytes(count)


def _unknown_notes(results: Sequence[PlateauResult]) -> list[str]:
    reasons = {result.busy.unknown for result in results} - {""}
    return [f"No PSS, private memory and RSS: {reason}." for reason in sorted(reasons)]


def _rss_notes(results: Sequence[PlateauResult]) -> list[str]:
    """What summed RSS would have said, of the server that it slanders most."""
    sizes = [(result.busy.rss, result.busy.pss, result.step.contestant) for result in results]
    known = [(rss / pss, name) for rss, pss, name in sizes if rss and pss]
    if not known:
        return []
    factor, name = max(known, key=lambda one: one[0])
    return [
        "PSS counts a shared page once; summed RSS counts it once for each process and would charge "
        f"{name} {factor:.1f} times its PSS."
    ]
