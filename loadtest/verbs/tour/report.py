"""The main job's answers: a table for each question, the loads side by side, and below it what can mislead. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import median

from loadtest.document.document import Section, Table, table
from loadtest.document.figures import DASH, listed, milliseconds, plural, share
from loadtest.engine.run import Part, Run
from loadtest.verbs.crash import report as crash
from loadtest.verbs.crowd import measure as crowd
from loadtest.verbs.load import report as load_report
from loadtest.verbs.load.plan import ARRIVALS, Settings
from loadtest.verbs.load.report import Column, groups, judged, text
from loadtest.verbs.load.results import Series
from loadtest.verbs.load.rounds import by_load, reference
from loadtest.verbs.memory import report as memory
from loadtest.verbs.tour import plots
from loadtest.verbs.tour.loads import ballasted, equal_rate, full_load

Loads = dict[str, list[Series]]  # by route
CHAPTERS = {
    **dict.fromkeys(
        ("equal-rate", "full-load", "ballast", "latency", "cpu"), "What a request costs, and how fast it is"
    ),
    **dict.fromkeys(("newcomers", "crowd"), "Who is served"),
    "memory": "Memory",
    "crash": "Faults",
}  # by section


def head(run: Run) -> list[str]:
    full, equal = full_load(run), equal_rate(run)
    workers = dict.fromkeys(part.settings.connections[0] + 2 for part in [*full, *equal])
    return [
        *(_at_full_load(part.settings) for part in full),
        *(_at_an_equal_rate(part.settings) for part in equal),
        *(
            f"Pools have {most} workers: one for each connection, one for newcomers, one for /stats."
            for most in workers
        ),
        *(f"{what}: {line} Medians only; no groups." for what, line in _indicative(run).items()),
    ]


def _at_full_load(settings: Settings) -> str:
    paths = ", ".join(workload.path for workload in settings.workloads)
    return (
        f"At full load: wrk, {settings.connections[0]} connections, {settings.duration} s, in "
        f"{plural(settings.rounds, 'interleaved round')}, each in a random order; every run has a fresh server. "
        f"Routes: {paths}."
    )


def _at_an_equal_rate(settings: Settings) -> str:
    return (
        f"At an equal rate: quartet-pace, {settings.rates[0]:,.0f} requests/s ({ARRIVALS[settings.arrivals]}), in "
        f"{plural(settings.rounds, 'round')}."
    )


def _indicative(run: Run) -> dict[str, str]:
    """By what was measured in so few rounds."""
    found: dict[str, list[str]] = {}
    for part in [*equal_rate(run), *full_load(run), *ballasted(run)]:
        what = listed([one.path for one in part.settings.workloads])
        what = "At an equal rate" if part.settings.rates else "With a ballast" if part in ballasted(run) else what
        for line in load_report.indicative(part.settings):
            found.setdefault(line, []).append(what)
    return {"; ".join(names): line for line, names in found.items()}


def sections(run: Run) -> list[Section]:
    """Of what was measured."""
    equal, full, heavy = (_loads(which(run)) for which in (equal_rate, full_load, ballasted))
    once = {"crowd": crowd.section, "plateaus": memory.plateaus, "crash": crash.main_job}
    found = [
        *map(same_rate, equal.values()),
        answers(full),
        ballast(heavy),
        latency(full),
        cpu_time(full),
        newcomers(full),
        *(make(part) for name, make in once.items() for part in run.parts if part.measurement == name),
    ]
    shown = [section for section in found if section and section.table and section.table.rows]
    return [replace(one, chapter=one.chapter or CHAPTERS.get(one.id, "")) for one in shown]


def _loads(parts: Iterable[Part]) -> Loads:
    """By route, and by rate where there is one."""
    found: Loads = {}
    for part in parts:
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
    title = f"What does a request cost, when all are asked {rate:,.0f} times a second?"
    return Section(title, filled, notes, "equal-rate", plots.equal_rate("equal-rate", series))


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
    title = "How many requests a second does one server CPU answer?"
    return Section(title, _side_by_side(loads, columns), notes, "full-load", plots.full_load(loads))


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
    title = "What does a bigger heap do to fork per request?"
    return Section(title, filled, notes, "ballast", plots.ballast(variants))


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
    title = "How long does a request take at full load, in ms?"
    return Section(title, _side_by_side(loads, lambda _: columns), notes, "latency", plots.latency(loads))


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
    title = "What does a request cost at full load, in microseconds of CPU time?"
    return Section(title, filled, notes, "cpu", plots.cpu(saturating))


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
    title = "Is everybody served while the server is busy?"
    return Section(title, _side_by_side(loads, lambda _: columns), notes, "newcomers", plots.newcomers(loads))


def _clients_served(one: Series) -> str:
    """In the worst round, invalid ones included."""
    tried = [(trial.clients_served, trial.client.connections) for trial in one.tried]
    known = [(served, asked) for served, asked in tried if served is not None]
    return share(*min(known)) if known else DASH


def _wait(one: Series, quantile: str, of: Callable[[Iterable[float]], float]) -> str:
    found = [getattr(trial.newcomers.waits, quantile) for trial in one.tried if trial.newcomers.waits]
    return milliseconds(of(found) / 1e6) if found else DASH
