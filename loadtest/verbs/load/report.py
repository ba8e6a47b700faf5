"""The report of throughput and latency: results in, text out. One table for each question and load. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

from loadtest.contestants.contestants import Kind
from loadtest.document.document import Section, table
from loadtest.document.figures import DASH, number, plural
from loadtest.engine.report import describe_sets
from loadtest.engine.run import Part, Run
from loadtest.statistics.differences import LEAST_ROUNDS, Ratio, holm, standing, too_few_rounds
from loadtest.verbs.load import gates
from loadtest.verbs.load.metrics import BY_NAME, by_round, cpu_per_request, server_share, throughput
from loadtest.verbs.load.plan import Settings
from loadtest.verbs.load.series import Series, bare_of, best_peer_of, gather
from loadtest.verbs.load.validity import client_share

MOST_IN_GROUPS = 12  # contestants; beyond, the comparisons of everybody with everybody take too many rounds
BUSIER = (
    "requests/s only where both servers were the bottleneck. CPU each: at unequal load the busier server looks "
    "cheaper, because it batches; --rate compares at equal load."
)


def sections(run: Run) -> list[Section]:
    return [
        replace(section, title=f"{section.title} ({load})")
        for part in run.parts
        for load, series in gather(part).items()
        for make in (answers, latencies, yardsticks, costs)
        if (section := make(part, series))
    ]


def head(run: Run) -> list[str]:
    settings = run.parts[0].settings
    more = list(settings.budgets.values())[1:]
    return [
        *(f"With {len(sets.server)} server CPUs: {describe_sets(sets)}." for sets in more),
        f"{plural(settings.rounds, 'interleaved round')} of {settings.duration} s each, in a random order (seed "
        f"{settings.seed}); every trial has a fresh server. Pools have {_workers(settings)}.",
        *indicative(settings),
    ]


def indicative(settings: Settings) -> list[str]:
    if settings.rounds >= LEAST_ROUNDS:
        return []
    return [f"INDICATIVE: {settings.rounds} of the {LEAST_ROUNDS} rounds that an interval takes."]


def _workers(settings: Settings) -> str:
    return f"{settings.workers} workers" if settings.workers else "a worker for each connection and two more"


# --- closed loop


def answers(part: Part, series: Sequence[Series]) -> Section | None:
    if not _is_closed(series):
        return None
    letters, sentence = groups(series)
    filled = table(
        *("", "requests/s", "group", "server\nCPU", "wrk\nCPU", "CPU us\neach", "user", "system"),
        *("p50\nms", "p99\nms", "PSS\nMiB"),
    )
    for one in series:
        filled.add_row(one.contestant.name, *_answer_columns(part, one, letters))
    notes = [
        *invalid_notes(series),
        *unranked_note(series),
        *([sentence] if sentence else []),
        "group: who shares a letter is tied; only servers that were the bottleneck are grouped. CPU us: of the whole "
        "process tree, dead children included; user and system as the clock's ticks on the server's CPUs divide it.",
        "p50, p99: a closed loop's, in which a server that stalls is asked less; wrk's synthetic samples are taken "
        "out.",
    ]
    return Section("How many requests are answered in a second?", filled, notes)


def _answer_columns(part: Part, one: Series, letters: dict[str, str]) -> list[str]:
    return [
        figure(one, "throughput"),
        letters.get(one.contestant.name, DASH),
        percent(one.middle(server_share)),
        percent(one.middle(lambda trial: client_share(trial, part.settings))),
        *(figure(one, name) for name in ("cpu", "cpu user", "cpu system", "latency p50", "latency p99", "pss")),
    ]


def groups(series: Sequence[Series]) -> tuple[dict[str, str], str]:
    """Letters by contestant, from requests a second, and why they may say little."""
    values = {
        one.contestant.name: by_round(one.trials, throughput) for one in series if one.trials and not one.unranked
    }
    if len(values) < 2:
        return {}, ""
    if len(values) > MOST_IN_GROUPS:
        return {}, f"No groups: everybody with everybody is too many comparisons for {len(values)} servers."
    if any(a.keys().isdisjoint(b) for a, b in itertools.combinations(values.values(), 2)):
        return {}, "No groups: some servers have no valid round in common."
    found = standing(values)
    if found.problem:
        return {}, f"No groups: {found.problem}."
    return found.letters, ""


def unranked_note(series: Sequence[Series]) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for one in series:
        if one.unranked:
            reasons.setdefault(one.unranked, []).append(one.contestant.name)
    if not reasons:
        return []
    said = "; ".join(f"{', '.join(names)} ({reason})" for reason, names in reasons.items())
    return [f"Not the bottleneck, hence in no group, and perhaps faster than the number: {said}."]


# --- beside its bare server and its peers


def yardsticks(part: Part, series: Sequence[Series]) -> Section | None:
    """Only where a model has one."""
    models = [one for one in series if one.contestant.kind == Kind.model]
    compared = [(one, bare_of(one, list(series)), best_peer_of(one, list(series))) for one in models]
    if not any(bare or peer for _, bare, peer in compared):
        return None
    verdicts = Verdicts()
    ratio = _closed_ratios if _is_closed(series) else _open_ratios
    units = ("requests/s", "CPU each") if _is_closed(series) else ("CPU each",)
    filled = table("", "best peer", *(f"{unit}\nx {other}" for other in ("peer", "bare") for unit in units))
    pending = [
        (one, peer, [verdicts.add(found) for other in (peer, bare) for found in ratio(one, other)])
        for one, bare, peer in compared
    ]
    for one, peer, places in pending:
        filled.add_row(one.contestant.name, peer.contestant.name if peer else DASH, *map(verdicts.show, places))
    notes = [
        "x peer: ours / theirs, by round, with the interval at 95 %; = is a tie after Holm's correction over the "
        "table. CPU each: less than 1 is cheaper than theirs.",
        BUSIER if _is_closed(series) else "best peer: the one that takes the least CPU time for a request.",
        "bare: the same server around one canned answer, without HTTP: the difference is what HTTP costs.",
        *verdicts.notes(),
    ]
    return Section("How far from the best of its kind, and from what its model could do?", filled, notes)


def _closed_ratios(one: Series, other: Series | None) -> list[Ratio | None]:
    """Of requests a second and CPU time."""
    if other is None:
        return [None, None]
    fair = not (one.unranked or other.unranked)
    return [one.ratio(other, throughput) if fair else None, one.ratio(other, cpu_per_request)]


def _open_ratios(one: Series, other: Series | None) -> list[Ratio | None]:
    """Of CPU time: everybody has the same requests a second."""
    return [one.ratio(other, cpu_per_request) if other else None]


class Verdicts:
    """Ratios of one table, which are judged together."""

    def __init__(self) -> None:
        self._ratios: list[Ratio] = []

    def add(self, ratio: Ratio | None) -> int | None:
        """Its place in the table."""
        if ratio is None:
            return None
        self._ratios.append(ratio)
        return len(self._ratios) - 1

    def show(self, place: int | None) -> str:
        if place is None:
            return DASH
        ratio = self._ratios[place]
        if ratio.interval is None:
            return number(ratio.ratio)
        tie = "" if ratio.is_different(self._adjusted()[place]) else " ="
        return f"{ratio.ratio:.2f} [{ratio.interval.low:.2f}-{ratio.interval.high:.2f}]{tie}"

    def _adjusted(self) -> dict[int, float]:
        return holm({place: ratio.p for place, ratio in enumerate(self._ratios)})

    def notes(self) -> Iterator[str]:
        if self._ratios and (sentence := too_few_rounds(self._ratios)):
            yield f"Ties for want of rounds: {sentence}."


# --- what a request costs


def costs(part: Part, series: Sequence[Series]) -> Section | None:
    filled = table(
        *("", "goodput/s", "switches\nvoluntary", "\ninvoluntary", "system\ncalls", "private\nMiB"),
        *("newcomers\nserved", "latency\nmax ms", "rounds\nvalid"),
    )
    for one in series:
        filled.add_row(one.contestant.name, *_cost_columns(one))
    notes = [
        "Per request: context switches of the whole process tree; system calls on the server's CPUs, in a short run of "
        "its own, because counting takes time. newcomers: fresh "
        "connections beside the load, one every 100 ms, all rounds together, of invalid ones too.",
        *_uncounted(series),
    ]
    return Section("What does a request take?", filled, notes)


def _cost_columns(one: Series) -> list[str]:
    served = sum(trial.newcomers.served for trial in one.tried)
    asked = sum(trial.newcomers.asked for trial in one.tried)
    names = ("goodput", "voluntary switches", "involuntary switches", "system calls", "private")
    columns = [figure(one, name) for name in names]
    return [*columns, f"{served}/{asked}", figure(one, "latency max"), f"{len(one.trials)}/{len(one.tried)}"]


def _uncounted(series: Sequence[Series]) -> list[str]:
    reasons = {trial.system_calls_problem for one in series for trial in one.trials} - {""}
    return [f"System calls were not counted: {reason}." for reason in sorted(reasons)]


# --- constant rate


def latencies(part: Part, series: Sequence[Series]) -> Section | None:
    if _is_closed(series):
        return None
    names = ("p50", "p90", "p99", "p999", "max")
    filled = table(
        *("", *(f"{gates.name_of(name)}\nms" for name in names)),
        *("sent\np99 ms", "CPU us\neach", "user", "system", "server\nCPU", "PSS\nMiB"),
    )
    for one in series:
        filled.add_row(one.contestant.name, *_latency_columns(one, names))
    notes = [
        *invalid_notes(series),
        "Medians of the rounds, from when each request was due, whether or not the client could send it then; sent "
        "p99: from the send, which a closed loop would show. Everybody is asked for the same number of requests a "
        "second, so that CPU times can be compared.",
        *gates.sentences(part, series),
    ]
    return Section("How long does a request take at a constant rate?", filled, notes)


def _latency_columns(one: Series, names: Sequence[str]) -> list[str]:
    return [
        *(figure(one, f"latency {name}") for name in names),
        figure(one, "service p99"),
        *(figure(one, name) for name in ("cpu", "cpu user", "cpu system")),
        percent(one.middle(server_share)),
        figure(one, "pss"),
    ]


# --- common


def _is_closed(series: Sequence[Series]) -> bool:
    return series[0].cell.rate is None


def invalid_notes(series: Sequence[Series]) -> list[str]:
    return [f"{one.contestant.name}: invalid, {one.invalid}." for one in series if one.invalid]


def figure(one: Series, metric: str) -> str:
    """A dash where no trial is valid, or has it."""
    value = one.middle(BY_NAME[metric])
    return DASH if value is None else number(value)


def percent(value: float | None) -> str:
    return DASH if value is None else f"{value:.0%}"
