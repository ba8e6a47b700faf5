"""What a rate sweep shows as plots. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median

from loadtest.document.document import Axis, Mark, Plot, Scale, Section, Shape
from loadtest.engine.run import Run
from loadtest.verbs.load.plots import ends, joined, of_rounds, worth_showing
from loadtest.verbs.load.report import LATENCY
from loadtest.verbs.load.rounds import Load, loads
from loadtest.verbs.sweep import report
from loadtest.verbs.sweep.clients import Probe
from loadtest.verbs.sweep.report import Searches
from loadtest.verbs.sweep.search import TELLING, Verdict


def sections(run: Run) -> list[Section]:
    """The report's, with their plots."""
    return [_section(load) for load in loads(Searches, run)]


def _section(load: Load[Searches]) -> Section:
    found, everybody = report.section(load), load.everybody
    plots = worth_showing([rates(found.id, everybody), probes(found.id, everybody)])
    return replace(found, plots=plots, chapter=LATENCY)


def rates(section: str, everybody: Sequence[Searches]) -> Plot:
    settings = everybody[0].settings
    return Plot(
        f"{section}-rate",
        f"The highest rate at which {settings.objective_name} < {settings.objective.milliseconds:g} ms",
        "Further right is better: so many requests a second are answered within the limit. The interval is that of the "
        "signed ranks over the rounds, at 95 %.",
        Shape.dots,
        Axis(""),
        Axis("highest rate", "1/s"),
        [_rate(one) for one in everybody if one.rate],
        commands=_commands(everybody),
    )


def _rate(one: Searches) -> Mark:
    """No number where most rounds met no rate."""
    if one.never_met or not one.rate:
        return Mark(one.name, note=f"met at no rate, not even at {one.lowest:,.0f}/s, the lowest that is asked for")
    low, high = ends(one.rate.interval)
    bound = "a lower bound: the client could not ask faster" if one.is_bound else ""
    below = "its lower end is below all rates that are asked for" if low is not None and low < one.lowest else ""
    return Mark(one.name, "", one.rate.ratio, low, high, note=joined(bound, below, of_rounds(one)))


def probes(section: str, everybody: Sequence[Searches]) -> Plot:
    """What was asked on the way."""
    settings = everybody[0].settings
    return Plot(
        f"{section}-probes",
        f"{settings.objective_name} of the probes, by the rate that they asked for",
        "Below the line the objective is met, unless a request was lost. Where several probes asked at the same rate "
        "there is their median, in a band from the lowest to the highest. Probes in which the client was late or other "
        "load took CPU time are left out.",
        Shape.lines,
        Axis("requests asked for", "1/s", Scale.log),
        Axis("answered within", "ms", Scale.log),
        [mark for one in everybody for mark in _probes(one)],
        reference=settings.objective.milliseconds,
        commands=_commands(everybody),
    )


def _probes(one: Searches) -> Iterator[Mark]:
    """A probe that nobody answered has no time."""
    alike: dict[float, list[Probe]] = {}
    for probe in one.probes:
        if probe.verdict in TELLING and probe.milliseconds is not None:
            alike.setdefault(probe.rate, []).append(probe)
    for rate, those in sorted(alike.items()):
        times = [probe.milliseconds or 0.0 for probe in those]
        band = (min(times), max(times)) if len(times) > 1 else (None, None)
        met = sum(probe.verdict == Verdict.met for probe in those)
        yield Mark(one.name, rate, median(times), *band, note=f"met by {met} of {len(those)}")


def _commands(everybody: Sequence[Searches]) -> tuple[str, ...]:
    """An example: of a server, and of its first probe."""
    found = next((each for one in everybody for each in one.valid), None)
    return (found.server_command, found.client_command) if found else ()
