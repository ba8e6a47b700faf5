"""The main job's answers: a table for each question, the loads side by side, and below it what can mislead. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median

from loadtest.document.document import Section, Table, table
from loadtest.document.figures import DASH, milliseconds, plural, share
from loadtest.engine.run import Part, Run
from loadtest.verbs.crash import report as crash
from loadtest.verbs.crowd import measure as crowd
from loadtest.verbs.load import report as load_report
from loadtest.verbs.load.plan import ARRIVALS
from loadtest.verbs.load.report import Column, groups, judged, text
from loadtest.verbs.load.results import Series
from loadtest.verbs.load.rounds import by_load, reference
from loadtest.verbs.memory import report as memory

Loads = dict[str, list[Series]]  # by route


def head(run: Run) -> list[str]:
    equal, saturating, *_ = (part.settings for part in run.parts)
    paths = ", ".join(workload.path for workload in saturating.workloads)
    connections = saturating.connections[0]
    return [
        f"At full load: wrk, {connections} connections, {saturating.duration} s, in "
        f"{plural(saturating.rounds, 'interleaved round')}, each in a random order; every run has a fresh server. "
        f"Routes: {paths}. At an equal rate: quartet-pace, {equal.rates[0]:,.0f} requests/s "
        f"({ARRIVALS[equal.arrivals]}), in the same rounds.",
        f"Pools have {connections + 2} workers: one for each connection, one for newcomers, one for /stats.",
        *(f"{line} Medians only; no groups." for line in load_report.indicative(saturating)),
    ]


def sections(run: Run) -> list[Section]:
    equal, saturating, *more = (_loads(part) for part in run.parts if part.measurement == "load")
    once = {part.measurement: part for part in run.parts}
    found = [
        *(same_rate(series) for series in equal.values()),
        answers(saturating),
        *(ballast(loads) for loads in more),
        latency(saturating),
        cpu_time(saturating),
        newcomers(saturating),
        crowd.section(once["crowd"]),
        memory.plateaus(once["plateaus"]),
        crash.main_job(once["crash"]),
    ]
    return [section for section in found if section and section.table and section.table.rows]


def _loads(part: Part) -> Loads:
    """By route, and by rate where there is one."""
    found: Loads = {}
    for series in by_load(Series.of(part)).values():
        cell = series[0].cell
        path = part.settings.workload(cell.workload).path.partition("?")[0]
        found[path if cell.rate is None else f"{path} {cell.rate:,.0f}/s"] = series
    return found


def same_rate(series: Sequence[Series]) -> Section:
    """The headline: the same work, asked for in the same way."""
    found = groups(series, "cpu")
    columns: dict[str, Column] = {
        "CPU us": lambda one: text(one, "cpu") + load_report.of_rounds(one),
        **load_report.beside_reference(series, "cpu"),
        "group": lambda one: found.letters.get(one.name, DASH),
        "answered\n/s": load_report.answered,
        "median\nms": lambda one: load_report.quantile(one, "p50"),
        "99 % ms\n[rounds]": lambda one: load_report.with_rounds(one, "p99"),
        "heap, stack\nMiB": "anonymous",
    }
    filled = table("", *columns)
    for name, one in load_report.contestants_of(series).items():
        filled.add_row(name, *(text(one, column) if one else DASH for column in columns.values()))
    rate = series[0].cell.rate or 0
    notes = [
        *load_report.invalid_notes(series),
        *load_report.lost_notes(series),
        *load_report.short_notes(series),
        *load_report.other_work_notes(series),
        f"/plaintext, {rate:,.0f} requests/s for everybody, so that nobody is cheaper because he is busier. CPU: user "
        "and system time of the whole process tree, dead children included, per answer, amid the load.",
        f"{load_report.HOW_RATIOS_ARE_MADE} group: who shares a letter is tied, a is the cheapest.",
        "Times are from when a request was due, over all rounds together; in brackets the lowest and the highest "
        "round. At a low rate they are mostly the time it takes to wake somebody up.",
        *found.notes,
    ]
    return Section(f"What does a request cost, when all are asked {rate:,.0f} times a second?", filled, notes)


def _side_by_side(loads: Loads, columns_of: Callable[[list[Series]], Mapping[str, Column]]) -> Table:
    """A row for each model that was asked for, and the same columns for each load."""
    columns = {load: columns_of(series) for load, series in loads.items()}
    heads = [f"{'' if i else load}\n{head}" for load, found in columns.items() for i, head in enumerate(found)]
    filled = table("", *heads)
    for name in dict.fromkeys(name for series in loads.values() for name in load_report.contestants_of(series)):
        cells: list[str] = []
        for load, series in loads.items():
            found = next((one for one in series if one.name == name), None)
            cells += [text(found, column) if found else DASH for column in columns[load].values()]
        filled.add_row(name, *cells)
    return filled


def answers(loads: Loads) -> Section:
    """Dashes in place of ratios where the reference was not measured under a load."""
    found = reference([one for series in loads.values() for one in series])
    against = found.name if found else ""

    def columns(series: list[Series]) -> dict[str, Column]:
        base = next((one for one in series if one.name == against), None)
        ratios, letters = load_report.compared_bounds(base, series, "throughput"), groups(series).letters
        return {
            "requests/s": load_report.requests_a_second,
            f"x {against}": lambda one: ratios[one.name],
            "group": lambda one: letters.get(one.name, DASH),
        }

    notes = [
        f"Asked by wrk; medians of the rounds. {load_report.HOW_RATIOS_ARE_MADE} {load_report.HOW_GROUPS_ARE_MADE}",
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
        same = "1" if one.valid else DASH
        figures = (load_report.requests_a_second(one), text(one, "cpu"))
        compared = [
            cell for metric, figure in zip(metrics, figures) for cell in (figure, ratios.get((one.name, metric), same))
        ]
        filled.add_row(one.name, *compared, load_report.quantile(one, "p50"))
    notes = [
        *load_report.invalid_notes(variants),
        *load_report.lost_notes(variants),
        "/plaintext; CPU and median time of a request. A fork visits every page of its parent, to copy its entry in "
        "the page table and to count one more user, and the child's exit visits them again.",
    ]
    return Section("What does a bigger heap do to fork per request?", filled, notes)


def latency(loads: Loads) -> Section:
    columns: dict[str, Column] = {
        "median": lambda one: load_report.quantile(one, "p50"),
        "99 %": lambda one: load_report.with_rounds(one, "p99"),
        "max": lambda one: load_report.quantile(one, "max"),
    }
    missing = {trial.client.latency_problem for series in loads.values() for one in series for trial in one.valid}
    notes = [
        "A closed loop: each client asks again when it is answered, so that at full load the mean is clients / "
        "throughput, and a server that stalls is asked less. `quartet latency` asks at a constant rate.",
        "Over all rounds together, in brackets the lowest and the highest round; wrk's synthetic samples (its "
        "stats_correct) are taken out.",
        *(f"A round without latencies: {problem}." for problem in sorted(missing - {""})),
    ]
    return Section("How long does a request take at full load, in ms?", _side_by_side(loads, lambda _: columns), notes)


def cpu_time(saturating: Loads) -> Section:
    columns: dict[str, Column] = {
        "us": "cpu",
        "server": load_report.server_share,
        "wrk": load_report.client_share,
    }
    filled = _side_by_side(saturating, lambda _: columns)
    notes = [
        "Of the whole process tree, dead children included, amid the load, per answer; newcomers' included. server, "
        "wrk: share of their CPU that was used.",
        "At unequal load the busier server looks cheaper, because it batches: the first table compares at one rate.",
    ]
    return Section("What does a request cost at full load, in microseconds of CPU time?", filled, notes)


def newcomers(loads: Loads) -> Section:
    columns: dict[str, Column] = {
        "wrk's clients": _clients_served,
        "newcomers": load_report.newcomers_served,
        "median": lambda one: _wait(one, "p50", median),
        "max": lambda one: _wait(one, "max", max),
    }
    notes = [
        "Beside wrk, every 100 ms, but in the last 500, somebody new connects, asks for the same and gives up after "
        "500. Answered/asked, all rounds together; milliseconds from when each was due, connecting included: the "
        "median of the rounds' medians, and the longest.",
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
