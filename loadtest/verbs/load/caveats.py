"""What limits the trust in loads: figures that are lower bounds, and who could not be told apart. Pure."""

from collections.abc import Iterator, Sequence

from loadtest.document.document import Caveat
from loadtest.document.figures import listed
from loadtest.engine.caveats import AMOUNT, between, some
from loadtest.engine.run import Part
from loadtest.verbs.load.report import groups
from loadtest.verbs.load.results import Series
from loadtest.verbs.load.rounds import by_load


def caveats(part: Part) -> list[Caveat]:
    """The instrument against itself has none: there a tie is what should come out."""
    if part.settings.rounds_of_a_try:
        return []
    loads = {_named(load, series): series for load, series in by_load(Series.of(part)).items()}
    closed = {load: series for load, series in loads.items() if series[0].cell.rate is None}
    paced = {load: series for load, series in loads.items() if load not in closed}
    return [
        *bounds(closed),
        *tied(closed, "throughput", "requests a second"),
        *tied(paced, "cpu", "CPU time for a request"),
    ]


Loads = dict[str, list[Series]]


def _named(load: str, series: Sequence[Series]) -> str:
    """Apart from the same load without."""
    return f"{load}, with ballast" if any(one.contestant.ballast for one in series) else load


def bounds(loads: Loads) -> Iterator[Caveat]:
    """Of requests a second: for each reason who, whatever the load and the amounts."""
    alike: dict[str, list[Series]] = {}
    for one in [one for series in loads.values() for one in series if one.valid and one.is_bound]:
        alike.setdefault(AMOUNT.sub("", one.unranked), []).append(one)
    if alike:
        yield Caveat(
            "LOWER BOUND",
            f"Requests a second marked >= are lower bounds: {'; '.join(map(_because, alike.values()))}.",
            "Do not take such a figure for what the server can do, and do not rank two of them.",
        )


def _because(those: Sequence[Series]) -> str:
    names = dict.fromkeys(one.name for one in those)
    return f"{listed([*names])} ({between([one.unranked for one in those])})"


def tied(loads: Loads, metric: str, what: str) -> Iterator[Caveat]:
    """Who shares a group; or why there are none."""
    found = {load: groups(series, metric) for load, series in loads.items()}
    ties = {load: [names for names in one.ties if len(names) > 1] for load, one in found.items()}
    if told := [f"{'; '.join(map(listed, groups))} ({load})" for load, groups in ties.items() if groups]:
        yield Caveat(
            "TIED",
            f"By {what} these could not be told apart: {some(told)}.",
            "A tie is no proof that they are equal: a difference smaller than these rounds can show may be there.",
        )
    problems: dict[str, list[str]] = {}
    for load, one in found.items():
        if one.problem and not one.ties:
            problems.setdefault(one.problem.partition(";")[0], []).append(load)
    if problems:
        why = some([f"{problem} ({some(where)})" for problem, where in problems.items()])
        yield Caveat("TIED", f"By {what} nobody could be told from anybody: {why}.", "Do not rank anybody by it.")
