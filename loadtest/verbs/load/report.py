"""The report of throughput and latency: results in, text out. One table for each question and load. Pure."""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from loadtest.contestants.contestants import Kind
from loadtest.document.document import Section, Table, table
from loadtest.document.figures import DASH, number, plural, share
from loadtest.engine.report import describe_sets
from loadtest.engine.run import Run
from loadtest.statistics.differences import LEAST_ROUNDS, Key, Ratio, holm, letters, standing, too_few_rounds
from loadtest.verbs.load.plan import Settings
from loadtest.verbs.load.results import Series, by_load

Column = str | Callable[[Series], str]  # a metric, or what makes the text

CPU: dict[str, Column] = {"CPU us\neach": "cpu", "user": "cpu user", "system": "cpu system"}


def sections(run: Run) -> list[Section]:
    found: list[Section] = []
    for part in run.parts:
        for load, series in by_load(part).items():
            first = answers if series[0].cell.rate is None else latencies
            found += filter(None, [first(load, series), yardsticks(load, series), costs(load, series)])
    return found


def head(run: Run) -> list[str]:
    settings = run.parts[0].settings
    more = list(settings.budgets.values())[1:]
    workers = f"{settings.workers} workers" if settings.workers else "a worker for each connection and two more"
    return [
        *(f"With {len(sets.server)} server CPUs: {describe_sets(sets)}." for sets in more),
        f"{plural(settings.rounds, 'interleaved round')} of {settings.duration} s each, in a random order (seed "
        f"{settings.seed}); every trial has a fresh server. Pools have {workers}.",
        *indicative(settings),
    ]


def indicative(settings: Settings) -> list[str]:
    if settings.rounds >= LEAST_ROUNDS:
        return []
    return [f"INDICATIVE: {settings.rounds} of the {LEAST_ROUNDS} rounds that an interval takes."]


def answers(load: str, series: Sequence[Series]) -> Section:
    letter, _ = groups(series)
    columns: dict[str, Column] = {
        "requests/s": "throughput",
        "group": lambda one: letter.get(one.name, DASH),
        "server\nCPU": lambda one: percent(one.server_share),
        "wrk\nCPU": lambda one: percent(one.client_share),
        **CPU,
        "p50\nms": "latency p50",
        "p99\nms": "latency p99",
        "PSS\nMiB": "pss",
    }
    notes = [
        *doubts(series),
        "group: who shares a letter is tied; only servers that were the bottleneck are grouped. CPU us: of the whole "
        "process tree, dead children included; user and system as the clock's ticks on the server's CPUs divide it.",
        "p50, p99: a closed loop's, in which a server that stalls is asked less; wrk's synthetic samples are taken "
        "out.",
    ]
    return Section(f"How many requests are answered in a second? ({load})", _rows(series, columns), notes)


def latencies(load: str, series: Sequence[Series]) -> Section:
    """At a constant rate."""
    columns: dict[str, Column] = {
        **{f"{_name_of(name)}\nms": f"latency {name}" for name in ("p50", "p90", "p99", "p999", "max")},
        "sent\np99 ms": "service p99",
        **CPU,
        "server\nCPU": lambda one: percent(one.server_share),
        "PSS\nMiB": "pss",
    }
    notes = [
        *invalid_notes(series),
        "Medians of the rounds, from when each request was due, whether or not the client could send it then; sent "
        "p99: from the send, which a closed loop would show. Everybody is asked for the same number of requests a "
        "second, so that CPU times can be compared.",
        *missed_gates(series),
    ]
    return Section(f"How long does a request take at a constant rate? ({load})", _rows(series, columns), notes)


def yardsticks(load: str, series: Sequence[Series]) -> Section | None:
    """Models beside their best peers and their bare servers; only where one has any."""
    closed = series[0].cell.rate is None
    units = {"requests/s": "throughput", "CPU each": "cpu"} if closed else {"CPU each": "cpu"}
    kinds = (Kind.peer, Kind.bare)
    models = [one for one in series if one.contestant.kind == Kind.model]
    others = {(one.name, kind): best_of(kind, one, series) for one in models for kind in kinds}
    if not any(others.values()):
        return None
    columns = {f"{unit}\nx {kind.value}": (kind, metric) for kind in kinds for unit, metric in units.items()}
    ratios: dict[tuple[str, str], Ratio | None] = {}
    for one, (column, (kind, metric)) in itertools.product(models, columns.items()):
        other = others[one.name, kind]
        fair = other and not (metric == "throughput" and (one.unranked or other.unranked))  # both were the bottleneck
        ratios[one.name, column] = one.ratio(other, metric) if other and fair else None
    texts, filled = judged(ratios), table("", "best peer", *columns)
    for one in models:
        peer = others[one.name, Kind.peer]
        filled.add_row(one.name, peer.name if peer else DASH, *(texts[one.name, column] for column in columns))
    few = too_few_rounds([ratio for ratio in ratios.values() if ratio])
    notes = [
        "x peer: ours / theirs, by round, with the interval at 95 %; = is a tie after Holm's correction over the "
        "table. CPU each: less than 1 is cheaper than theirs.",
        "requests/s only where both servers were the bottleneck. CPU each: at unequal load the busier server looks "
        "cheaper, because it batches; --rate compares at equal load."
        if closed
        else "best peer: the one that takes the least CPU time for a request.",
        "bare: the same server around one canned answer, without HTTP: the difference is what HTTP costs.",
        *([f"Ties for want of rounds: {few}."] if few else []),
    ]
    return Section(f"How far from the best of its kind, and from what its model could do? ({load})", filled, notes)


def costs(load: str, series: Sequence[Series]) -> Section:
    columns: dict[str, Column] = {
        "goodput/s": "goodput",
        "switches\nvoluntary": "voluntary switches",
        "\ninvoluntary": "involuntary switches",
        "system\ncalls": "system calls",
        "private\nMiB": "private",
        "newcomers\nserved": newcomers_served,
        "latency\nmax ms": "latency max",
        "rounds\nvalid": lambda one: f"{len(one.trials)}/{len(one.tried)}",
    }
    reasons = {trial.system_calls_problem for one in series for trial in one.trials} - {""}
    notes = [
        "Per request: context switches of the whole process tree; system calls on the server's CPUs, in a short run of "
        "its own, because counting takes time. newcomers: fresh connections beside the load, one every 100 ms, all "
        "rounds together, of invalid ones too.",
        *(f"System calls were not counted: {reason}." for reason in sorted(reasons)),
    ]
    return Section(f"What does a request take? ({load})", _rows(series, columns), notes)


def groups(series: Sequence[Series]) -> tuple[dict[str, str], list[str]]:
    """Letters by contestant, from requests a second, and a note on why there are none."""
    values = {one.name: one.by_round("throughput") for one in series if one.trials and not one.unranked}
    if len(values) < 2:
        return {}, []
    if any(a.keys().isdisjoint(b) for a, b in itertools.combinations(values.values(), 2)):
        return {}, ["No groups: some servers have no valid round in common."]
    ties, problem = standing(values)
    return ({}, [f"No groups: {problem}."]) if problem else (letters(ties), [])


def best_of(kind: Kind, model: Series, everybody: Sequence[Series]) -> Series | None:
    """Of that model's bare servers or peers that were measured validly, the one with the most answers a second; at a
    constant rate, where all of them have as many, the one that takes the least CPU time."""
    found = [one for one in everybody if one.trials and one.contestant.kind == kind]
    beside = [one for one in found if one.contestant.model == model.name]
    if not beside:
        return None
    if model.cell.rate is None:
        return max(beside, key=lambda one: one.middle("throughput") or 0.0)
    return min(beside, key=lambda one: one.middle("cpu") or math.inf)


def judged(ratios: Mapping[Key, Ratio | None]) -> dict[Key, str]:
    """The texts of all ratios of one table, which share Holm's correction."""
    adjusted = holm({key: ratio.p for key, ratio in ratios.items() if ratio})
    return {key: _judged(ratio, adjusted[key]) if ratio else DASH for key, ratio in ratios.items()}


def _judged(ratio: Ratio, adjusted_p: float) -> str:
    if ratio.interval is None:
        return number(ratio.ratio)
    tie = "" if ratio.different(adjusted_p) else " ="
    return f"{ratio.ratio:.2f} [{ratio.interval.low:.2f}-{ratio.interval.high:.2f}]{tie}"


def missed_gates(series: Iterable[Series]) -> list[str]:
    """The median of the rounds is what counts: a gate is about the server, not about the worst second of a noisy
    machine. No valid figure is no pass."""
    found = []
    for one in series:
        for gate in one.settings.gates:
            value = one.middle(f"latency {gate.quantile}")
            if value is None or value >= gate.milliseconds:
                limit = f"{_name_of(gate.quantile)} < {gate.milliseconds:g} ms"
                seen = "it has no valid figure" if value is None else f"it is {value:.3g} ms"
                found.append(f"GATE {one.cell}: {limit} is not met, {seen}.")
    return found


def _name_of(quantile: str) -> str:
    return quantile.replace("p999", "p99.9")


def _rows(series: Sequence[Series], columns: Mapping[str, Column]) -> Table:
    filled = table("", *columns)
    for one in series:
        filled.add_row(one.name, *(text(one, column) for column in columns.values()))
    return filled


def text(one: Series, column: Column) -> str:
    """A metric's median; a dash where no trial is valid, or has it."""
    if callable(column):
        return column(one)
    value = one.middle(column)
    return DASH if value is None else number(value)


def percent(value: float | None) -> str:
    return DASH if value is None else f"{value:.0%}"


def newcomers_served(one: Series) -> str:
    """Also of invalid trials: that somebody was not served is what makes them invalid, and the answer."""
    beside = [trial.newcomers for trial in one.tried]
    return share(sum(each.served for each in beside), sum(each.asked for each in beside))


def invalid_notes(series: Sequence[Series]) -> list[str]:
    return [f"{one.name}: invalid, {one.tried[-1].problems[0]}." for one in series if not one.trials]


def doubts(series: Sequence[Series]) -> list[str]:
    """Why throughput has no number, no interval or no group."""
    short = [one for one in series if 0 < len(one.trials) < LEAST_ROUNDS <= len(one.tried)]
    notes = invalid_notes(series)
    notes += [f"{one.name}: {len(one.trials)} of {LEAST_ROUNDS} valid rounds that an interval takes." for one in short]
    reasons: dict[str, list[str]] = {}
    for one in series:
        reasons.setdefault(one.unranked, []).append(one.name)
    if said := "; ".join(f"{', '.join(names)} ({reason})" for reason, names in reasons.items() if reason):
        notes.append(f"Not the bottleneck, hence in no group, and perhaps faster than the number: {said}.")
    return notes + groups(series)[1]
