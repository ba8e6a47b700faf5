"""The report of a rate sweep: one table for each load. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from loadtest.document.document import Section, Sentence, said, table
from loadtest.document.figures import DASH, listed, number, plural
from loadtest.engine import measurement
from loadtest.engine.run import Exit, Run
from loadtest.statistics.differences import LEAST_ROUNDS, Ratio, paired, too_few_rounds
from loadtest.verbs.load.report import HOW_RATIOS_ARE_MADE, compared_bounds, invalid_notes, of_rounds, short_notes
from loadtest.verbs.load.rounds import Load, Rounds, loads, reference
from loadtest.verbs.sweep import measure
from loadtest.verbs.sweep.clients import Probe
from loadtest.verbs.sweep.measure import RATE, Highest
from loadtest.verbs.sweep.plan import APART, HIGHEST, SweepSettings
from loadtest.verbs.sweep.search import TELLING, Verdict, majority

WIDE = 1.1  # times the answer: what lies further away is told
THERE = APART**1.5  # times the answer, and less than two steps of the rates: probes near it


@dataclass(frozen=True)
class Searches(Rounds[Highest]):
    """Of one cell."""

    settings: SweepSettings

    def values(self, one: Highest) -> Mapping[str, float | None]:
        return measure.values(one)

    @property
    def lowest(self) -> float:
        """Of the rates that can be asked for."""
        return self.settings.offered[0]

    @cached_property
    def rate(self) -> Ratio | None:
        """Requests a second, as a ratio to one of them, with the interval that the rounds give."""
        return _estimate(self.by_round(RATE))

    @property
    def is_bound(self) -> bool:
        """The answer would be higher, had the searches that the client ended gone on."""
        further = {one.step.round: HIGHEST for one in self.valid if one.found.at_least}
        then = _estimate(self.by_round(RATE) | further)
        return self.rate is not None and then is not None and then.ratio > self.rate.ratio

    @property
    def is_wide(self) -> bool:
        interval = self.rate.interval if self.rate else None
        return interval is not None and interval.high > WIDE**2 * interval.low

    @property
    def never_met(self) -> bool:
        """In most rounds: then the answer is less than all rates, and no number."""
        met = [bool(one.found.rate) for one in self.valid]
        return bool(met) and 2 * sum(met) <= len(met)

    @property
    def probes(self) -> list[Probe]:
        """Of the valid rounds."""
        return [probe for one in self.valid for probe in one.probes]

    @property
    def there(self) -> list[Probe]:
        """Those near the answer that were met."""
        rate = self.rate.ratio if self.rate else 0.0
        near = (one for one in self.probes if rate / THERE <= one.rate <= rate * THERE)
        return [one for one in near if one.verdict == Verdict.met]

    @property
    def above(self) -> float | None:
        """The highest rate that was met by most of its probes, far above the answer, or None."""
        if not self.rate:
            return None
        high = self.rate.interval.high if self.rate.interval else self.rate.ratio
        met = majority([one for one in self.probes if one.verdict in TELLING], True)
        return max((rate for rate in met if rate > high * WIDE), default=None)


def _estimate(rounds: Mapping[int, float]) -> Ratio | None:
    return paired(rounds, dict.fromkeys(rounds, 1.0)) if rounds else None


def status(run: Run) -> Exit:
    """No rate meets the objective: a gate that nobody passes at any rate. A failure says more."""
    found = measurement.status(run)
    never = any(one.never_met for part in run.parts for one in Searches.of(part))
    return Exit.gate if found != Exit.failed and never else found


def head(run: Run) -> list[str]:
    settings = run.parts[0].settings
    workers = f"{settings.workers} workers" if settings.workers else "a worker for each connection and two more"
    return [
        f"{plural(settings.rounds, 'interleaved round')}, in a random order (seed {settings.seed}). In each, every "
        f"contestant has a fresh server and a search of its own. Pools have {workers}."
    ]


def words(run: Run) -> list[Sentence]:
    """One sentence for each load, the highest rate first; no rank."""
    found = loads(Searches, run)
    told = [said(sentence, section_id(load)) for load in found for sentence in _told(load.everybody)]
    return told or [said("No answer: no round was valid.", section_id(load)) for load in found[:1]]


def section_id(load: Load[Searches]) -> str:
    return f"sweep{load.suffix}"


def first(run: Run) -> str:
    sentence = next((one for load in loads(Searches, run) for one in _told(load.everybody)), "").rstrip(".")
    return f"{sentence}; one search each" if sentence else ""


def _told(everybody: Sequence[Searches]) -> Iterator[str]:
    known = [one for one in everybody if one.rate]
    known.sort(key=lambda one: one.rate.ratio if one.rate and not one.never_met else 0.0, reverse=True)
    if known:
        limit = (
            f"{everybody[0].settings.objective_name} stays below {everybody[0].settings.objective.milliseconds:g} ms"
        )
        rates = listed([f"{one.name} {_answer(one)}{_interval(one)}" for one in known])
        yield f"{limit} up to so many requests a second: {rates}."


def section(load: Load[Searches]) -> Section:
    everybody = load.everybody
    settings = everybody[0].settings
    name, limit = settings.objective_name, f"{settings.objective.milliseconds:g} ms"
    base = reference([one for one in everybody if not one.never_met] or everybody) or everybody[0]
    ratios = compared_bounds(base, everybody, RATE)
    shared = settings.budgets[base.cell.cpus].shared
    filled = table("", "requests/s\n[95 %]", f"x {base.name}", f"at that rate\n{name} ms", "\nCPU us each", "probes")
    for one in everybody:
        answer = f"{_answer(one)}{_interval(one)}{of_rounds(one)}"
        ratio = DASH if one.never_met or shared else ratios[one.name]
        probes = sum(len(each.probes) for each in one.tried)
        filled.add_row(one.name, answer, ratio, *_near(one), str(probes))
    title = f"What is the highest rate at which {name} stays below {limit}? ({load.name})"
    return Section(title, filled, [*_doubts(everybody, base), *_explanations(settings)], section_id(load))


def _interval(one: Searches) -> str:
    """ " [90,000-110,000]"; "" where there is none."""
    interval = one.rate.interval if one.rate and not one.never_met else None
    return f" [{_rate(one, interval.low)}-{_rate(one, interval.high)}]" if interval else ""


def _near(one: Searches) -> list[str]:
    """Medians of the probes there."""
    there = one.there
    latencies = [probe.milliseconds for probe in there if probe.milliseconds is not None]
    cpu = [1e6 * each.server_cpu_seconds / each.answered for each in there if each.server_cpu_seconds is not None]
    return [number(median(values)) if values else DASH for values in (latencies, cpu)]


def _answer(one: Searches) -> str:
    if not one.rate:
        return DASH
    if one.never_met:
        return f"< {one.lowest:,.0f}"
    return f"{'>= ' if one.is_bound else ''}{_rate(one, one.rate.ratio)}"


def _rate(one: Searches, rate: float) -> str:
    """Whole ones, as they can be asked for; below the lowest nobody knows more."""
    return f"{rate:,.0f}" if round(rate) >= one.lowest else f"< {one.lowest:,.0f}"


def _doubts(everybody: Sequence[Searches], base: Searches) -> Iterator[str]:
    """Why there is no number, or how far it can be trusted."""
    yield from invalid_notes(everybody)
    yield from short_notes(everybody)
    for one in everybody:
        if one.never_met:
            none = next(each for each in one.valid if not each.found.rate)
            last = min(none.probes, key=lambda probe: probe.rate)
            yield f"{one.name}: met at no rate; at {last.rate:,.0f}/s: {last.reason}."
    if bounds := [one.name for one in everybody if one.is_bound]:
        yield (
            f">=: quartet-pace's limit, not the server's: it could not ask faster and keep its schedule "
            f"({', '.join(bounds)})."
        )
    if any(one.rate and not one.rate.interval for one in everybody):
        yield f"Fewer than {LEAST_ROUNDS} rounds have no interval, and are called indicative."
    elif few := too_few_rounds([ratio for one in everybody if one is not base and (ratio := one.ratio(base, RATE))]):
        yield f"Ties for want of rounds: {few}."
    if wide := [one.name for one in everybody if one.is_wide]:
        yield f"An interval of more than a tenth to each side, which more rounds make narrower: {', '.join(wide)}."
    for one in everybody:
        if above := one.above:
            yield f"{one.name}: now and then met at a much higher rate, too, at most {above:,.0f}/s; not for good."
    if everybody[0].settings.budgets[base.cell.cpus].shared:
        yield "Server and load share a CPU: nobody is compared."
    probes = [probe for one in everybody for each in one.tried for probe in each.probes]
    if disturbed := sum(probe.verdict == Verdict.disturbed for probe in probes):
        yield f"Other load took CPU time in {disturbed} of {len(probes)} probes. They were not met, and count for less."


def _explanations(settings: SweepSettings) -> list[str]:
    name, limit = settings.objective_name, f"{settings.objective.milliseconds:g} ms"
    return [
        f"A probe asks at one rate for {settings.duration} s, with Poisson arrivals, by quartet-pace. It is met when "
        f"{name}, from when each request was due, is below {limit} and every request was answered well.",
        "A probe may err, so that each answer moves a belief, and none decides alone. The first round searches all "
        f"rates, {APART - 1:.0%} apart, the others around the answers before. requests/s: the Hodges-Lehmann "
        "estimate over all rounds, with the interval of the signed ranks.",
        f"x: {HOW_RATIOS_ARE_MADE}",
    ]
