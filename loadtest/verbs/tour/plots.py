"""The plots of the main job: those of its loads, side by side as its tables are. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median

from loadtest.document.document import Axis, Mark, Plot, Shape
from loadtest.document.figures import share
from loadtest.verbs.load import plots
from loadtest.verbs.load.report import groups
from loadtest.verbs.load.results import Series
from loadtest.verbs.memory.plots import scale

GROUPS = "Who shares a group could not be told apart: the table has them."


def equal_rate(section: str, series: Sequence[Series]) -> list[Plot]:
    rate = series[0].cell.rate or 0
    cpu = cpu_time(section, f"asked {rate:,.0f} times a second", series)
    caption = (
        f"Further left is cheaper. Everybody is asked {rate:,.0f} times a second, so that nobody is cheaper because he "
        f"is busier. {plots.HOW_INTERVALS_ARE_MADE} {GROUPS}"
    )
    found = [replace(cpu, caption=caption, marks=grouped(cpu.marks, series, "cpu"))]
    return plots.worth_showing([*found, *divided(section, series), plots.tail(section, series)])


def cpu_time(section: str, when: str, series: Sequence[Series]) -> Plot:
    marks = valid(series, "cpu")
    return Plot(
        id=f"{section}-us",
        title=f"CPU time of a request, {when}",
        caption=f"Further left is cheaper. {plots.HOW_INTERVALS_ARE_MADE} {plots.BUSIER_LOOKS_CHEAPER}",
        shape=Shape.dots,
        x=Axis(""),
        y=Axis("CPU time of a request", "us", scale(marks)),
        marks=marks,
        commands=plots.commands(series),
    )


def divided(section: str, series: Sequence[Series]) -> list[Plot]:
    """Into user and system time, where that is known of somebody."""
    known = [one for one in series if one.middle("cpu user") is not None]
    return [plots.cpu_time(section, series)] if known else []


def full_load(loads: Mapping[str, Sequence[Series]]) -> list[Plot]:
    return plots.worth_showing([_requests(load, series) for load, series in loads.items()])


def _requests(load: str, series: Sequence[Series]) -> Plot:
    marks = grouped(valid(series, "throughput"), series, "throughput")
    return Plot(
        id=named("full-load", load),
        title=f"Requests a second at full load, {load}",
        caption=f"Further right is more. {plots.HOW_INTERVALS_ARE_MADE} A lower bound may be anywhere to the right of "
        f"its dot: that server could have answered more. {GROUPS}",
        shape=Shape.dots,
        x=Axis(""),
        y=Axis("requests answered", "1/s", scale(marks)),
        marks=marks,
        commands=plots.commands(series),
    )


def ballast(variants: Sequence[Series]) -> list[Plot]:
    """Of one model."""
    marks = [
        Mark(one.contestant.model, one.contestant.ballast, *numbers(mark), note=mark.note)
        for one in variants
        for mark in plots.middles([one], "cpu")
    ]
    plot = Plot(
        id="ballast-us",
        title="CPU time of a request against the server's memory",
        caption="To the right the parent holds more memory; higher is dearer. A straight line that rises is a price "
        f"for each MiB, in every request. The band is the median's interval at 95 %. {plots.BUSIER_LOOKS_CHEAPER}",
        shape=Shape.lines,
        x=Axis("ballast", "MiB"),
        y=Axis("CPU time of a request", "us"),
        marks=marks,
        commands=plots.commands(variants),
    )
    return plots.worth_showing([plot])


def latency(loads: Mapping[str, Sequence[Series]]) -> list[Plot]:
    tails = {load: plots.tail(named("latency", load), series) for load, series in loads.items()}
    return plots.worth_showing([replace(plot, title=f"{plot.title}, {load}") for load, plot in tails.items()])


def cpu(loads: Mapping[str, Sequence[Series]]) -> list[Plot]:
    found = []
    for load, series in loads.items():
        section = named("cpu", load)
        parts = [replace(one, title=f"{one.title}, {load}") for one in divided(section, series)]
        found += [cpu_time(section, f"at full load, {load}", series), *parts]
    return plots.worth_showing(found)


def newcomers(loads: Mapping[str, Sequence[Series]]) -> list[Plot]:
    """Who was served is a plot where somebody was not: bars that are all full say nothing."""
    found = []
    for load, series in loads.items():
        served = _newcomers_served(load, series)
        found += [served] if any(mark.y is not None and mark.y < 100 for mark in served.marks) else []
        found.append(_waits(load, series))
    return plots.worth_showing(found)


def _newcomers_served(load: str, series: Sequence[Series]) -> Plot:
    return Plot(
        id=named("newcomers-served", load),
        title=f"Newcomers served while the server is busy, {load}",
        caption="A bar that ends at the line: everybody who came anew got an answer within their patience. All valid "
        "rounds together.",
        shape=Shape.bars,
        x=Axis(""),
        y=Axis("newcomers served", "%"),
        marks=[mark for one in series for mark in _share_served(one)],
        reference=100,
        commands=plots.commands(series),
    )


def _share_served(one: Series) -> list[Mark]:
    served, asked = (sum(getattr(trial.newcomers, what) for trial in one.valid) for what in ("served", "asked"))
    return [Mark(one.name, y=100 * served / asked, note=share(served, asked))] if asked else []


def _waits(load: str, series: Sequence[Series]) -> Plot:
    marks = [mark for one in series for mark in _waits_of(one)]
    return Plot(
        id=named("newcomers-waits", load),
        title=f"How long newcomers waited, {load}",
        caption="Of each the usual wait (median of the rounds' medians) and the longest of all rounds, from when a "
        "newcomer was due, connecting included. Further left is better; a long line is a server that lets some wait.",
        shape=Shape.dots,
        x=Axis(""),
        y=Axis("wait of those who were served", "ms", scale(marks)),
        marks=marks,
        commands=plots.commands(series),
    )


def _waits_of(one: Series) -> list[Mark]:
    waits = [trial.newcomers.waits for trial in one.valid if trial.newcomers.waits]
    if not waits:
        return []
    usual, longest = median(found.p50 for found in waits) / 1000, max(found.max for found in waits) / 1000
    return [Mark(one.name, y=usual, part="median"), Mark(one.name, y=longest, part="longest")]


# --- marks


def valid(series: Sequence[Series], metric: str) -> list[Mark]:
    """The medians; of whom nothing is valid the reason."""
    found = {mark.row: mark for mark in plots.middles(series, metric)}
    return [found.get(one.name) or Mark(one.name, note=_missing(one)) for one in series]


def _missing(one: Series) -> str:
    return "not known" if one.valid else f"invalid: {one.tried[-1].problems[0]}"


def grouped(marks: Sequence[Mark], series: Sequence[Series], metric: str) -> list[Mark]:
    """With the group's letter, where there are groups."""
    letters = groups(series, metric).letters
    told = {row: f"group {letter}" for row, letter in letters.items()}
    return [replace(mark, note=plots.joined(mark.note, told.get(mark.row, ""))) for mark in marks]


def numbers(mark: Mark) -> tuple[float | None, float | None, float | None]:
    return mark.y, mark.low, mark.high


def named(section: str, load: str) -> str:
    """Of a plot of one load; its route is a name, too."""
    return f"{section}-{''.join(one if one.isalnum() else '-' for one in load.lower()).strip('-')}"
