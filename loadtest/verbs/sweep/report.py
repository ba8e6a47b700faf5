"""The report of a rate sweep: one table for each load. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median

from loadtest.document.document import Section, table
from loadtest.document.figures import DASH, listed, number, plural
from loadtest.engine import measurement
from loadtest.engine.run import Exit, Part, Run
from loadtest.verbs.load.plan import Cell, cells
from loadtest.verbs.sweep.clients import Probe
from loadtest.verbs.sweep.measure import Highest
from loadtest.verbs.sweep.plan import APART, SweepSettings
from loadtest.verbs.sweep.search import MOST, SERVERS, SURE, TELLING, Verdict, majority

SPREAD = 1.1  # of the rounds, within which an answer repeats


@dataclass(frozen=True)
class Rounds:
    """One cell, over all rounds."""

    settings: SweepSettings
    cell: Cell
    tried: Sequence[Highest]  # at least one

    @property
    def name(self) -> str:
        return self.cell.contestant

    @property
    def valid(self) -> list[Highest]:
        return [one for one in self.tried if not one.problems]

    @property
    def rates(self) -> list[float]:
        """Of the valid rounds, rising; 0 where none was met."""
        return sorted(one.found.rate or 0.0 for one in self.valid)

    @property
    def at_least(self) -> bool:
        """The median is a bound: one of its rounds, or of those below it, might have gone on."""
        middle = self.rates[len(self.rates) // 2]
        return any(one.found.at_least and (one.found.rate or 0.0) <= middle for one in self.valid)

    @property
    def never_met(self) -> bool:
        return bool(self.valid) and median(self.rates) == 0

    def there(self) -> Iterator[Probe]:
        """The probes that met each round's answer."""
        for one in self.valid:
            yield from (probe for probe in one.probes if probe.rate == one.found.rate and probe.verdict == Verdict.met)

    def missed(self) -> list[float]:
        """By round: the lowest rate above the answer that the server did not meet."""
        found = []
        for one in self.valid:
            told = [probe for probe in one.probes if probe.verdict in (Verdict.met, *SERVERS)]
            found += [rate for rate in majority(told, False) if rate > (one.found.rate or 0.0)][:1]
        return found


def by_load(part: Part) -> dict[str, list[Rounds]]:
    """In the settings' order; what was tried at least once."""
    tried = {cell: [one for one in part.results if one.step.cell == cell] for cell in cells(part.settings)}
    found = [Rounds(part.settings, cell, results) for cell, results in tried.items() if results]
    return {load: list(group) for load, group in groupby(found, key=lambda one: one.cell.load)}


def status(run: Run) -> Exit:
    """No rate meets the objective: a gate that nobody passes at any rate. A failure says more."""
    found = measurement.status(run)
    everybody = [one for part in run.parts for group in by_load(part).values() for one in group]
    return Exit.gate if found != Exit.failed and any(one.never_met for one in everybody) else found


def head(run: Run) -> list[str]:
    settings = run.parts[0].settings
    workers = f"{settings.workers} workers" if settings.workers else "a worker for each connection and two more"
    return [
        f"{plural(settings.rounds, 'interleaved round')}, in a random order (seed {settings.seed}). In each, every "
        f"contestant has a fresh server and a search of its own. Pools have {workers}."
    ]


def words(run: Run) -> list[str]:
    """One sentence for each load, the highest rate first; no test stands behind the order."""
    return [sentence for part in run.parts for rounds in by_load(part).values() if (sentence := _told(rounds))]


def first(run: Run) -> str:
    sentence = next(iter(words(run)), "").rstrip(".")
    return f"{sentence}; one search each" if sentence else ""


def _told(everybody: Sequence[Rounds]) -> str:
    settings = everybody[0].settings
    known = sorted((one for one in everybody if one.valid), key=lambda one: median(one.rates), reverse=True)
    rates = [f"{one.name} {'>= ' if one.at_least else ''}{_rate(one, median(one.rates))}" for one in known]
    limit = f"{settings.objective_name} stays below {settings.objective.milliseconds:g} ms"
    return f"{limit} up to so many requests a second: {listed(rates)}." if rates else ""


def sections(run: Run) -> list[Section]:
    return [_section(load, rounds) for part in run.parts for load, rounds in by_load(part).items()]


def _section(load: str, everybody: Sequence[Rounds]) -> Section:
    settings = everybody[0].settings
    name, limit = settings.objective_name, f"{settings.objective.milliseconds:g} ms"
    filled = table(
        *("", "requests/s", "of the rounds", f"{name} there\nms", "CPU us\neach there"),
        *("lowest\nnot met", "rounds\nvalid", "probes"),
    )
    for one in everybody:
        filled.add_row(one.name, *_row(one))
    title = f"What is the highest rate at which {name} stays below {limit}? ({load})"
    return Section(title, filled, [*_doubts(everybody), *_explanations(settings)])


def _row(one: Rounds) -> list[str]:
    """Medians of the valid rounds."""
    count, probes = f"{len(one.valid)}/{len(one.tried)}", str(sum(len(each.probes) for each in one.tried))
    if not one.valid:
        return [*[DASH] * 5, count, probes]
    rates, there, missed = one.rates, list(one.there()), one.missed()
    latencies = [probe.milliseconds for probe in there if probe.milliseconds is not None]
    cpu = [1e6 * each.server_cpu_seconds / each.answered for each in there if each.server_cpu_seconds is not None]
    bound = ">= " if one.at_least else ""
    return [
        bound + _rate(one, median(rates)),
        f"{_rate(one, rates[0])} - {_rate(one, rates[-1])}",
        *(number(median(values)) if values else DASH for values in (latencies, cpu, missed)),
        count,
        probes,
    ]


def _rate(one: Rounds, rate: float) -> str:
    """Where none was met, less than all that were asked for."""
    lowest = min(probe.rate for each in one.valid for probe in each.probes)
    return f"{rate:,.0f}" if rate else f"< {lowest:,.0f}"


def _doubts(everybody: Sequence[Rounds]) -> Iterator[str]:
    """Why there is no number, or how far it can be trusted."""
    for one in everybody:
        if not one.valid:
            yield f"{one.name}: invalid, {one.tried[-1].problems[0]}."
        elif one.never_met:
            last = min(one.valid[-1].probes, key=lambda probe: probe.rate)
            yield f"{one.name}: met at no rate; at {last.rate:,.0f}/s: {last.reason}."
    if bounds := [one.name for one in everybody if one.valid and one.at_least]:
        yield (
            f">=: quartet-pace's limit, not the server's: it could not ask faster and keep its schedule "
            f"({', '.join(bounds)})."
        )
    for one in everybody:
        yield from _noise(one)
    probes = [probe for one in everybody for each in one.tried for probe in each.probes]
    if disturbed := sum(probe.verdict == Verdict.disturbed for probe in probes):
        yield f"Other load took CPU time in {disturbed} of {len(probes)} probes. They were not met, and count for less."


def _noise(one: Rounds) -> Iterator[str]:
    """Rounds in which the search did not come to rest, and rates above the answer that were met all the same."""
    lowest = one.settings.offered[0] / APART  # below the lowest rate there is nothing to settle
    wide = [each.found for each in one.valid if each.found.high > max(each.found.low, lowest) * APART**3]
    if wide and not one.never_met:
        spans = ", ".join(f"{found.low:,.0f} to {found.high:,.0f}" for found in wide)
        yield f"{one.name}: not settled after {MOST} probes in {len(wide)} of {len(one.valid)} rounds, between {spans}."
    if one.rates and one.rates[-1] > SPREAD * one.rates[0] > 0:
        yield f"{one.name}: its rounds differ by more than a tenth; repeat them on a quiet machine."
    told = [[probe for probe in each.probes if probe.verdict in TELLING] for each in one.valid]
    above = [rate for probes in told for rate in majority(probes, True) if rate > median(one.rates)]
    if above:
        yield f"{one.name}: now and then met at a higher rate, too, at most {max(above):,.0f}/s; not for good."


def _explanations(settings: SweepSettings) -> list[str]:
    name, limit = settings.objective_name, f"{settings.objective.milliseconds:g} ms"
    return [
        f"A probe asks at one rate for {settings.duration} s, with Poisson arrivals, by quartet-pace. It is met when "
        f"{name}, from when each request was due, is below {limit} and every request was answered well.",
        f"A probe may err, so that each answer moves a belief, and none decides alone; a search ends when it is "
        f"{SURE:.0%} sure within two of the rates, which are {APART - 1:.0%} apart, or after {MOST} probes. Medians of "
        f"the rounds; beside them the lowest and the highest round, which are no interval.",
    ]
