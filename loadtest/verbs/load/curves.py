"""What several loads show together that differ in one thing alone: connections, server CPUs, or the rate. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from loadtest.document.document import Axis, Mark, Plot, Scale, Section, Shape, Table
from loadtest.document.figures import DASH, plural
from loadtest.engine.run import Run
from loadtest.verbs.load import plots, report
from loadtest.verbs.load.plan import Cell
from loadtest.verbs.load.results import Series
from loadtest.verbs.load.rounds import distinct

FAR = 8  # times: from there on an axis of equal factors shows more
LATENCIES = {"p50": "half of the requests", "p99": "99 % of the requests"}


@dataclass(frozen=True)
class Curves:
    """Everybody's, over what their loads differ in."""

    field: str  # of Cell
    name: str  # what the loads have in common
    everybody: Sequence[Series]
    suffix: str = ""

    @property
    def values(self) -> list[float]:
        return sorted({self.x(one) for one in self.everybody})

    def x(self, one: Series) -> float:
        return float(getattr(one.cell, self.field))

    def axis(self, title: str, unit: str = "") -> Axis:
        return Axis(title, unit, Scale.log if self.values[-1] >= FAR * self.values[0] else Scale.linear)

    @property
    def in_order(self) -> list[Series]:
        """Each contestant's from left to right."""
        names = list(dict.fromkeys(one.name for one in self.everybody))
        return sorted(self.everybody, key=lambda one: (names.index(one.name), self.x(one)))


def sections(run: Run) -> list[Section]:
    """Only over what has several values."""
    everybody = [one for part in run.parts for one in Series.of(part)]
    closed = [one for one in everybody if one.cell.rate is None]
    paced = [one for one in everybody if one.cell.rate is not None]
    return [
        *(requests(CONNECTIONS, one) for one in curves("connections", closed)),
        *(requests(CPUS, one) for one in curves("cpus", closed)),
        *map(rates, curves("rate", paced)),
    ]


def curves(field: str, everybody: Sequence[Series]) -> list[Curves]:
    alike: dict[Cell, list[Series]] = {}
    for one in everybody:
        alike.setdefault(replace(one.cell, contestant="", **{field: 0}), []).append(one)
    found = [Curves(field, those[0].cell.load_but(field), those) for those in alike.values()]
    several = [one for one in found if len(one.values) > 1]
    return [replace(one, suffix=end) for one, end in zip(several, distinct([one.name for one in several]))]


@dataclass(frozen=True)
class Added:
    """What there is more and more of, while requests a second are counted."""

    id: str  # of its section
    question: str
    unit: str  # one of it
    reading: str  # of its line


CONNECTIONS = Added(
    "connections",
    "What do more connections do to requests a second?",
    "connection",
    "To the right more clients ask at the same time; higher is better. Where a line falls, a request is more work the "
    "more connections are open. ≥: a lower bound.",
)
CPUS = Added(
    "scaling",
    "What do more CPUs do to requests a second?",
    "server CPU",
    "To the right the server has more CPUs; higher is better. A line through the origin would be twice as much of "
    "twice the CPUs; a single loop stays level, because it cannot use a second one.",
)


def requests(added: Added, found: Curves) -> Section:
    at = f"{added.id}{found.suffix}"
    plot = Plot(
        f"{at}-requests",
        f"Requests a second against {added.unit}s",
        f"{added.reading} {plots.HOW_INTERVALS_ARE_MADE}",
        Shape.lines,
        found.axis(f"{added.unit}s"),
        Axis("requests answered", "1/s"),
        [replace(mark, x=found.x(one)) for one in found.in_order for mark in plots.middles([one], "throughput")],
        commands=plots.commands(found.everybody),
    )
    return Section(
        f"{added.question} ({found.name})",
        _table(found, "requests/s", lambda x: plural(int(x), added.unit), report.requests_a_second),
        [f"Requests a second, by the number of {added.unit}s; medians of the rounds. >=: a lower bound."],
        at,
        plots.worth_showing([plot]),
        report.THROUGHPUT,
    )


def rates(found: Curves) -> Section:
    notes = [
        "The time in which 99 % of the requests were answered, in ms, by the rate that was asked for; over all rounds "
        "together. >: some were never answered. A dash where quartet-pace itself was late by more than a tenth.",
        *(f"{found.x(one):,.0f}/s: {note}" for one in found.in_order for note in report.lost_notes([one])),
    ]
    at = f"rates{found.suffix}"
    return Section(
        f"Up to which rate are requests answered quickly? ({found.name})",
        _table(found, "p99 ms", lambda x: f"at {x:,.0f}/s", lambda one: report.quantile(one, "p99")),
        notes,
        at,
        plots.worth_showing([_latency(at, found, quantile) for quantile in LATENCIES]),
        report.LATENCY,
    )


def _latency(section: str, found: Curves, quantile: str) -> Plot:
    return Plot(
        f"{section}-{quantile}",
        f"How long {LATENCIES[quantile]} take at most, against the rate",
        "The knee is where a line turns upward: from there on requests wait for each other, and to its left there is "
        "room. What was not all answered in time is noted beside its figure, and lies behind the knee. The band is "
        "from the lowest to the highest of the rounds. Where the client itself was late by more than a tenth there is "
        "no point, and a line has a gap.",
        Shape.lines,
        found.axis("requests asked for", "1/s"),
        Axis("answered within", "ms", Scale.log),
        [mark for one in found.in_order for mark in _at_a_rate(found, one, quantile)],
        commands=plots.commands(found.everybody),
    )


def _at_a_rate(found: Curves, one: Series, name: str) -> Iterator[Mark]:
    value, rounds = one.shown_latency(name), one.latency_of_rounds(name)
    if not rounds:
        return
    if value is None:
        yield Mark(one.name, found.x(one), note=plots.CLIENT_LATE)
        return
    bound = "a lower bound: some were never answered" if one.latency and one.latency.is_bound(name) else ""
    everything = [value, *rounds]  # all requests together are rounded otherwise, and may lie just outside
    band = (min(everything), max(everything)) if len(rounds) > 1 else (None, None)
    yield Mark(one.name, found.x(one), value, *band, note=plots.joined(bound, plots.remarks(one, "latency")))


def _table(found: Curves, unit: str, where: Callable[[float], str], text: Callable[[Series], str]) -> Table:
    """A row for each contestant; dashes where it was not measured. The unit of the cells stands above all columns, and
    where each was measured below it."""
    first, *others = map(where, found.values)
    filled = Table(("", f"{unit}\n{first}", *(f"\n{one}" for one in others)), wide=True)
    for name in dict.fromkeys(one.name for one in found.everybody):
        theirs = {found.x(one): text(one) for one in found.everybody if one.name == name}
        filled.add_row(name, *(theirs.get(value, DASH) for value in found.values))
    return filled
