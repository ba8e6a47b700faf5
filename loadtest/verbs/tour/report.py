"""The main job's answers: a table for each question, the loads side by side, and below it what can mislead. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from loadtest.clients.client_side import Newcomers
from loadtest.document.document import Section, Table, table
from loadtest.document.figures import DASH, milliseconds, number, plural, share
from loadtest.engine.run import Part, Run
from loadtest.statistics.differences import LEAST_ROUNDS
from loadtest.verbs.crash import report as crash
from loadtest.verbs.crowd import report as crowd
from loadtest.verbs.load.metrics import cpu_per_request, server_share, throughput
from loadtest.verbs.load.plan import Settings
from loadtest.verbs.load.report import Verdicts, figure, groups, indicative, invalid_notes, percent, unranked_note
from loadtest.verbs.load.series import Series, gather
from loadtest.verbs.load.validity import client_share
from loadtest.verbs.memory import report as memory

REFERENCE = "prefork"

Loads = dict[str, list[Series]]  # by route
Row = Callable[[Series], list[str]]


def head(run: Run) -> list[str]:
    saturating, delayed, *_ = (part.settings for part in run.parts)
    paths = ", ".join(workload.path for workload in (*saturating.workloads, *delayed.workloads))
    connections = saturating.connections[0]
    return [
        f"wrk: {connections} connections, {saturating.duration} s, in {plural(saturating.rounds, 'interleaved round')} "
        f"(/sleep and the ballast: {delayed.rounds}); every run has a fresh server. Routes: {paths}.",
        f"Pools have {connections + 2} workers: one for each connection, one for newcomers, one for /stats.",
        *(f"{line} Medians only; no groups." for line in indicative(saturating)),
    ]


def sections(run: Run) -> list[Section]:
    saturating, delayed, *more = (_loads(part) for part in run.parts if part.measurement == "load")
    once = {part.measurement: part for part in run.parts}
    found = [
        answers(saturating),
        *(ballast(loads) for loads in more),
        latency({**saturating, **delayed}),
        cpu_time(saturating, delayed, run.parts[0].settings),
        newcomers(saturating),
        crowd.section(once["crowd"]),
        memory.plateaus(once["plateaus"]),
        crash.section(once["crash"]),
    ]
    return [section for section in found if section]


def _loads(part: Part) -> Loads:
    return {_route(part, series[0]): series for series in gather(part).values()}


def _route(part: Part, one: Series) -> str:
    return str(part.settings.workload(one.cell.workload).path.partition("?")[0])


def _side_by_side(loads: Loads, heads: Sequence[str], rows: Callable[[list[Series]], Row]) -> Table | None:
    """A row for each model, and for each load as many columns as there are heads."""
    if not loads:
        return None
    filled = table("", *(f"{name if i == 0 else ''}\n{head}" for name in loads for i, head in enumerate(heads)))
    columns = {name: (series, rows(series)) for name, series in loads.items()}
    for contestant in dict.fromkeys(one.contestant.name for series, _ in columns.values() for one in series):
        cells: list[str] = []
        for series, row in columns.values():
            found = [row(one) for one in series if one.contestant.name == contestant]
            cells += found[0] if found else [DASH] * len(heads)
        filled.add_row(contestant, *cells)
    return filled


# --- throughput


def answers(loads: Loads) -> Section | None:
    reference = _reference(loads)
    filled = _side_by_side(loads, ("requests/s", f"x {reference}", "group"), lambda series: _answers(series, reference))
    if not filled:
        return None
    notes = [
        f"Medians of the rounds. x {reference}: round by round, with the interval at 95 % (signed ranks); = is a tie "
        "after Holm's correction over the column. group: who shares a letter is tied.",
        *(note for name, series in loads.items() for note in _doubts(name, series)),
    ]
    return Section("How many requests a second does one server CPU answer?", filled, notes)


def _reference(loads: Loads) -> str:
    names = [one.contestant.name for series in loads.values() for one in series]
    return REFERENCE if REFERENCE in names or not names else names[0]


def _answers(series: list[Series], name_of_reference: str) -> Row:
    """Dashes in place of ratios where the reference was not measured under this load."""
    verdicts = Verdicts()
    reference = next((one for one in series if one.contestant.name == name_of_reference), None)
    places = {
        one.contestant.name: verdicts.add(one.ratio(reference, throughput) if reference else None)
        for one in series
        if one is not reference
    }
    letters, _ = groups(series)

    def row(one: Series) -> list[str]:
        name = one.contestant.name
        relative = "1" if one is reference and one.trials else verdicts.show(places.get(name))
        return [figure(one, "throughput"), relative, letters.get(name, DASH)]

    return row


def _doubts(load: str, series: list[Series]) -> list[str]:
    short = [one for one in series if 0 < len(one.trials) < LEAST_ROUNDS <= len(one.tried)]
    _, sentence = groups(series)
    notes = [
        *invalid_notes(series),
        *(
            f"{one.contestant.name}: {len(one.trials)} of {LEAST_ROUNDS} valid rounds that an interval takes."
            for one in short
        ),
        *unranked_note(series),
        *([sentence] if sentence else []),
    ]
    return [f"{load}: {note}" for note in notes]


# --- ballast


def ballast(loads: Loads) -> Section | None:
    variants = loads.get("/plaintext", [])
    if not variants:
        return None
    base, *heavier = variants
    verdicts = Verdicts()
    places = {
        one.contestant.name: [verdicts.add(one.ratio(base, value)) for value in (throughput, cpu_per_request)]
        for one in heavier
    }
    filled = table("", "requests/s", "x 0 MiB", "CPU us", "x 0 MiB", "median ms")
    for one in variants:
        rate, cost = map(verdicts.show, places[one.contestant.name]) if one is not base else ("1", "1")
        filled.add_row(
            one.contestant.name, figure(one, "throughput"), rate, figure(one, "cpu"), cost, figure(one, "latency p50")
        )
    notes = [
        *invalid_notes(variants),
        "/plaintext; CPU and median time of a request. A fork visits every page of its parent, to copy its entry in "
        "the page table and to count one more user, and the child's exit visits them again.",
    ]
    return Section("What does a bigger heap do to fork per request?", filled, notes)


# --- latency and CPU time


def latency(loads: Loads) -> Section | None:
    metrics = ("latency p50", "latency p99", "latency max")
    filled = _side_by_side(
        loads, ("median", "99 %", "max"), lambda _: lambda one: [figure(one, name) for name in metrics]
    )
    if not filled:
        return None
    missing = {trial.client.latency_problem for series in loads.values() for one in series for trial in one.trials}
    notes = [
        "A closed loop: each client asks again when it is answered, so that at full load the mean is clients / "
        "throughput, and a server that stalls is asked less. `quartet latency` asks at a constant rate.",
        "Medians of the rounds; wrk's synthetic samples (its stats_correct) are taken out.",
        *(f"A round without latencies: {problem}." for problem in sorted(missing - {""})),
    ]
    return Section("How long does a request take, in milliseconds?", filled, notes)


def cpu_time(saturating: Loads, delayed: Loads, settings: Settings) -> Section | None:
    def row(one: Series) -> list[str]:
        client = one.middle(lambda trial: client_share(trial, settings))
        return [figure(one, "cpu"), percent(one.middle(server_share)), percent(client)]

    filled = _side_by_side({**saturating, **delayed}, ("us", "server", "wrk"), lambda _: row)
    if not filled:
        return None
    notes = [
        "User and system time of the whole process tree, dead children included, without start-up, divided by all "
        "answers, newcomers' included. server, wrk: share of their CPU that was used.",
        *_equal_rates(delayed),
        "At unequal load the busier server looks cheaper, because it batches: compare the columns of the saturated "
        "servers only among themselves.",
    ]
    return Section("What does a request cost, in microseconds of CPU time?", filled, notes)


def _equal_rates(delayed: Loads) -> list[str]:
    rates = [rate for series in delayed.values() for one in series if (rate := one.middle(throughput)) is not None]
    if not rates:
        return []
    return [
        f"{', '.join(delayed)} is the fair comparison: the delay gives every server that can follow nearly the same "
        f"rate ({number(min(rates))} to {number(max(rates))} requests/s)."
    ]


# --- newcomers


def newcomers(loads: Loads) -> Section | None:
    filled = _side_by_side(loads, ("wrk's clients", "newcomers", "median", "max"), lambda _: _newcomers)
    if not filled:
        return None
    notes = [
        "Beside wrk, every 100 ms somebody new connects, asks for the same and gives up after 500 ms. Answered/asked, "
        "all rounds together; milliseconds from when each was due, connecting included: the median of the rounds' "
        "medians, and the longest.",
        "wrk's clients: how many had a worker, in the worst round, as /stats tells near the end of each run. wrk "
        "itself cannot tell: it counts answers, and a client without a worker has none.",
    ]
    return Section("Is everybody served while the server is busy?", filled, notes)


def _newcomers(one: Series) -> list[str]:
    """Also of invalid runs: that somebody was not served is what makes them invalid, and the answer."""
    known = [trial for trial in one.tried if trial.clients_served is not None]
    worst = min(known, key=lambda trial: trial.clients_served or 0, default=None)
    clients = share(worst.clients_served or 0, worst.client.connections) if worst else DASH
    rounds = [trial.newcomers for trial in one.tried]
    served, asked = sum(each.served for each in rounds), sum(each.asked for each in rounds)
    return [clients, share(served, asked), *_waits(rounds)]


def _waits(rounds: Sequence[Newcomers]) -> list[str]:
    waits = [each.waits for each in rounds if each.waits]
    if not waits:
        return [DASH, DASH]
    return [milliseconds(median(wait.p50 for wait in waits) / 1e6), milliseconds(max(wait.max for wait in waits) / 1e6)]
