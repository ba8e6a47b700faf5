"""Results in, text out: one table for each question, and below it what can mislead. Pure."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from loadtest import crash, validity
from loadtest.plan import BALLASTED, Cell, Plan
from loadtest.processes import describe_status
from loadtest.results import CrashRun, CrowdRun, MemoryRun, Newcomers, Outcome, Results
from loadtest.stats import Estimate
from loadtest.summary import (
    LoadSummary,
    cpu_per_request,
    invalid_runs,
    newcomers,
    ranks,
    rate,
    reference_of,
    summarize,
)

DASH = "-"
ROUNDS_FOR_INTERVALS = 6


@dataclass(frozen=True)
class Section:
    """A question with its answer."""

    title: str
    table: Table
    notes: Sequence[str]


def render(results: Results, width: int = 100) -> str:
    """The whole report, without colour."""
    parts = [_wrap(_header(results), width, "")]
    parts += [_render_section(section, width) for make in SECTIONS if (section := make(results))]
    parts.append("\n".join(_wrap([line], width, "") for line in _closing(results)))
    return "\n".join(part for part in parts if part) + "\n"


def _render_section(section: Section, width: int) -> str:
    text = io.StringIO()
    console = Console(file=text, width=width, color_system=None, highlight=False, emoji=False, markup=False)
    console.print(section.table)
    notes = "\n".join(_wrap([note], width, "    ", "  * ") for note in section.notes)
    table = "\n".join(line.rstrip() for line in text.getvalue().splitlines() if line.strip())
    return f"\n{section.title}\n{table}\n{notes}"


def _wrap(lines: Sequence[str], width: int, indent: str, first: str | None = None) -> str:
    start = indent if first is None else first
    wrapper = textwrap.TextWrapper(width, initial_indent=start, subsequent_indent=indent, break_on_hyphens=False)
    return "\n".join(map(wrapper.fill, lines))


def _table(*columns: str) -> Table:
    """The first column is the name; the others are numbers."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column(columns[0], no_wrap=True)
    for column in columns[1:]:
        table.add_column(column, justify="right", no_wrap=True)
    return table


# --- numbers


def number(value: float) -> str:
    """Three significant digits at least: 0.0912, 4.21, 81.3, 4,210."""
    if value >= 100:
        return f"{value:,.0f}"
    digits = 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:.{digits}f}"


def milliseconds(seconds: float) -> str:
    return number(seconds * 1000)


def mebibytes(count: int) -> str:
    return f"{count / 2**20:,.1f}"


def ratio(value: Estimate | None) -> str:
    """"0.93 [0.91-0.95]", or without an interval when there were too few rounds."""
    if value is None:
        return DASH
    if value.interval is None:
        return number(value.median)
    return f"{number(value.median)} [{number(value.interval.low)}-{number(value.interval.high)}]"


def _share(part: int, whole: int) -> str:
    return f"{part}/{whole}" if whole else DASH


# --- header and closing


def _header(results: Results) -> list[str]:
    environment, plan = results.environment, results.plan
    split = (
        "server and load share it"
        if plan.shared_cpu
        else f"server on CPU {_list(plan.server_cpus)}, load on CPU {_list(plan.load_cpus)}"
    )
    routes = ", ".join(cell.path for cell in plan.cells)
    lines = [
        f"{environment.cpu_model}{' (virtual)' if environment.virtual else ''}, {environment.cpus} CPUs: {split}; "
        f"Linux {environment.kernel}, {environment.system}; load average {environment.load_average:.1f} at the start.",
        f"wrk: {plan.connections} connections, {plan.duration} s, in {plan.rounds} interleaved "
        f"round{'s' if plan.rounds > 1 else ''}; every run has a fresh server. Routes: {routes}.",
        f"Pools have {plan.workers} workers: one for each connection, one for newcomers, one for /stats.",
    ]
    if plan.rounds < ROUNDS_FOR_INTERVALS:
        lines.append(
            f"INDICATIVE: {plan.rounds} of the {ROUNDS_FOR_INTERVALS} rounds that an interval takes. "
            "Medians only; no ranks."
        )
    return lines


def _list(cpus: Sequence[int]) -> str:
    return ", ".join(map(str, cpus))


def _closing(results: Results) -> list[str]:
    lines = [""]
    lines += [f"FAILED {one.contestant} ({one.step}; left out after it): {one.reason}" for one in results.failures]
    lines += [f"INVALID {one.contestant}, round {one.round}, {one.cell}: {'; '.join(one.problems)}" for one in invalid_runs(results)]
    lines += _disturbances(results)
    if results.state == "interrupted":
        lines.append("INTERRUPTED: the tables hold what was measured until then.")
    lines.append(f"Measured in {results.seconds:.0f} s.")
    return lines


def _disturbances(results: Results) -> list[str]:
    disturbed = [run for run in results.loads if run.disturbance.worst > validity.DISTURBED]
    repeated = sum(run.repeats for run in results.loads)
    lines = []
    if repeated:
        lines.append(f"Other load on our CPUs: {repeated} runs were thrown away and repeated.")
    if disturbed:
        worst = max(run.disturbance.worst for run in disturbed)
        lines.append(
            f"DISTURBED: in {len(disturbed)} of {len(results.loads)} load runs others took more than "
            f"{validity.DISTURBED:.0%} of a CPU, at worst {worst:.0%}. Repeat on a quiet machine."
        )
    return lines


# --- throughput, latency, CPU time


def _cell(results: Results, name: str) -> Cell | None:
    return next((cell for cell in results.plan.cells if cell.name == name), None)


def _models(results: Results, summaries: dict[str, LoadSummary]) -> list[LoadSummary]:
    """Without the ballast variants, which have a table of their own."""
    names = [contestant.name for contestant in results.plan.contestants]
    return [summaries[name] for name in names if name in summaries]


def _invalid_notes(cell: Cell, summaries: Sequence[LoadSummary]) -> list[str]:
    return [f"{one.contestant} {cell.route}: invalid, {one.invalid}." for one in summaries if one.invalid]


def _interval_note(results: Results, reference: str) -> list[str]:
    if results.plan.rounds < ROUNDS_FOR_INTERVALS:
        return []
    return [
        f"Medians of the rounds. x {reference}: round by round, with the interval that covers the median at 95 %; "
        "overlapping intervals are ties (=)."
    ]


def _saturating(plan: Plan) -> list[Cell]:
    """What is limited by the CPU, not by a delay."""
    return [cell for cell in plan.cells if cell.name in ("plaintext", "cpu")]


def throughput(results: Results) -> Section | None:
    reference = reference_of(results.plan)
    cells = _saturating(results.plan)
    by_cell = {cell.name: summarize(results, cell) for cell in cells}
    if not any(by_cell.values()):
        return None
    columns = ["", *(part for cell in cells for part in (f"{cell.route}\nrequests/s", f"\nx {reference}", "\nrank"))]
    table = _table(*columns)
    for contestant in results.plan.contestants:
        row = [_throughput_columns(by_cell[cell.name], contestant.name, reference) for cell in cells]
        table.add_row(contestant.name, *(part for columns in row for part in columns))
    notes = [
        *_interval_note(results, reference),
        *(note for cell in cells for note in _throughput_notes(cell, _models(results, by_cell[cell.name]))),
    ]
    return Section("How many requests a second does one server CPU answer?", table, notes)


def _throughput_columns(summaries: dict[str, LoadSummary], name: str, reference: str) -> list[str]:
    summary = summaries.get(name)
    if not summary or not summary.runs:
        return [DASH] * 3
    relative = summary.ratio(summaries[reference], rate) if reference in summaries else None
    return [number(summary.median(rate)), ratio(relative), ranks(summaries, reference).get(name, DASH)]


def _throughput_notes(cell: Cell, models: Sequence[LoadSummary]) -> list[str]:
    notes = _invalid_notes(cell, models)
    reasons: dict[str, list[str]] = {}
    for one in models:
        if one.unranked:
            reasons.setdefault(one.unranked, []).append(one.contestant)
    unranked = [f"{', '.join(names)} ({reason})" for reason, names in reasons.items()]
    if unranked:
        notes.append(
            f"{cell.route}, no rank where the server was not the bottleneck and may be faster than the number: "
            f"{'; '.join(unranked)}."
        )
    return notes


def latency(results: Results) -> Section | None:
    cells = results.plan.cells
    by_cell = {cell.name: summarize(results, cell) for cell in cells}
    if not any(by_cell.values()):
        return None
    columns = ["", *(part for cell in cells for part in (f"{cell.route}\nmedian", "\n99 %", "\nmax"))]
    table = _table(*columns)
    for contestant in results.plan.contestants:
        row = [_latency_columns(by_cell[cell.name].get(contestant.name)) for cell in cells]
        table.add_row(contestant.name, *(part for columns in row for part in columns))
    notes = [
        f"A closed loop: each of the {results.plan.connections} clients asks again when it is answered, so that at "
        "full load the mean is clients / throughput, and a server that stalls is asked less.",
        "Medians of the rounds; wrk's synthetic samples (its stats_correct) are taken out.",
    ]
    missing = {run.wrk.latency_problem for run in results.loads if not run.problems} - {""}
    notes += [f"A round without latencies: {problem}." for problem in sorted(missing)]
    return Section("How long does a request take, in milliseconds?", table, notes)


def _latency_columns(summary: LoadSummary | None) -> list[str]:
    latencies = [run.wrk.latency for run in summary.runs if run.wrk.latency] if summary else []
    if not latencies:
        return [DASH] * 3
    columns = ([one.median for one in latencies], [one.p99 for one in latencies], [one.max for one in latencies])
    return [milliseconds(median(column) / 1e6) for column in columns]


def cpu_time(results: Results) -> Section | None:
    cells = results.plan.cells
    by_cell = {cell.name: summarize(results, cell) for cell in cells}
    if not any(by_cell.values()):
        return None
    columns = ["", *(part for cell in cells for part in (f"{cell.route}\nus", "\nserver", "\nwrk"))]
    table = _table(*columns)
    for contestant in results.plan.contestants:
        row = [_cpu_columns(by_cell[cell.name].get(contestant.name), results) for cell in cells]
        table.add_row(contestant.name, *(part for columns in row for part in columns))
    notes = [
        "User and system time of the whole process tree, dead children included, without start-up. "
        "server, wrk: share of their CPU that was used.",
        *_equal_rate_note(results, by_cell),
        "At unequal load the busier server looks cheaper, because it batches: compare the columns of the saturated "
        "servers only among themselves.",
    ]
    return Section("What does a request cost, in microseconds of CPU time?", table, notes)


def _cpu_columns(summary: LoadSummary | None, results: Results) -> list[str]:
    if not summary or not summary.runs:
        return [DASH] * 3
    server = summary.median(lambda run: run.server_share(len(results.plan.server_cpus)))
    wrk = summary.median(lambda run: run.wrk_share)
    return [number(summary.median(cpu_per_request) * 1e6), f"{server:.0%}", f"{wrk:.0%}"]


def _equal_rate_note(results: Results, by_cell: dict[str, dict[str, LoadSummary]]) -> list[str]:
    cell = _cell(results, "sleep")
    rates = [one.median(rate) for one in _models(results, by_cell.get("sleep", {})) if one.runs]
    if not cell or not rates:
        return []
    return [
        f"{cell.path} is the fair comparison: the delay gives every server nearly the same rate "
        f"({number(min(rates))} to {number(max(rates))} requests/s)."
    ]


def ballast(results: Results) -> Section | None:
    """Only where the variants were measured."""
    cell = next((cell for cell in results.plan.cells if cell.ballast), None)
    summaries = summarize(results, cell) if cell else {}
    variants = [one for name, one in summaries.items() if name.startswith(BALLASTED)]
    if not cell or len(variants) < 2:
        return None
    base = variants[0]
    table = _table("", "requests/s", "x 0 MiB", "CPU us", "x 0 MiB", "median ms")
    for one in variants:
        table.add_row(one.contestant, *_ballast_columns(one, base))
    notes = [
        *_invalid_notes(cell, variants),
        f"{cell.route}; CPU and median time of a request. A fork visits every page of its parent, to copy its entry in "
        "the page table and to count one more user, and the child's exit visits them again.",
    ]
    return Section("What does a bigger heap do to fork per request?", table, notes)


def _ballast_columns(one: LoadSummary, base: LoadSummary) -> list[str]:
    if not one.runs:
        return [DASH] * 5
    return [
        number(one.median(rate)),
        ratio(one.ratio(base, rate)),
        number(one.median(cpu_per_request) * 1e6),
        ratio(one.ratio(base, cpu_per_request)),
        _latency_columns(one)[0],
    ]


# --- memory


def memory(results: Results) -> Section | None:
    if not results.memory:
        return None
    connections = results.plan.connections
    table = _table(
        "", "processes\nat start", "\nbusy", "PSS, MiB\nat start", "\nbusy", "\nidle",
        "private\nbusy", "page tables\nbusy", "summed RSS\nbusy",
    )  # fmt: skip
    for run in results.memory:
        table.add_row(run.contestant, *_memory_columns(run))
    worst = max(results.memory, key=lambda run: run.in_hand.rss / run.in_hand.pss)
    notes = [
        f"Of the whole process tree. Busy: {connections} connections with a request in hand each; idle: the same "
        "connections, answered and kept alive.",
        f"PSS counts a shared page once; summed RSS counts it once for each process and would charge "
        f"{worst.contestant} {worst.in_hand.rss / worst.in_hand.pss:.1f} times its PSS.",
        "Not in PSS: page tables (shown), kernel stacks and socket buffers.",
    ]
    return Section("How much memory does the server take?", table, notes)


def _memory_columns(run: MemoryRun) -> list[str]:
    busy = run.in_hand
    sizes = (run.at_start.pss, busy.pss, run.idle.pss, busy.private, busy.page_tables, busy.rss)
    return [str(run.at_start.processes), str(busy.processes), *map(mebibytes, sizes)]


# --- who is served


def served(results: Results) -> Section | None:
    cells = _saturating(results.plan)
    by_cell = {cell.name: summarize(results, cell) for cell in cells}
    if not any(by_cell.values()):
        return None
    columns = ["", "wrk's\nclients", *(part for cell in cells for part in (f"{cell.route}\nanswered", "\nmedian", "\nmax"))]
    table = _table(*columns)
    for contestant in results.plan.contestants:
        row = [_newcomer_columns(by_cell[cell.name].get(contestant.name)) for cell in cells]
        table.add_row(
            contestant.name, _clients_served(results, contestant.name), *(part for columns in row for part in columns)
        )
    patience = milliseconds(results.plan.newcomers.patience)
    notes = [
        f"Beside wrk, every {milliseconds(results.plan.newcomers.interval)} ms somebody new connects, asks for "
        f"{results.plan.newcomers.path} and gives up after {patience} ms. Times in milliseconds from when each was due, "
        "connecting included; all rounds together.",
        "wrk's clients: how many of them had a worker, the worst round, as /stats tells near the end of each run. "
        "wrk itself cannot tell: it counts answers, and a client without a worker has none.",
    ]
    return Section("Does a newcomer get an answer while the server is busy?", table, notes)


def _clients_served(results: Results, name: str) -> str:
    counts = [run.clients_served for run in results.loads if run.contestant == name]
    known = [count for count in counts if count is not None]
    if not known:
        return DASH
    return _share(min(known), results.plan.connections)


def _newcomer_columns(summary: LoadSummary | None) -> list[str]:
    if not summary or not summary.runs:
        return [DASH] * 3
    seen = newcomers(summary)
    return [_share(seen.served, seen.asked), *_waits(seen)]


def _waits(seen: Newcomers) -> list[str]:
    return [milliseconds(f(seen.waits)) for f in (median, max)] if seen.waits else [DASH, DASH]


def crowd(results: Results) -> Section | None:
    if not results.crowds:
        return None
    settings = results.plan.crowd
    table = _table("", "workers", "clients served", "newcomers answered", "median wait ms")
    for run in results.crowds:
        rotation = f", rotation every {run.rotation}" if run.rotation else ""
        table.add_row(run.contestant + rotation, *_crowd_columns(run))
    notes = [
        f"{settings.clients} keep-alive clients ask for {settings.path} over and over, for {settings.seconds:g} s; served "
        "is who got an answer at all. One run each.",
        f"rotation: --max-requests-per-connection {settings.rotation}, so that a pool's worker turns to the next client; "
        "otherwise the default of 1000. Event loops and fork per request have no bound that matters here.",
    ]
    return Section(f"Who is served when {settings.clients} clients come at once?", table, notes)


def _crowd_columns(run: CrowdRun) -> list[str]:
    seen = run.newcomers
    workers = str(run.workers) if run.workers else DASH
    clients, newcomer = _share(run.clients_served, run.clients_asked), _share(seen.served, seen.asked)
    return [workers, clients, newcomer, _waits(seen)[0]]


# --- a crash


def crashes(results: Results) -> Section | None:
    if not results.crashes:
        return None
    settings = results.plan.crash
    table = _table(
        "", "faulty\nrequest", "cut in\nhand", "turned\naway", "clients\nkept", "s without\nservice",
        "slowest\nms", "processes\nkept", "\nnew", "server",
    )  # fmt: skip
    for run in results.crashes:
        table.add_row(run.contestant, *_crash_columns(run))
    watched = settings.end - settings.fault_at
    notes = [
        f"{settings.rate} requests/s for {settings.path} on {settings.clients} keep-alive connections; at "
        f"{settings.fault_at:g} s POST {settings.fault} on a connection of its own; watched for {watched:.1f} s more. "
        "One crash each.",
        "Other requests, all accounted for: cut in hand (connection lost before the answer), turned away (refused or "
        "timed out). Clients kept: connections that outlived the fault.",
        "Bare: nobody restarts the server. A dead one stays dead, so its time without service and the requests it "
        "turned away end with the observation (>).",
        f"Without service: resolution {1000 / settings.rate:g} ms. Slowest: of the answers to requests due after the "
        "fault. Processes: without those that live for one request.",
    ]
    return Section("What does a segmentation fault in one request take down?", table, notes)


def _crash_columns(run: CrashRun) -> list[str]:
    survivors = run.survivors
    outage = crash.time_without_service(run.attempts, run.fault_at, run.end)
    slowest = crash.slowest_answer(run.attempts, run.fault_at)
    server = "lives" if survivors.server_status is None else describe_status(survivors.server_status).split()[-1]
    return [
        _faulty(run.faulty),
        _share(crash.lost_in_hand(run.attempts), len(run.attempts)),
        str(crash.turned_away(run.attempts)),
        _share(survivors.connections_kept, survivors.connections_before),
        f"{'> ' if outage.lasting else ''}{outage.seconds:.2f}",
        DASH if slowest is None else milliseconds(slowest),
        _share(survivors.processes_kept, survivors.processes_before),
        str(survivors.processes_new),
        server,
    ]


def _faulty(outcome: Outcome) -> str:
    return "EOF" if outcome == Outcome.eof else outcome.value


SECTIONS: Sequence[Callable[[Results], Section | None]] = (
    throughput,
    ballast,
    latency,
    cpu_time,
    memory,
    served,
    crowd,
    crashes,
)
