"""The tables of what wrk measured: throughput, latency, CPU time, and the newcomers beside it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from loadtest.clients.outcomes import Newcomers
from loadtest.document.document import Section, Table, table
from loadtest.document.figures import DASH, milliseconds, number, ratio, share
from loadtest.verbs.tour.plan import BALLASTED, Cell, Plan
from loadtest.verbs.tour.results import LoadRun, TourResults
from loadtest.verbs.tour.summary import (
    LoadSummary,
    all_newcomers,
    cpu_per_request,
    ranks,
    rate,
    reference_of,
    summarize,
)

ROUNDS_FOR_INTERVALS = 6

Summaries = dict[str, LoadSummary]


def _table_by_cell(
    results: TourResults, cells: Sequence[Cell], heads: Sequence[str], columns: Callable[[Summaries, str], list[str]]
) -> Table | None:
    """A row for each contestant, and for each cell the columns that `columns` makes of its summaries."""
    by_cell = [summarize(results, cell) for cell in cells]
    if not any(by_cell):
        return None
    titles = [f"{cell.route if i == 0 else ''}\n{head}" for cell in cells for i, head in enumerate(heads)]
    filled = table("", *titles)
    for contestant in results.settings.contestants:
        row = [column for summaries in by_cell for column in columns(summaries, contestant.name)]
        filled.add_row(contestant.name, *row)
    return filled


def _saturating(plan: Plan) -> list[Cell]:
    """What is limited by the CPU, not by a delay."""
    return [cell for cell in plan.cells if cell.name in ("plaintext", "cpu")]


def _models(results: TourResults, summaries: Summaries) -> list[LoadSummary]:
    """Without the ballast variants, which have a table of their own."""
    names = [contestant.name for contestant in results.settings.contestants]
    return [summaries[name] for name in names if name in summaries]


def _measured(summaries: Summaries, name: str) -> LoadSummary | None:
    """None when there is no valid run."""
    summary = summaries.get(name)
    return summary if summary and summary.runs else None


# --- throughput


def throughput(results: TourResults) -> Section | None:
    reference = reference_of(results.settings)
    cells = _saturating(results.settings)
    heads = ("requests/s", f"x {reference}", "rank")
    filled = _table_by_cell(
        results, cells, heads, lambda summaries, name: _throughput_columns(summaries, name, reference)
    )
    if not filled:
        return None
    notes = [note for cell in cells for note in _throughput_notes(results, cell)]
    title = "How many requests a second does one server CPU answer?"
    return Section(title, filled, [*_interval_note(results, reference), *notes])


def _throughput_columns(summaries: Summaries, name: str, reference: str) -> list[str]:
    summary = _measured(summaries, name)
    if not summary:
        return [DASH] * 3
    rank = ranks(summaries, reference).get(name, DASH)
    return [number(summary.median(rate)), _relative(summary, summaries.get(reference), rate), rank]


def _relative(summary: LoadSummary, reference: LoadSummary | None, value: Callable[[LoadRun], float]) -> str:
    if reference is None:
        return DASH
    return "1" if summary is reference else ratio(summary.ratio(reference, value))


def _throughput_notes(results: TourResults, cell: Cell) -> list[str]:
    models = _models(results, summarize(results, cell))
    reasons: dict[str, list[str]] = {}
    for one in models:
        if one.unranked:
            reasons.setdefault(one.unranked, []).append(one.contestant)
    unranked = [f"{', '.join(names)} ({reason})" for reason, names in reasons.items()]
    notes = [*_invalid_notes(cell, models), *_short_notes(results, cell, models)]
    if not unranked:
        return notes
    return [
        *notes,
        f"{cell.route}, no rank where the server was not the bottleneck and may be faster than the number: "
        f"{'; '.join(unranked)}.",
    ]


def _invalid_notes(cell: Cell, summaries: Sequence[LoadSummary]) -> list[str]:
    return [f"{one.contestant} {cell.route}: invalid, {one.invalid}." for one in summaries if one.invalid]


def _short_notes(results: TourResults, cell: Cell, summaries: Sequence[LoadSummary]) -> list[str]:
    """Who lost rounds, and with them the interval that the others have."""
    if results.settings.rounds < ROUNDS_FOR_INTERVALS:
        return []
    return [
        f"{one.contestant} {cell.route}: {len(one.runs)} of {ROUNDS_FOR_INTERVALS} valid rounds that an interval takes."
        for one in summaries
        if 0 < len(one.runs) < ROUNDS_FOR_INTERVALS
    ]


def _interval_note(results: TourResults, reference: str) -> list[str]:
    if results.settings.rounds < ROUNDS_FOR_INTERVALS:
        return []
    return [
        f"Medians of the rounds. x {reference}: round by round, with the interval that covers the median at 95%; "
        "overlapping intervals are ties (=)."
    ]


# --- ballast


def ballast(results: TourResults) -> Section | None:
    """Only where the variants were measured."""
    cell = next((cell for cell in results.settings.cells if cell.ballast), None)
    summaries = summarize(results, cell) if cell else {}
    variants = [one for name, one in summaries.items() if name.startswith(BALLASTED)]
    if not cell or len(variants) < 2:
        return None
    filled = table("", "requests/s", "x 0 MiB", "CPU us", "x 0 MiB", "median ms")
    for one in variants:
        filled.add_row(one.contestant, *_ballast_columns(one, variants[0]))
    notes = [
        *_invalid_notes(cell, variants),
        f"{cell.route}; CPU and median time of a request. A fork visits every page of its parent, to copy its entry in "
        "the page table and to count one more user, and the child's exit visits them again.",
    ]
    return Section("What does a bigger heap do to fork per request?", filled, notes)


def _ballast_columns(one: LoadSummary, base: LoadSummary) -> list[str]:
    if not one.runs:
        return [DASH] * 5
    return [
        number(one.median(rate)),
        _relative(one, base, rate),
        number(one.median(cpu_per_request) * 1e6),
        _relative(one, base, cpu_per_request),
        _latencies(one)[0],
    ]


# --- latency


def latency(results: TourResults) -> Section | None:
    filled = _table_by_cell(results, results.settings.cells, ("median", "99 %", "max"), _latency_columns)
    if not filled:
        return None
    notes = [
        f"A closed loop: each of the {results.settings.connections} clients asks again when it is answered, so that at "
        "full load the mean is clients / throughput, and a server that stalls is asked less.",
        "Medians of the rounds; wrk's synthetic samples (its stats_correct) are taken out.",
    ]
    missing = {run.wrk.latency_problem for run in results.loads if not run.problems} - {""}
    notes += [f"A round without latencies: {problem}." for problem in sorted(missing)]
    return Section("How long does a request take, in milliseconds?", filled, notes)


def _latency_columns(summaries: Summaries, name: str) -> list[str]:
    summary = _measured(summaries, name)
    return _latencies(summary) if summary else [DASH] * 3


def _latencies(summary: LoadSummary) -> list[str]:
    latencies = [run.wrk.latency for run in summary.runs if run.wrk.latency]
    if not latencies:
        return [DASH] * 3
    columns = ([one.median for one in latencies], [one.p99 for one in latencies], [one.max for one in latencies])
    return [milliseconds(median(column) / 1e6) for column in columns]


# --- CPU time


def cpu_time(results: TourResults) -> Section | None:
    cpus = len(results.settings.cpus.server)
    filled = _table_by_cell(
        results,
        results.settings.cells,
        ("us", "server", "wrk"),
        lambda summaries, name: _cpu_columns(_measured(summaries, name), cpus),
    )
    notes = [
        "User and system time of the whole process tree, dead children included, without start-up. "
        "server, wrk: share of their CPU that was used.",
        *_equal_rate_note(results),
        "At unequal load the busier server looks cheaper, because it batches: compare the columns of the saturated "
        "servers only among themselves.",
    ]
    return Section("What does a request cost, in microseconds of CPU time?", filled, notes)


def _cpu_columns(summary: LoadSummary | None, cpus: int) -> list[str]:
    if not summary:
        return [DASH] * 3
    server = summary.median(lambda run: run.server_share(cpus))
    wrk = summary.median(lambda run: run.wrk_share)
    return [number(summary.median(cpu_per_request) * 1e6), f"{server:.0%}", f"{wrk:.0%}"]


def _equal_rate_note(results: TourResults) -> list[str]:
    cell = next((cell for cell in results.settings.cells if cell.name == "sleep"), None)
    if not cell:
        return []
    rates = [one.median(rate) for one in _models(results, summarize(results, cell)) if one.runs]
    if not rates:
        return []
    return [
        f"{cell.route} is the fair comparison: the delay gives every server nearly the same rate "
        f"({number(min(rates))} to {number(max(rates))} requests/s)."
    ]


# --- newcomers


def newcomers(results: TourResults) -> Section | None:
    filled = _table_by_cell(
        results, _saturating(results.settings), ("wrk's clients", "newcomers", "median", "max"), _newcomer_columns
    )
    if not filled:
        return None
    settings = results.settings.newcomers
    notes = [
        f"Beside wrk, every {milliseconds(settings.interval)} ms somebody new connects, asks for {settings.path} and "
        f"gives up after {milliseconds(settings.patience)} ms. Answered/asked, all rounds together; milliseconds from "
        "when each was due, connecting included.",
        "wrk's clients: how many had a worker, in the worst round, as /stats tells near the end of each run. wrk "
        "itself cannot tell: it counts answers, and a client without a worker has none.",
    ]
    return Section("Is everybody served while the server is busy?", filled, notes)


def _newcomer_columns(summaries: Summaries, name: str) -> list[str]:
    """Also of invalid runs: that somebody was not served is what makes them invalid, and the answer."""
    summary = summaries.get(name)
    if not summary:
        return [DASH] * 4
    seen = all_newcomers(summary.all_runs)
    return [_clients_served(summary), share(seen.served, seen.asked), *waits(seen)]


def _clients_served(summary: LoadSummary) -> str:
    known = [run for run in summary.all_runs if run.clients_served is not None]
    if not known:
        return DASH
    worst = min(known, key=lambda run: run.clients_served or 0)
    return share(worst.clients_served or 0, worst.clients_asked)


def waits(newcomers: Newcomers) -> list[str]:
    """Median and longest, in milliseconds."""
    waits = newcomers.waits
    return [milliseconds(median(waits)), milliseconds(max(waits))] if waits else [DASH, DASH]
