"""The main job's answers: a table for each question, the loads side by side, and below it what can mislead. Pure."""

from collections.abc import Callable, Iterable, Mapping
from statistics import median

from loadtest.document.document import Section, Table, table
from loadtest.document.figures import DASH, milliseconds, number, plural, share
from loadtest.engine.run import Part, Run
from loadtest.verbs.crash import measure as crash
from loadtest.verbs.crowd import measure as crowd
from loadtest.verbs.load import report as load_report
from loadtest.verbs.load.report import Column, groups, judged, percent, text
from loadtest.verbs.load.results import Series, by_load
from loadtest.verbs.memory import report as memory

REFERENCE = "prefork"

Loads = dict[str, list[Series]]  # by route


def head(run: Run) -> list[str]:
    saturating, delayed, *_ = (part.settings for part in run.parts)
    paths = ", ".join(workload.path for workload in (*saturating.workloads, *delayed.workloads))
    connections = saturating.connections[0]
    return [
        f"wrk: {connections} connections, {saturating.duration} s, in {plural(saturating.rounds, 'interleaved round')} "
        f"(/sleep and the ballast: {delayed.rounds}); every run has a fresh server. Routes: {paths}.",
        f"Pools have {connections + 2} workers: one for each connection, one for newcomers, one for /stats.",
        *(f"{line} Medians only; no groups." for line in load_report.indicative(saturating)),
    ]


def sections(run: Run) -> list[Section]:
    saturating, delayed, *more = (_loads(part) for part in run.parts if part.measurement == "load")
    once = {part.measurement: part for part in run.parts}
    found = [
        answers(saturating),
        *(ballast(loads) for loads in more),
        latency({**saturating, **delayed}),
        cpu_time(saturating, delayed),
        newcomers(saturating),
        crowd.section(once["crowd"]),
        memory.plateaus(once["plateaus"]),
        crash.section(once["crash"]),
    ]
    return [section for section in found if section and section.table and section.table.rows]


def _loads(part: Part) -> Loads:
    paths = {workload.name: workload.path for workload in part.settings.workloads}
    return {paths[series[0].cell.workload].partition("?")[0]: series for series in by_load(part).values()}


def _side_by_side(loads: Loads, columns_of: Callable[[list[Series]], Mapping[str, Column]]) -> Table:
    """A row for each model, and the same columns for each load."""
    columns = {load: columns_of(series) for load, series in loads.items()}
    heads = [f"{'' if i else load}\n{head}" for load, found in columns.items() for i, head in enumerate(found)]
    filled = table("", *heads)
    for name in dict.fromkeys(one.name for series in loads.values() for one in series):
        cells: list[str] = []
        for load, series in loads.items():
            found = next((one for one in series if one.name == name), None)
            cells += [text(found, column) if found else DASH for column in columns[load].values()]
        filled.add_row(name, *cells)
    return filled


def answers(loads: Loads) -> Section:
    """Dashes in place of ratios where the reference was not measured under a load."""
    names = [one.name for series in loads.values() for one in series]
    reference = REFERENCE if REFERENCE in names else next(iter(names), "")

    def columns(series: list[Series]) -> dict[str, Column]:
        base = next((one for one in series if one.name == reference), None)
        others = [one for one in series if one is not base]
        ratios = judged({one.name: one.ratio(base, "throughput") if base else None for one in others})
        letters, _ = groups(series)
        return {
            "requests/s": "throughput",
            f"x {reference}": lambda one: ratios.get(one.name, "1" if one.trials else DASH),
            "group": lambda one: letters.get(one.name, DASH),
        }

    notes = [
        f"Medians of the rounds. x {reference}: round by round, with the interval at 95 % (signed ranks); = is a tie "
        "after Holm's correction over the column. group: who shares a letter is tied.",
        *(f"{load}: {note}" for load, series in loads.items() for note in load_report.doubts(series)),
    ]
    return Section("How many requests a second does one server CPU answer?", _side_by_side(loads, columns), notes)


def ballast(loads: Loads) -> Section | None:
    variants = loads.get("/plaintext", [])
    if not variants:
        return None
    base, *heavier = variants
    metrics = ("throughput", "cpu")
    ratios = judged({(one.name, metric): one.ratio(base, metric) for one in heavier for metric in metrics})
    filled = table("", "requests/s", "x 0 MiB", "CPU us", "x 0 MiB", "median ms")
    for one in variants:
        compared = [cell for metric in metrics for cell in (text(one, metric), ratios.get((one.name, metric), "1"))]
        filled.add_row(one.name, *compared, text(one, "latency p50"))
    notes = [
        *load_report.invalid_notes(variants),
        "/plaintext; CPU and median time of a request. A fork visits every page of its parent, to copy its entry in "
        "the page table and to count one more user, and the child's exit visits them again.",
    ]
    return Section("What does a bigger heap do to fork per request?", filled, notes)


def latency(loads: Loads) -> Section:
    columns = {"median": "latency p50", "99 %": "latency p99", "max": "latency max"}
    missing = {trial.client.latency_problem for series in loads.values() for one in series for trial in one.trials}
    notes = [
        "A closed loop: each client asks again when it is answered, so that at full load the mean is clients / "
        "throughput, and a server that stalls is asked less. `quartet latency` asks at a constant rate.",
        "Medians of the rounds; wrk's synthetic samples (its stats_correct) are taken out.",
        *(f"A round without latencies: {problem}." for problem in sorted(missing - {""})),
    ]
    return Section("How long does a request take, in milliseconds?", _side_by_side(loads, lambda _: columns), notes)


def cpu_time(saturating: Loads, delayed: Loads) -> Section:
    columns: dict[str, Column] = {
        "us": "cpu",
        "server": lambda one: percent(one.server_share),
        "wrk": lambda one: percent(one.client_share),
    }
    filled = _side_by_side({**saturating, **delayed}, lambda _: columns)
    rates = [rate for series in delayed.values() for one in series if (rate := one.middle("throughput"))]
    span = f" ({number(min(rates))} to {number(max(rates))} requests/s)" if rates else ""
    notes = [
        "User and system time of the whole process tree, dead children included, without start-up, divided by all "
        "answers, newcomers' included. server, wrk: share of their CPU that was used.",
        f"/sleep is the fair comparison: the delay gives every server that can follow nearly the same rate{span}.",
        "At unequal load the busier server looks cheaper, because it batches: compare the columns of the saturated "
        "servers only among themselves.",
    ]
    return Section("What does a request cost, in microseconds of CPU time?", filled, notes)


def newcomers(loads: Loads) -> Section:
    columns: dict[str, Column] = {
        "wrk's clients": _clients_served,
        "newcomers": load_report.newcomers_served,
        "median": lambda one: _wait(one, "p50", median),
        "max": lambda one: _wait(one, "max", max),
    }
    notes = [
        "Beside wrk, every 100 ms somebody new connects, asks for the same and gives up after 500 ms. Answered/asked, "
        "all rounds together; milliseconds from when each was due, connecting included: the median of the rounds' "
        "medians, and the longest.",
        "wrk's clients: how many had a worker, in the worst round, as /stats tells near the end of each run.",
    ]
    return Section("Is everybody served while the server is busy?", _side_by_side(loads, lambda _: columns), notes)


def _clients_served(one: Series) -> str:
    """In the worst round, invalid ones included."""
    tried = [(trial.clients_served, trial.client.connections) for trial in one.tried]
    known = [(served, asked) for served, asked in tried if served is not None]
    return share(*min(known)) if known else DASH


def _wait(one: Series, quantile: str, of: Callable[[Iterable[float]], float]) -> str:
    found = [getattr(trial.newcomers.waits, quantile) for trial in one.tried if trial.newcomers.waits]
    return milliseconds(of(found) / 1e6) if found else DASH
