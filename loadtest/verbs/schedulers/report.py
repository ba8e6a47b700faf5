"""The tables: what a policy does to short and to long requests, what theory says, and what was asked for. Pure."""

from collections.abc import Callable, Sequence
from statistics import median

from loadtest.document.document import Section, Table, table, words
from loadtest.document.figures import DASH, floor_percent, listed, number, plural
from loadtest.engine.run import Part, Run
from loadtest.statistics import queueing
from loadtest.statistics.differences import LEAST_ROUNDS, Ratio, paired, too_few_rounds
from loadtest.verbs.load.report import HOW_RATIOS_ARE_MADE, invalid_notes, judged, of_rounds, short_notes
from loadtest.verbs.schedulers.calibration import Mix, Size
from loadtest.verbs.schedulers.plan import KERNEL, KERNEL_NAMES, REFERENCE, SchedulerSettings
from loadtest.verbs.schedulers.results import FAR, LONG, OFF, SHORT, Policy, Scheduled, Theory

# ids of the sections
ANSWER, WHO, THEORY, OFFERED = "schedulers", "schedulers-who", "schedulers-theory", "schedulers-load"
COMPARED = {SHORT: "short p99", LONG: "long mean"}  # a round has few long requests: their p99 is chance
MEANINGS = {
    "fibers-fifo": "in the order of arrival, each to its end: no policy, what the others are compared with",
    "fibers-lifo": "the youngest first, who interrupts all others (preemptive LCFS)",
    "fibers-mlfq": "who has computed least, by levels (multi-level feedback queue)",
    "fibers-edf": "whose deadline is the earliest",
    "epoll": "in the order of arrival, each to its end",
    "threads-other": "all that are ready, by turns",
    "threads-fifo": "in the order of arrival; a thread goes on until it waits",
    "threads-rr": "the same, by turns",
}
SCHEDULED_BY = {**{name: f"the kernel, {policy}" for name, policy in KERNEL_NAMES.items()}, "epoll": "nobody: a loop"}


def head(run: Run) -> list[str]:
    [part] = run.parts
    settings: SchedulerSettings = part.settings
    share = f"{settings.share_of_long:.0%}"
    found = [
        f"{plural(settings.rounds, 'interleaved round')} of {settings.duration} s each, in a random order (seed "
        f"{settings.seed}); every load has a fresh server. Short requests of {_milliseconds(settings.short)} ms of CPU "
        f"time beside {share} long ones of {_milliseconds(settings.long)} ms, at random times: together "
        f"{settings.load:.0%} of the server's CPU. {settings.connections} connections for each kind.",
        *_calibrated(part),
    ]
    if settings.rounds < LEAST_ROUNDS:
        found.append(f"INDICATIVE: {settings.rounds} of the {LEAST_ROUNDS} rounds that an interval takes.")
    return found


def _calibrated(part: Part) -> list[str]:
    found = calibrations(part)
    if not found:
        return []
    return [
        f"Calibrated with {found[0].step.contestant}: a unit of /cpu takes "
        f"{_range([1e6 * one.calibration.unit for one in found])} us of its CPU time, and a request "
        f"{_range([1e6 * one.calibration.request for one in found])} us more. So short requests have "
        f"{_range([one.mix.short.units for one in found])} units, long ones "
        f"{_range([one.mix.long.units for one in found])}, and "
        f"{_range([one.mix.rate for one in found])} come in a second. Deadlines, for edf: "
        f"{part.settings.short_deadline} and {part.settings.long_deadline} ms."
    ]


def calibrations(part: Part) -> list[Scheduled]:
    return [one for one in part.results if one.step.calibrates and not one.problems]


def _range(values: Sequence[float]) -> str:
    """The least and the greatest, where they are written in different ways."""
    low, high = _plain(min(values)), _plain(max(values))
    return low if low == high else f"{low} to {high}"


def _plain(value: float) -> str:
    """Whole where it is, or three digits: 9.999 is written as 10.0."""
    if isinstance(value, int):
        return f"{value:,}"
    rounded = float(f"{abs(value):.3g}")
    return f"{'-' if value < 0 else ''}{number(rounded)}"


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:g}"


def sections(run: Run) -> list[Section]:
    [part] = run.parts
    policies = Policy.of(part)
    found = [answers(part, policies), who(policies, part.settings), theory(policies)] if policies else []
    return [*found, *([offered(part)] if calibrations(part) else [])]


# --- the answer


def answers(part: Part, policies: Sequence[Policy]) -> Section:
    filled = Table(
        (
            "",
            *("short requests\np50 ms", "\np99 ms [rounds]", "\nx fifo"),
            *("long requests\np50 ms", "\np99 ms", "\nmean ms", "\nx fifo"),
            *("lost", "CPU\nused"),
        ),
        wide=True,
    )
    found, texts = {one.name: one for one in policies}, ratios(policies)
    for name in [one.name for one in part.settings.contestants]:
        filled.add_row(name, *(_row(found[name], texts) if name in found else [DASH] * 9))
    return Section("What does a policy do to short requests beside long ones?", filled, _notes(part, policies), ANSWER)


def _row(one: Policy, texts: dict[tuple[str, str], str]) -> list[str]:
    share = one.used
    return [
        quantile(one, SHORT, "p50"),
        with_rounds(one),
        texts[SHORT, one.name],
        quantile(one, LONG, "p50"),
        quantile(one, LONG, "p99"),
        mean(one, LONG),
        texts[LONG, one.name],
        lost(one),
        DASH if share is None else f"{floor_percent(share)}{of_rounds(one)}",
    ]


def quantile(one: Policy, size: str, name: str) -> str:
    value = one.milliseconds(size, name)
    return DASH if value is None else f"{'> ' if one.is_bound(size, name) else ''}{number(value)}"


def with_rounds(one: Policy) -> str:
    """p99 of short requests, with the lowest and the highest of the rounds. A round has too few long ones for that."""
    shown, rounds = quantile(one, SHORT, "p99"), [*one.by_round(COMPARED[SHORT]).values()]
    return shown if shown == DASH or len(rounds) < 2 else f"{shown} [{number(min(rounds))}-{number(max(rounds))}]"


def mean(one: Policy, size: str) -> str:
    """Not answered: longer than all that is known."""
    value = one.mean(size)
    return DASH if value is None else f"{'> ' if one.distribution(size).censored else ''}{number(value)}"


def lost(one: Policy) -> str:
    if not one.valid:
        return DASH
    return f"{one.lost:,} of {one.asked:,}" if one.lost else "0"


def compared(policies: Sequence[Policy]) -> dict[tuple[str, str], Ratio]:
    """To the reference, by kind of request and contestant; not of those who lost something, and did other work."""
    base = next((one for one in policies if one.name == REFERENCE and not one.lost), None)
    found: dict[tuple[str, str], Ratio] = {}
    for size, metric in COMPARED.items():
        its = base.by_round(metric) if base else {}
        for one in policies:
            mine = one.by_round(metric)
            if one is not base and not one.lost and mine.keys() & its.keys():
                found[size, one.name] = paired(mine, its)
    return found


def ratios(policies: Sequence[Policy]) -> dict[tuple[str, str], str]:
    """The texts of all."""
    told = judged(compared(policies))
    itself = {one.name: "1" if one.name == REFERENCE and one.valid and not one.lost else DASH for one in policies}
    return {(size, name): told.get((size, name), text) for size in COMPARED for name, text in itself.items()}


def _notes(part: Part, policies: Sequence[Policy]) -> list[str]:
    settings: SchedulerSettings = part.settings
    few = too_few_rounds([*compared(policies).values()])
    late = [one.lateness.at(0.99) / 1000 for one in policies if one.lateness.count]
    return [
        *invalid_notes(policies),
        *(f"{one.name}: {one.lost:,} of {one.asked:,} requests got no good answer." for one in policies if one.lost),
        *short_notes(policies),
        *(f"{name} is not there: {why}." for name, why in settings.absent.items()),
        "Quantiles over all requests of all rounds together, from when each was due; in brackets the lowest and the "
        "highest of the rounds. A dash where fewer than ten requests are slower, or quartet-pace itself was late by "
        "more than a tenth of the figure"
        + (f"; in its own 99 % it was late by {number(min(late))} to {number(max(late))} ms." if late else "."),
        f"x fifo: beside {REFERENCE}, of short requests their p99, of long ones, of which a round has few, their mean. "
        f"{HOW_RATIOS_ARE_MADE}" + (f" Ties for want of rounds: {few}." if few else ""),
        f"A round enters no figure when what came differs from {settings.load:.0%} of a CPU by more than "
        f"{100 * FAR:.0f} points, or the server's CPU time from what came by more than {100 * OFF:.0f}.",
        *_waits(policies),
    ]


WAITED = 0.1  # of the mean, from which on it is told


def _waits(policies: Sequence[Policy]) -> list[str]:
    """Who waited for a connection was not the server's to schedule yet."""
    found = []
    for one in policies:
        clients = [client for client in one.clients(SHORT) if client.latency and client.service]
        whole = sum(client.latency.mean for client in clients if client.latency)
        sent = sum(client.service.mean for client in clients if client.service)
        if whole and 1 - sent / whole > WAITED:
            found.append(f"{one.name} ({floor_percent(1 - sent / whole)})")
    told = "Short requests waited for a free connection, where no policy sees them, for such a part of their mean time"
    return [f"{told}: {', '.join(found)}. More connections (-c) show more of the policy."] if found else []


# --- who is who


def who(policies: Sequence[Policy], settings: SchedulerSettings) -> Section:
    filled = words("", "by", "who is served next")
    for one in policies:
        filled.add_row(one.name, SCHEDULED_BY.get(one.name, "quartet-fibers"), MEANINGS[one.name])
    notes = [
        "A fiber gives way after about 1 ms of /cpu, where its policy wants another one to go on; with fibers-fifo it "
        "goes on itself, to the end. All other servers run the same handler without a break, so that only the kernel "
        "can interrupt them.",
        *_turns(policies, settings),
        *_first_of_all(policies),
    ]
    return Section("Who decides who is next, and how?", filled, notes, WHO)


def _turns(policies: Sequence[Policy], settings: SchedulerSettings) -> list[str]:
    if settings.turn is None or not any(one.name == "threads-rr" for one in policies):
        return []
    long = _milliseconds(settings.long)
    if settings.turn >= 1000 * settings.long:
        return [
            f"threads-rr: a turn is {settings.turn} ms here (sched_rr_timeslice_ms), longer than a request of {long} "
            "ms: nobody is ever interrupted, as with threads-fifo."
        ]
    return [f"threads-rr: a turn is {settings.turn} ms here (sched_rr_timeslice_ms)."]


def _first_of_all(policies: Sequence[Policy]) -> list[str]:
    names = [one.name for one in policies if one.name in KERNEL]
    if not names:
        return []
    return [
        f"{listed(names)}: such a thread also goes before all usual programs on its CPU. Where others disturb a round, "
        "that alone makes it look quicker."
    ]


# --- theory


NAMES: dict[Theory, str] = {queueing.in_order: "in order (P-K)", queueing.shared: "S / (1 - load), a guide"}


def theory(policies: Sequence[Policy]) -> Section:
    filled = Table(("", "mean of short\nmeasured ms", "\nexpected ms", "\nratio", "load", "by"))
    for one in policies:
        filled.add_row(one.name, *_theory_row(one))
    notes = [
        "Expected: of what came, at the load that the server's CPU time says, over all rounds together. In order "
        "(fibers-fifo, epoll, threads whom nobody interrupts): Pollaczek and Khinchine's mean wait of M/G/1, and the "
        "request itself; a check of the instrument. Chance alone moves the mean of 40 s at 70 % by a tenth.",
        "S / (1 - load): what a request of S takes where the CPU is shared equally, or where the youngest interrupts "
        "all others. A guide and no check: a fiber gives way once in about 1 ms, and the kernel lets each thread go on "
        "for a while.",
        "mlfq and edf: no simple formula is known for this mix.",
    ]
    return Section("Does queueing theory say the same?", filled, notes, THEORY)


def _theory_row(one: Policy) -> list[str]:
    load = floor_percent(queueing.load(one.streams)) if one.valid else DASH
    measured, expected = one.mean(SHORT), one.expected
    if one.lost or measured is None or expected is None or not one.theory:
        return [mean(one, SHORT), DASH, DASH, load, DASH]
    if queueing.load(one.streams) >= 1:
        return [mean(one, SHORT), DASH, DASH, load, "more than its CPU can do: the queue grows for ever"]
    return [number(measured), number(expected), number(measured / expected), load, NAMES[one.theory]]


# --- what was asked for


def offered(part: Part) -> Section:
    settings, mixes = part.settings, [one.mix for one in calibrations(part)]
    filled = table("", "units", "CPU ms each", "a second", "share of CPU", "deadline ms")
    kinds: dict[str, tuple[Callable[[Mix], Size], int]] = {
        SHORT: (lambda one: one.short, settings.short_deadline),
        LONG: (lambda one: one.long, settings.long_deadline),
    }
    for name, (size, deadline) in kinds.items():
        each = [size(one) for one in mixes]
        filled.add_row(
            name,
            _range([one.units for one in each]),
            _range([1000 * one.seconds for one in each]),
            _range([one.rate for one in each]),
            f"{median(one.rate * one.seconds for one in each):.0%}",
            str(deadline),
        )
    found = calibrations(part)
    notes = [
        f"Calibrated anew in each of {plural(len(found), 'round')}, with {found[0].step.contestant}: requests of "
        f"{found[0].calibration.small.units} and of {found[0].calibration.large.units} units, one after another, and "
        "the CPU time of the server meanwhile. A line through both says what a unit takes. Everybody in a round is "
        "asked for the same, at the same times.",
        "Where rounds differ: from the least to the greatest. A request's way through the server is in its CPU time.",
    ]
    return Section("What is asked for?", filled, notes, OFFERED)
