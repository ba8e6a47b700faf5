"""What is drawn of policies: short requests and long ones, and the tail of the short ones. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from loadtest.document.document import Axis, Mark, Plot, Scale, Section, Shape
from loadtest.engine.run import Run
from loadtest.verbs.load.plots import CLIENT_LATE
from loadtest.verbs.load.plots import SHARES as TAIL
from loadtest.verbs.load.plots import joined, of_rounds, worth_showing
from loadtest.verbs.schedulers import report
from loadtest.verbs.schedulers.results import LONG, SHARES, SHORT, Policy

MEANT = {SHORT: "How long short requests take", LONG: "What long requests pay"}


def sections(run: Run) -> list[Section]:
    """The report's, with their plots."""
    policies = Policy.of(run.parts[0])
    drawn = {
        report.ANSWER: [*(quantiles(policies, size) for size in MEANT), tail(policies)],
        report.THEORY: [theory(policies)],
    }
    return [replace(one, plots=worth_showing(drawn.get(one.id, []))) for one in report.sections(run)]


def quantiles(policies: Sequence[Policy], size: str) -> Plot:
    return Plot(
        f"{report.ANSWER}-{size}",
        MEANT[size],
        "Further left is quicker: p50 is what half of the requests take at most, p99 all but the slowest hundredth, "
        "over all rounds together. The axis is logarithmic. A thin line goes from the lowest round to the highest.",
        Shape.dots,
        Axis(""),
        Axis("answered within", "ms", Scale.log),
        [mark for one in policies for name in SHARES for mark in _quantile(one, size, name)],
        commands=commands(policies),
    )


def _quantile(one: Policy, size: str, name: str) -> Iterator[Mark]:
    if (value := one.milliseconds(size, name)) is None:
        return
    rounds = [*one.by_round(f"{size} {name}").values()]
    ends = (min(rounds), max(rounds)) if len(rounds) > 1 else (None, None)
    yield Mark(one.name, "", value, *ends, name, joined(_bound(one.is_bound(size, name)), of_rounds(one)))


def _bound(is_bound: bool) -> str:
    return "a lower bound: not everything was answered" if is_bound else ""


def tail(policies: Sequence[Policy]) -> Plot:
    return Plot(
        f"{report.ANSWER}-tail",
        "How long the slowest of the short requests take",
        "At 99 % a line tells how long all but the slowest hundredth took at most; lower is better. Where requests run "
        "to their ends a line climbs early: many wait behind a long one. It ends where fewer than ten are slower, and "
        "has a gap where the client itself was late.",
        Shape.lines,
        Axis("share of the short requests", scale=Scale.tail),
        Axis("answered within", "ms", Scale.log),
        [mark for one in policies for mark in _tail(one)],
        commands=commands(policies),
    )


def _tail(one: Policy) -> Iterator[Mark]:
    """A gap between two marks has one of its own."""
    found = one.distribution(SHORT)
    told = one.tail(SHORT, [share for share in TAIL if share < 1])
    known = [share for share, milliseconds in told.items() if milliseconds is not None]
    for share in [share for share in told if known and known[0] <= share <= known[-1]]:
        late = CLIENT_LATE if told[share] is None else ""
        yield Mark(one.name, share, told[share], note=late or _bound(found.is_bound(share)))


def theory(policies: Sequence[Policy]) -> Plot:
    return Plot(
        f"{report.THEORY}-mean",
        "The mean of short requests, measured and expected",
        "Where both lie together the queue behaves as theory says. For whoever runs requests to their ends that is a "
        "check of the instrument; for the others theory is a guide.",
        Shape.dots,
        Axis(""),
        Axis("mean of short requests", "ms", Scale.log),
        [mark for one in policies for mark in _theory(one)],
        commands=commands(policies),
    )


def _theory(one: Policy) -> Iterator[Mark]:
    measured, expected = one.mean(SHORT), one.expected
    if measured is not None:
        yield Mark(one.name, "", measured, part="measured", note=_bound(bool(one.distribution(SHORT).censored)))
    if expected is not None and not one.lost and expected != float("inf"):
        yield Mark(one.name, "", expected, part="expected")


def commands(policies: Sequence[Policy]) -> tuple[str, ...]:
    """An example: of a server and of its clients."""
    found = next((each for one in policies for each in one.valid), None)
    return (found.server_command, found.short.command) if found and found.short else ()
