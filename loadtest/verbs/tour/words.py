"""The main job in words: what its tables say, in a few sentences that follow from the figures by rules. Pure."""

from collections.abc import Sequence

from loadtest.contestants.contestants import Kind
from loadtest.document.figures import listed, mebibytes, number
from loadtest.engine.run import Part, Run
from loadtest.verbs.crash import words as crash
from loadtest.verbs.load.report import groups
from loadtest.verbs.load.results import Series
from loadtest.verbs.load.rounds import by_load
from loadtest.verbs.load.words import fastest, first_of, noisy, overloaded, standing


def words(run: Run) -> list[str]:
    equal, saturating, *_ = [part for part in run.parts if part.measurement == "load"]
    once = {part.measurement: part for part in run.parts}
    found = [
        *same_rate(_first_load(equal)),
        *full_load(_first_load(saturating)),
        *crowd(once["crowd"]),
        *crash.words(once["crash"]),
        *memory(once["plateaus"]),
    ]
    return found


def _first_load(part: Part) -> list[Series]:
    return next(iter(by_load(Series.of(part)).values()), [])


def same_rate(series: Sequence[Series]) -> list[str]:
    if not series:
        return []
    rate = series[0].cell.rate or 0
    what = f"at {rate:,.0f} requests a second for everybody, the least CPU time for a request:"
    told = [*standing(series, groups(series, "cpu"), "cpu", what, " us"), *noisy(series)]
    return [*([" ".join(told)] if told else []), *overloaded(series)]


def full_load(series: Sequence[Series]) -> list[str]:
    """One sentence with what limits it."""
    told = " ".join([*fastest(series), *noisy(series)])
    return [f"At full load ({series[0].cell.workload}), {told[0].lower()}{told[1:]}"] if told else []


def crowd(part: Part) -> list[str]:
    """Who is served when there are more clients than workers."""
    clients, found = part.settings.clients, [one for one in part.results if not one.problems and not one.step.rotation]
    some = [one for one in found if one.clients_served < clients]
    if not found:
        return []
    if not some:
        return [f"Of {clients} clients at a time, all were served by everybody."]
    most = listed([f"{one.step.contestant} served {one.clients_served}" for one in some])
    others = [one.step.contestant for one in found if one not in some]
    rest = f"; {listed(others)} served all" if others else ""
    return [f"Of {clients} clients who stay, {most}, and the others waited in vain{rest}."]


def memory(part: Part) -> list[str]:
    """By heap and stack, which are no library's that others map, too."""
    models = [one.name for one in part.settings.contestants if one.kind == Kind.model]
    busy: dict[str, int] = {
        one.step.contestant: one.busy.anonymous
        for one in part.results
        if not one.problems and one.busy.anonymous is not None and one.step.contestant in models
    }
    if len(busy) < 2:
        return []
    least, most = min(busy, key=lambda name: busy[name]), max(busy, key=lambda name: busy[name])
    times = f", {number(busy[most] / busy[least])} times as much" if busy[least] else ""
    return [
        f"Heap and stacks while {part.settings.connections} requests are in hand: {least} {mebibytes(busy[least])} "
        f"MiB, the least, and {most} {mebibytes(busy[most])} MiB, the most{times} (one look each)."
    ]


def first(run: Run) -> str:
    return first_of(run.parts[0])
