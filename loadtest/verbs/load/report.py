"""The report of throughput and latency: results in, text out. One table for each question and load. Pure."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from loadtest.clients.client_side import ROUNDING, SHARES
from loadtest.contestants.contestants import Kind
from loadtest.document.document import Section, Table
from loadtest.document.figures import DASH, ceiling_percent, floor_percent, number, plural, share
from loadtest.engine.metrics import BY_NAME
from loadtest.engine.report import describe_sets
from loadtest.engine.run import Run
from loadtest.statistics.differences import LEAST_ROUNDS, Key, Ratio, against, holm, letters, standing, too_few_rounds
from loadtest.statistics.validity import DISTURBED
from loadtest.verbs.load.plan import WRK, Gate, Settings, cells
from loadtest.verbs.load.results import Series
from loadtest.verbs.load.rounds import Load, Rounds, Tried, reference

THROUGHPUT, LATENCY = "Throughput", "Latency"  # chapters

Column = str | Callable[[Series], str]  # a metric, or what makes the text
TIE = " ="  # behind a ratio that is not told from 1

CPU: dict[str, Column] = {"CPU us\neach": "cpu", "user": "cpu user", "system": "cpu system"}
HOW_RATIOS_ARE_MADE = (
    "A ratio is made round by round, and is the median over all pairs of rounds, with its interval at 95 % (signed "
    "ranks): it is not the quotient of the two figures beside it. = is a tie after Holm's correction over the table."
)
HOW_GROUPS_ARE_MADE = (
    "group: who shares a letter is tied. >=: the server could have answered more, so that nobody below it can be the "
    "only first."
)


class Ids(NamedTuple):
    """Of the sections of a load."""

    answer: str
    yardstick: str
    costs: str


def ids(load: Load[Series]) -> Ids:
    kinds = ("throughput", "yardstick", "costs")
    if not load.is_closed:
        kinds = ("latency", "latency-yardstick", "latency-costs")
    return Ids(*(f"{kind}{load.suffix}" for kind in kinds))


def sections(load: Load[Series]) -> list[Section]:
    chapter, first = (THROUGHPUT, answers) if load.is_closed else (LATENCY, latencies)
    found = (show(load.name, load.everybody) for show in (first, yardsticks, costs))
    return [replace(one, id=name, chapter=chapter) for name, one in zip(ids(load), found) if one]


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
    letter = groups(series).letters
    columns: dict[str, Column] = {
        "requests/s": requests_a_second,
        **beside_reference(series, "throughput"),
        "group": lambda one: letter.get(one.name, DASH),
        "server\nCPU": server_share,
        f"{series[0].cell.client.removeprefix('quartet-')}\nCPU": client_share,
        **CPU,
        "p50\nms": lambda one: quantile(one, "p50"),
        "p99\nms": lambda one: quantile(one, "p99"),
    }
    notes = [
        *doubts(series),
        *reference_notes(series, "throughput"),
        f"Asked by {series[0].cell.client}. {HOW_GROUPS_ARE_MADE} CPU us: of the whole process tree, dead children "
        "included, amid the load; user and system as the clock's ticks on the server's CPUs divide it.",
        "p50, p99: over all rounds together; a closed loop's, in which a server that stalls is asked less."
        + (" wrk's synthetic samples are taken out." if series[0].cell.client == WRK else ""),
    ]
    return Section(f"How many requests are answered in a second? ({load})", _rows(series, columns), notes)


def latencies(load: str, series: Sequence[Series]) -> Section:
    """At a constant rate."""
    columns: dict[str, Column] = {
        "answered\n/s": lambda one: answered(one) + (of_rounds(one) if one.valid else ""),
        "p50\nms": lambda one: quantile(one, "p50"),
        "p90\nms": lambda one: quantile(one, "p90"),
        "p99 ms\n[rounds]": lambda one: with_rounds(one, "p99"),
        "p99.9\nms": lambda one: quantile(one, "p999"),
        "max\nms": lambda one: quantile(one, "max"),
        "sent\np99 ms": "service p99",
        "CPU us\neach": "cpu",
        **beside_reference(series, "cpu"),
        "server\nCPU": server_share,
    }
    late = [one.lateness.p99 / 1000 for one in series if one.lateness]
    notes = [
        *invalid_notes(series),
        *lost_notes(series),
        *short_notes(series),
        *other_work_notes(series),
        *reference_notes(series, "cpu"),
        "Quantiles over all requests of all rounds together, from when each was due, whether or not the client could "
        "send it then; in brackets the lowest and the highest of the rounds. A request that was never answered took "
        "longer than all others (>). p99.9 takes 10,000 requests. sent p99: from the send, which a closed loop would "
        "show; the median of the rounds.",
        "A dash where quartet-pace itself was late by more than a tenth of the figure"
        + (f"; in its own 99 % it was late by {number(min(late))} to {number(max(late))} ms." if late else "."),
        "Everybody is asked for the same number of requests a second, so that CPU times can be compared.",
        *missed_gates(series),
    ]
    return Section(f"How long does a request take at a constant rate? ({load})", _rows(series, columns), notes)


@dataclass(frozen=True)
class Beside:
    """A model beside the best of its peers, or of its bare servers, by one metric."""

    other: Series | None
    ratio: Ratio | None
    text: str


def beside(series: Sequence[Series]) -> dict[str, dict[str, Beside]]:
    """By column and model; all of them share Holm's correction. Empty where no model has any."""
    units = ({"requests/s": "throughput"} if series[0].cell.rate is None else {}) | {"CPU each": "cpu"}
    models = [one for one in series if one.contestant.kind == Kind.model]
    others = {
        (f"{unit}\nx {kind.value}", one.name): (one, best_of(kind, metric, one, series), metric)
        for kind, (unit, metric) in itertools.product((Kind.peer, Kind.bare), units.items())
        for one in models
    }
    if not any(other for _, other, _ in others.values()):
        return {}
    ratios = {
        key: one.ratio(other, metric) if other and one.same_work else None
        for key, (one, other, metric) in others.items()
    }
    found: dict[str, dict[str, Beside]] = {}
    for (column, name), text in judged(ratios).items():
        one, other, metric = others[column, name]
        text = one_sided(text, one, other) if other and metric == "throughput" else text
        found.setdefault(column, {})[name] = Beside(other, ratios[column, name], text)
    return found


def want_of_rounds(columns: Mapping[str, Mapping[str, Beside]]) -> str:
    """Why none of them could have been told apart; mostly ""."""
    return too_few_rounds([one.ratio for found in columns.values() for one in found.values() if one.ratio])


def yardsticks(load: str, series: Sequence[Series]) -> Section | None:
    """Models beside their best peers and their bare servers, the best of each metric; only where one has any."""
    columns = beside(series)
    if not columns:
        return None
    closed = series[0].cell.rate is None
    filled = Table(("", *columns), wide=True)
    for name in next(iter(columns.values())):
        cells = [(column, found[name]) for column, found in columns.items()]
        filled.add_row(
            name,
            *(
                f"{one.text} {one.other.name}"
                if one.other and column.endswith("peer") and one.text != DASH
                else one.text
                for column, one in cells
            ),
        )
    few = want_of_rounds(columns)
    notes = [
        f"x peer: ours / theirs. {HOW_RATIOS_ARE_MADE} CPU each: less than 1 is cheaper than theirs. Each column has "
        "the peer that is best by its own metric.",
        ">=, <=: one of the two could have answered more; a dash, where both could. CPU each: at unequal load the "
        "busier server looks cheaper, because it batches; --rate compares at equal load."
        if closed
        else "Both were asked for the same number of requests a second.",
        *other_work_notes(series),
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
        "heap, stack\nMiB": "anonymous",
        "PSS\nMiB": "pss",
        "private\nMiB": "private",
        "newcomers\nserved": newcomers_served,
        "latency\nmax ms": lambda one: quantile(one, "max"),
        "rounds\nvalid": lambda one: f"{len(one.valid)}/{one.settings.rounds}",
    }
    reasons = {trial.system_calls_problem for one in series for trial in one.tried} - {""}
    uncounted = {trial.switches_problem for one in series for trial in one.valid if not trial.switches} - {""}
    notes = [
        "Per request: context switches of the whole process tree; system calls on the server's CPUs, in a short run of "
        "its own, because counting takes time. newcomers: fresh connections beside the load, one every 100 ms, all "
        "rounds together, of invalid ones too. PSS and private memory contain libraries, which go by who else maps "
        "them.",
        *(f"System calls were not counted: {reason}." for reason in sorted(reasons)),
        *(f"Switches were not counted: {reason}." for reason in sorted(uncounted)),
    ]
    return Section(f"What does a request take? ({load})", _rows(series, columns), notes)


@dataclass(frozen=True)
class Groups:
    """Of ties, the best first; or why there are none, or why some may mean nothing."""

    ties: list[list[str]]
    bounds: list[str]  # those whose figure is a lower bound, and who might be the first
    problem: str = ""

    @property
    def letters(self) -> dict[str, str]:
        """By contestant; a is the best."""
        return letters(self.ties)

    @property
    def notes(self) -> list[str]:
        return [f"{'Groups' if self.ties else 'No groups'}: {self.problem}."] if self.problem else []


def groups(series: Sequence[Series], metric: str = "throughput") -> Groups:
    """Who lost requests is in no group: what it has answered says nothing of what it could."""
    able = [one for one in series if one.valid and one.same_work and not one.losses]
    values = {one.name: found for one in able if (found := _goodness(one, metric))}
    highest = max((one.middle("throughput") or 0.0 for one in series), default=0.0)
    bounds = [one.name for one in series if metric == "throughput" and one.is_bound and one.ceiling >= highest]
    if len(values) < 2:
        return Groups([], bounds)
    if any(a.keys().isdisjoint(b) for a, b in itertools.combinations(values.values(), 2)):
        return Groups([], bounds, "some servers have no valid round in common")
    if any(one.settings.budgets[one.cell.cpus].shared for one in series):
        return Groups([], bounds, "server and load share a CPU")
    ties, problem = standing(values, bounds)
    return Groups([] if problem and len(ties) == 1 else ties, bounds, problem)


def _goodness(one: Series, metric: str) -> dict[int, float]:
    """By round, so that more is better; a ratio takes values above 0."""
    more = BY_NAME[metric].better == "more"
    return {number: value if more else 1 / value for number, value in one.by_round(metric).items() if value > 0}


def best_of(kind: Kind, metric: str, model: Series, everybody: Sequence[Series]) -> Series | None:
    """Of that model's bare servers or peers that were measured validly, at the same work, the best by that metric."""
    sign = -1 if BY_NAME[metric].better == "less" else 1
    beside = [
        (sign * value, one)
        for one in everybody
        if one.contestant.kind == kind and one.contestant.model == model.name and one.same_work
        if (value := one.middle(metric))
    ]
    return max(beside, key=lambda found: found[0])[1] if beside else None


def judged(ratios: Mapping[Key, Ratio | None]) -> dict[Key, str]:
    """The texts of all ratios of one table, which share Holm's correction."""
    adjusted = holm({key: ratio.p for key, ratio in ratios.items() if ratio})
    return {key: _judged(ratio, adjusted[key]) if ratio else DASH for key, ratio in ratios.items()}


def planned(base: Rounds[Any] | None, series: Sequence[Rounds[Any]], metric: str) -> dict[str, tuple[Ratio, float]]:
    """Ratios to one of them, and their p, of those who did the same work; of nobody where it did not."""
    if base is None or not base.valid or not base.same_work:
        return {}
    able = [one for one in series if one.same_work]
    values = {one.name: {n: value for n, value in one.by_round(metric).items() if value > 0} for one in able}
    return against(values, base.name)


def compared(base: Rounds[Any] | None, series: Sequence[Rounds[Any]], metric: str) -> dict[str, str]:
    """The texts of everybody's ratios to one of them, who has "1"; dashes where it was not measured."""
    found = {name: _judged(*ratio) for name, ratio in planned(base, series, metric).items()}
    itself = {base.name: "1"} if base and base.valid and base.same_work else {}
    return {one.name: found.get(one.name, DASH) for one in series} | itself


def compared_bounds(base: Rounds[Any] | None, series: Sequence[Rounds[Any]], metric: str) -> dict[str, str]:
    """The same of a figure that may be a lower bound."""
    found = compared(base, series, metric)
    return {
        one.name: found[one.name] if base is None or one is base else one_sided(found[one.name], one, base)
        for one in series
    }


def beside_reference(series: Sequence[Series], metric: str) -> dict[str, Column]:
    """A column of the planned comparisons; none where one stands alone. Its head says what a tie is, and by what an
    interval without 1 may be one."""
    base = reference(series)
    if base is None or len(series) < 2:
        return {}
    ratios = (compared_bounds if metric == "throughput" else compared)(base, series, metric)
    tie = f"\n{TIE.strip()} tie (Holm)" if any(ratio.endswith(TIE) for ratio in ratios.values()) else ""
    return {f"x {base.name}{tie}": lambda one: ratios.get(one.name, DASH)}


def reference_notes(series: Sequence[Series], metric: str) -> list[str]:
    """How that column is made, and whether its ties say anything."""
    base = reference(series)
    if base is None or len(series) < 2:
        return []
    few = too_few_rounds([ratio for ratio, _ in planned(base, series, metric).values()])
    return [f"x {base.name}: {HOW_RATIOS_ARE_MADE}{f' Ties for want of rounds: {few}.' if few else ''}"]


def other_work_notes(series: Sequence[Series]) -> list[str]:
    names = ", ".join(one.name for one in series if one.valid and not one.same_work)
    return [f"Compared with nobody, because not all that was asked for was answered: {names}."] if names else []


def _judged(ratio: Ratio, adjusted_p: float) -> str:
    if ratio.interval is None:
        return number(ratio.ratio)
    tie = "" if ratio.different(adjusted_p) else TIE
    return f"{ratio.ratio:.2f} [{ratio.interval.low:.2f}-{ratio.interval.high:.2f}]{tie}"


def one_sided(text: str, ours: Rounds[Any], theirs: Rounds[Any]) -> str:
    """A ratio of requests a second, where one of the two is a lower bound; of two bounds nothing is known."""
    if text == DASH or (ours.is_bound and theirs.is_bound):
        return DASH
    return f">= {text}" if ours.is_bound else f"<= {text}" if theirs.is_bound else text


def missed_gates(series: Iterable[Series]) -> list[str]:
    """Over all rounds together: a stall in one of them is the server's, too. No valid figure is no pass; but what is
    below the limit is met, though the client itself was late. Who got no good answer waits longer than any limit: of
    such requests p99 bears 1 %, and the maximum and the mean none."""
    found = []
    for one in series:
        for gate in one.settings.gates:
            limit = f"{_name_of(gate.quantile)} < {gate.milliseconds:g} ms"
            if missed := _missed(one, gate):
                found.append(f"GATE {one.cell}: {limit} is not met, {missed}.")
    return found


def _missed(one: Series, gate: Gate) -> str:
    """How; mostly ""."""
    name = gate.quantile
    bearable = 1 - SHARES.get(name, 1.0)
    if one.lost > (bearable + ROUNDING) * one.asked:
        more = f", more than {100 * bearable:.3g} %" if bearable else ""
        return f"{one.lost:,} of {one.asked:,} requests got no good answer{more}"
    if not (found := one.latency):
        return "it has no valid figure"
    if name == "p999" and found.count < 10_000:
        return "it has no valid figure: it takes 10,000 requests"
    value = float(getattr(found, name)) / 1000
    if value < gate.milliseconds and not found.is_bound(name):
        return ""
    if one.shown_latency(name) is None and one.lateness:
        late = getattr(one.lateness, name) / 1000
        return f"it has no valid figure: quartet-pace itself was {number(late)} ms late"
    return f"it is {_bound(one, name)}{value:.3g} ms"


def _bound(one: Series, name: str) -> str:
    return "> " if one.latency and one.latency.is_bound(name) else ""


def _name_of(quantile: str) -> str:
    return quantile.replace("p999", "p99.9")


def _rows(series: Sequence[Series], columns: Mapping[str, Column]) -> Table:
    """Of everybody who was asked; dashes for whom there is no trial, since its first one failed."""
    filled = Table(("", *columns), wide=True)
    for name, one in contestants_of(series).items():
        filled.add_row(name, *(text(one, column) if one else DASH for column in columns.values()))
    return filled


def contestants_of(series: Sequence[Series]) -> dict[str, Series | None]:
    """By name, in the order of the settings: all that this load was for."""
    measured = {one.name: one for one in series}
    asked = [cell for one in series[:1] for cell in cells(one.settings) if cell.load == one.cell.load]
    return {cell.contestant: measured.get(cell.contestant) for cell in asked}


def text(one: Series, column: Column) -> str:
    """A metric's median; a dash where no trial is valid, or has it."""
    if callable(column):
        return column(one)
    value = one.middle(column)
    return DASH if value is None else number(value)


def quantile(one: Series, name: str) -> str:
    value = one.shown_latency(name)
    return DASH if value is None else _bound(one, name) + number(value)


def with_rounds(one: Series, name: str) -> str:
    """ "0.70 [0.65-601]": with the lowest and the highest of the rounds, in which the client may have been late."""
    shown, rounds = quantile(one, name), one.latency_of_rounds(name)
    return shown if shown == DASH or len(rounds) < 2 else f"{shown} [{number(min(rounds))}-{number(max(rounds))}]"


def requests_a_second(one: Series) -> str:
    shown = text(one, "throughput")
    return shown if shown == DASH else f"{'>= ' if one.is_bound else ''}{shown}{of_rounds(one)}"


def of_rounds(one: Tried) -> str:
    """ " (5/6, 2 disturbed)", where fewer are valid than were asked for, or other load disturbed some."""
    asked = one.settings.rounds
    found = [*([f"{len(one.valid)}/{asked}"] if len(one.valid) < asked else [])]
    found += [f"{one.disturbed} disturbed"] if one.disturbed else []
    return f" ({', '.join(found)})" if found else ""


def answered(one: Series) -> str:
    """Of requests at a constant rate: within the schedule's time."""
    if not one.valid or not (found := one.answered):
        return DASH
    asked = number(found[1])
    if one.overloaded:
        return f"{number(found[0])} of {asked}"
    return f"{asked} ({one.lost:,} lost)" if one.lost else asked


def server_share(one: Series) -> str:
    return DASH if one.server_share is None else floor_percent(one.server_share)


def client_share(one: Series) -> str:
    return DASH if one.client_share is None else ceiling_percent(one.client_share)


def newcomers_served(one: Series) -> str:
    """Also of invalid trials."""
    beside = [trial.newcomers for trial in one.tried]
    return share(sum(each.served for each in beside), sum(each.asked for each in beside))


def invalid_notes(series: Sequence[Tried]) -> list[str]:
    return [f"{one.name}: invalid, {one.tried[-1].problems[0]}." for one in series if not one.valid]


def short_notes(series: Sequence[Tried]) -> list[str]:
    """Where rounds are missing, and where too many are; and where some were disturbed."""
    fewer = [one for one in series if 0 < len(one.valid) < one.settings.rounds]
    short = [one for one in fewer if len(one.valid) < LEAST_ROUNDS <= one.settings.rounds]
    notes = ["(5/6): so many of its rounds are valid; at the end stands why."] if fewer else []
    if any(one.disturbed for one in series):
        notes.append(f"(2 disturbed): others took more than {DISTURBED:.0%} of a CPU in so many of the valid rounds.")
    return notes + [
        f"{one.name}: {len(one.valid)} of {LEAST_ROUNDS} valid rounds that an interval takes." for one in short
    ]


def lost_notes(series: Sequence[Series]) -> list[str]:
    """What the servers did not do."""
    found = []
    for one in series:
        reasons = [*([f"overloaded, {one.overloaded}"] if one.overloaded else []), *one.losses]
        found += [f"{one.name}: {'; '.join(reasons)}."] if reasons else []
    return found


def doubts(series: Sequence[Series]) -> list[str]:
    """Why throughput has no number, no interval or no group."""
    notes = [*invalid_notes(series), *lost_notes(series), *short_notes(series)]
    reasons: dict[str, list[str]] = {}
    for one in series:
        reasons.setdefault(one.unranked, []).append(one.name)
    if said := "; ".join(f"{', '.join(names)} ({reason})" for reason, names in reasons.items() if reason):
        notes.append(f"Not the bottleneck, and perhaps faster than the number (>=): {said}.")
    return notes + groups(series).notes
