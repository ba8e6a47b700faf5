"""What throughput and latency show as plots: all rounds of a load in, marks out. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from loadtest.document.document import Axis, Mark, Plot, Scale, Section, Shape
from loadtest.document.figures import DASH, listed, plural
from loadtest.statistics.differences import LEAST_ROUNDS, Ratio
from loadtest.statistics.stats import Interval, estimate
from loadtest.statistics.validity import DISTURBED
from loadtest.verbs.load import report
from loadtest.verbs.load.report import Beside, beside
from loadtest.verbs.load.results import Series
from loadtest.verbs.load.rounds import Load, Tried

# Of all requests; evenly on the tail's axis, as far as such numbers can be said. 1 is the maximum.
SHARES = (
    *(0.5, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.985),
    *(0.99, 0.993, 0.995, 0.997, 0.998, 0.9985, 0.999, 0.9993, 0.9995, 0.9997, 0.9998, 0.99985, 0.9999, 1.0),
)
HOW_INTERVALS_ARE_MADE = (
    f"An interval holds the median at 95 %, as far as the rounds tell; fewer than {LEAST_ROUNDS} rounds have none."
)
BUSIER_LOOKS_CHEAPER = "At unequal load the busier server looks cheaper, because it batches."


def sections(load: Load[Series]) -> list[Section]:
    """The report's, with their plots."""
    plots = of(load)
    return [replace(one, plots=plots[one.id]) for one in report.sections(load)]


def of(load: Load[Series]) -> dict[str, list[Plot]]:
    """By the id of their section."""
    series, at = load.everybody, report.ids(load)
    first = requests(at.answer, series) if load.is_closed else tail(at.answer, series)
    found = {
        at.answer: [first, in_order(at.answer, series)],
        at.yardstick: distances(at.yardstick, series),
        at.costs: [cpu_time(at.costs, series), system_calls(at.costs, series), switches(at.costs, series)],
    }
    return {section: worth_showing(plots) for section, plots in found.items()}


def worth_showing(plots: Sequence[Plot]) -> list[Plot]:
    return [one for one in plots if any(mark.y is not None for mark in one.marks)]


def requests(section: str, series: Sequence[Series]) -> Plot:
    return Plot(
        f"{section}-requests",
        "Requests a second",
        f"Further right is more. {HOW_INTERVALS_ARE_MADE} A lower bound may be anywhere to the right of its dot.",
        Shape.dots,
        Axis(""),
        Axis("requests answered", "1/s"),
        middles(series, "throughput"),
        commands=commands(series),
    )


def cpu_time(section: str, series: Sequence[Series]) -> Plot:
    warning = "" if series[0].cell.rate else f" {BUSIER_LOOKS_CHEAPER}"
    divided = [one for one in series if one.middle("cpu user") is not None]
    whole = [one for one in series if one not in divided]
    parts = [middles(divided, "cpu user", "user"), middles(divided, "cpu system", "system")]
    return Plot(
        f"{section}-cpu",
        "CPU time for a request",
        "Shorter is cheaper. user: the server's own code and its libraries; system: the kernel, on its behalf. Each "
        f"part is a median of the rounds.{warning}",
        Shape.bars,
        Axis(""),
        Axis("CPU time for a request", "us"),
        stacked(series, [*parts, middles(whole, "cpu", "user and system")]),
        commands=commands(series),
    )


def system_calls(section: str, series: Sequence[Series]) -> Plot:
    return Plot(
        f"{section}-system-calls",
        "System calls for a request",
        "Shorter is fewer. Each is a way into the kernel and back. Counted in one short run of its own, because "
        "counting takes time.",
        Shape.bars,
        Axis(""),
        Axis("system calls for a request"),
        [Mark(one.name, y=calls) for one in series if (calls := one.middle("system calls")) is not None],
        commands=commands(series),
    )


def switches(section: str, series: Sequence[Series]) -> Plot:
    kinds = ("voluntary", "involuntary")
    return Plot(
        f"{section}-switches",
        "Context switches for a request",
        "Shorter is fewer. voluntary: the server waited for something; involuntary: it had to leave the CPU to "
        "somebody else. Each part is a median of the rounds.",
        Shape.bars,
        Axis(""),
        Axis("context switches for a request"),
        stacked(series, [middles(series, f"{kind} switches", kind) for kind in kinds]),
        commands=commands(series),
    )


CLIENT_LATE = "no figure: the client itself was late"


def tail(section: str, series: Sequence[Series]) -> Plot:
    """How long the slowest take."""
    lost = [f"{one.name} was overloaded: {one.overloaded}." for one in series if one.valid and one.overloaded]
    return Plot(
        f"{section}-tail",
        "How long the slowest requests take",
        "At 99 % a line tells how long all but the slowest hundredth took at most, over all rounds together; lower is "
        "better. A line that climbs late keeps more requests quick. Where the client itself was late by more than a "
        "tenth of it a line has a gap; it ends where fewer than ten requests are slower. "
        f"{' '.join(lost)}".strip(),
        Shape.lines,
        Axis("share of all requests", scale=Scale.tail),
        Axis("answered within", "ms", Scale.log),
        [mark for one in series for mark in _tail(one)],
        commands=commands(series),
    )


def _tail(one: Series) -> Iterator[Mark]:
    """The slowest one of n has its place where one of n is slower or as slow. What could not be measured has a mark
    where it is a gap."""
    told = one.tail(SHARES)
    known = [share for share, milliseconds in told.items() if milliseconds is not None]
    for share in [share for share in told if known and known[0] <= share <= known[-1]]:
        count = one.distribution.count
        longest = f"the slowest of {plural(count, 'request')}" if share == 1 else ""
        bound = "a lower bound: not everything was answered" if one.distribution.is_bound(share) else ""
        late = CLIENT_LATE if told[share] is None else ""
        yield Mark(one.name, min(share, 1 - 1 / count), told[share], note=joined(longest, late or bound))


def in_order(section: str, series: Sequence[Series]) -> Plot:
    """So that a drift shows."""
    metric, title, unit = (
        ("throughput", "Requests a second", "1/s")
        if series[0].cell.rate is None
        else ("cpu", "CPU time for a request", "us")
    )
    found = [mark for one in series for mark in _in_order(one, metric)]
    return Plot(
        f"{section}-rounds",
        f"{title}, round by round",
        "In the order in which the rounds were measured. Level lines are a steady machine. Where all lines bend "
        "together the machine has changed, which ratios made round by round do not mind. An invalid round is a gap."
        f"{_bounds_among(series) if metric == 'throughput' else ''}",
        Shape.lines,
        Axis("round"),
        Axis(title[0].lower() + title[1:] if metric == "throughput" else title, unit, _scale(found)),
        found if len({mark.x for mark in found}) > 1 else [],
        commands=commands(series),
    )


WIDE = 10.0  # times the least: from there on a linear axis shows nothing but the most


def _scale(marks: Sequence[Mark]) -> Scale:
    values = [mark.y for mark in marks if mark.y is not None]
    return Scale.log if values and 0 < WIDE * min(values) < max(values) else Scale.linear


def _bounds_among(series: Sequence[Series]) -> str:
    """Said once: a sign at each point would hide the lines."""
    names = [one.name for one in series if one.valid and one.is_bound]
    return f" Lower bounds, which may lie anywhere above their points: {listed(names)}." if names else ""


def _in_order(one: Series, metric: str) -> Iterator[Mark]:
    for trial in one.tried if one.valid else []:
        if trial.problems:
            yield Mark(one.name, trial.step.round, note="invalid")
        elif (value := one.values(trial)[metric]) is not None:
            others = f"disturbed: others took {trial.disturbance.worst:.0%} of a CPU" if trial.disturbed else ""
            yield Mark(one.name, trial.step.round, value, note=others)


def distances(section: str, series: Sequence[Series]) -> list[Plot]:
    """Of the models, from their best peers and from their bare servers."""
    found, warning = beside(series), "" if series[0].cell.rate else f" {BUSIER_LOOKS_CHEAPER}"
    units = {
        "requests/s": ("requests", "Requests a second", "Further right is better."),
        "CPU each": ("cpu", "CPU time for a request", f"Further left is cheaper.{warning}"),
    }
    return [
        Plot(
            f"{section}-{name}",
            f"{title}: ours / the other's",
            f"At 1 both are alike. peer: a server of the same kind that others made. bare: the same model around one "
            f"canned answer, without HTTP. {better} The interval is made of the ratios of all rounds, at 95 %; fewer "
            f"than {LEAST_ROUNDS} rounds have none.",
            Shape.dots,
            Axis(""),
            Axis("ours / the other's", scale=Scale.log),
            _distances(series, {kind: found.get(f"{unit}\nx {kind}", {}) for kind in ("peer", "bare")}),
            reference=1,
            commands=commands(series),
        )
        for unit, (name, title, better) in units.items()
    ]


def _distances(series: Sequence[Series], columns: dict[str, dict[str, Beside]]) -> list[Mark]:
    both = [(one, kind, column[one.name]) for one in series for kind, column in columns.items() if one.name in column]
    return [
        ratio_mark(one.name, beside_it.ratio, kind, joined(_how_sure(beside_it), _of_ratio(one, beside_it)))
        for one, kind, beside_it in both
        if beside_it.ratio and beside_it.text != DASH
    ]


def _how_sure(one: Beside) -> str:
    """Whose it is, and what is known of it."""
    name = one.other.name if one.other else ""
    more = {
        ">": "a lower bound: ours could have answered more",
        "<": f"an upper bound: {name} could have answered more",
    }
    return joined(f"beside {name}", more.get(one.text[0], ""), "a tie" if one.text.endswith("=") else "")


def _of_ratio(ours: Series, one: Beside) -> str:
    """Whether it has too few rounds for an interval, and which of the two were disturbed."""
    rounds = one.ratio.rounds if one.ratio and one.ratio.interval is None else LEAST_ROUNDS
    both = [ours, one.other] if one.other else [ours]
    return joined(_few(rounds), *(f"{each.name} {_disturbed(each)}" for each in both if each.disturbed))


def tries(ratios: Sequence[Ratio], metric: str) -> Plot:
    """Of the same against itself."""
    return Plot(
        f"aa-{metric}",
        f"A / B, by {metric}, try by try",
        "Both are the same, so that the truth is 1. A sound instrument has nearly all intervals across that line.",
        Shape.dots,
        Axis(""),
        Axis("A / B", scale=Scale.log),
        [
            ratio_mark(f"try {number}", ratio, note="a difference that is not there" if ratio.different() else "")
            for number, ratio in enumerate(ratios, start=1)
        ],
        reference=1,
    )


# --- marks


def middles(series: Sequence[Series], metric: str, part: str = "") -> list[Mark]:
    """Medians of the rounds."""
    found = ((one, estimate(values)) for one in series if (values := [*one.by_round(metric).values()]))
    return [Mark(one.name, "", value.median, *ends(value.interval), part, remarks(one, metric)) for one, value in found]


def stacked(series: Sequence[Series], parts: Sequence[Sequence[Mark]]) -> list[Mark]:
    """Each row's together, without intervals: a part's has no place where another part follows."""
    order = [one.name for one in series]
    marks = [Mark(mark.row, mark.x, mark.y, part=mark.part, note=mark.note) for part in parts for mark in part]
    return sorted(marks, key=lambda mark: order.index(mark.row))


def ratio_mark(row: str, ratio: Ratio, part: str = "", note: str = "") -> Mark:
    return Mark(row, "", ratio.ratio, *ends(ratio.interval), part, note)


def ends(interval: Interval | None) -> tuple[float | None, float | None]:
    return (interval.low, interval.high) if interval else (None, None)


def remarks(one: Series, metric: str) -> str:
    """What a figure of it hides."""
    bound = f"a lower bound ({one.unranked})" if metric == "throughput" and one.is_bound else ""
    return joined(bound, *one.losses, one.overloaded and f"overloaded: {one.overloaded}", of_rounds(one))


def of_rounds(one: Tried) -> str:
    """How many there are, where some are missing, or too few for an interval, or disturbed."""
    valid, asked = len(one.valid), one.settings.rounds
    fewer = f"{valid} of {asked} rounds are valid" if valid < asked else ""
    return joined(fewer, _few(valid), _disturbed(one))


def _few(rounds: int) -> str:
    return f"indicative: {rounds} of the {LEAST_ROUNDS} rounds that an interval takes" if rounds < LEAST_ROUNDS else ""


def _disturbed(one: Tried) -> str:
    if not one.disturbed:
        return ""
    return f"disturbed: others took more than {DISTURBED:.0%} of a CPU in {one.disturbed} of {len(one.valid)} rounds"


def joined(*remarks: str) -> str:
    return "; ".join(filter(None, remarks))


def commands(series: Sequence[Series]) -> tuple[str, ...]:
    """An example: of a server and of its clients."""
    trial = next((trial for one in series for trial in one.valid), None)
    return (trial.server_command, trial.client.command) if trial else ()
