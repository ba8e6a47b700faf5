"""Policies in words: sentences that follow from the figures by rules. Pure."""

from collections.abc import Iterator, Sequence

from loadtest.document.document import Sentence, said
from loadtest.document.figures import listed, number, plural
from loadtest.engine.run import Run
from loadtest.statistics.differences import LEAST_ROUNDS, holm, standing
from loadtest.verbs.schedulers.plan import REFERENCE
from loadtest.verbs.schedulers.report import ANSWER, COMPARED, THEORY, compared, mean, quantile
from loadtest.verbs.schedulers.results import LONG, SHORT, Policy

# Whose scheduler is the server's own: whoever writes a server can choose among these.
DEADLINES = "fibers-edf"
WHY = {
    "fibers-lifo": "it needs to know nothing of a request, but whoever waits is overtaken by all who come later",
    "fibers-mlfq": "it needs to know nothing of a request, and finds out who is long by letting everybody begin",
    DEADLINES: "it needs a deadline with each request, which the long ones have later",
}


def words(run: Run) -> list[Sentence]:
    tried = Policy.of(run.parts[0])
    policies = [one for one in tried if one.valid]
    if not policies:
        return [said("No answer: no round was valid.", ANSWER)] if tried else []
    told = [*extremes(policies), *advice(policies), *price(policies), *losses(policies)]
    return [*(said(text, ANSWER) for text in told), *(said(text, THEORY) for text in check(policies))]


def first(run: Run) -> str:
    """After the first round."""
    return next(extremes([one for one in Policy.of(run.parts[0]) if one.valid]), "").rstrip(".")


def few(policies: Sequence[Policy]) -> str:
    rounds = min(len(one.valid) for one in policies)
    return (
        f" (indicative: {rounds} of the {LEAST_ROUNDS} rounds that an interval takes)" if rounds < LEAST_ROUNDS else ""
    )


def extremes(policies: Sequence[Policy]) -> Iterator[str]:
    """By short requests: the reference, or else the last, and the first."""
    known = {one.name: value for one in policies if (value := one.milliseconds(SHORT, "p99")) is not None}
    if not known:
        return
    written = {one.name: quantile(one, SHORT, "p99") for one in policies}
    least, most = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
    beside = f"{REFERENCE}, which runs each request to its end" if REFERENCE in known else f"{most}, the most"
    text = "Beside" if len(known) == len(policies) else "As far as it could be told, beside"
    text += f" long requests 99 % of the short ones are answered within {written[least]} ms by {least}, the least"
    if most != least:
        text += f", and within {written[REFERENCE if REFERENCE in known else most]} ms by {beside}"
    yield f"{text}{few(policies)}."


def advice(policies: Sequence[Policy]) -> Iterator[str]:
    """Of the policies of fibers that are better for short requests than none; where the best takes deadlines, also the
    best of those who take none."""
    better = _better(policies)
    if not better:
        if any(one.name in WHY for one in policies) and any(one.name == REFERENCE for one in policies):
            yield f"No policy of fibers can be told from {REFERENCE} by short requests."
        return
    chosen, others = _best(better)
    beside = f", which short requests cannot tell from {listed(others)} and long ones prefer" if others else ""
    rounds = min(len(one.valid) for one in better)
    take = "Take" if rounds >= LEAST_ROUNDS else f"As far as {plural(rounds, 'round')} can tell, take"
    text = f"{take} {chosen.name}{beside}: {WHY[chosen.name]}"
    without = [one for one in better if one.name != DEADLINES]
    if chosen.name == DEADLINES and without:
        second, _ = _best(without)
        text += f". Where there are none, take {second.name}: {WHY[second.name]}"
    yield f"{text}."


def _best(better: Sequence[Policy]) -> tuple[Policy, list[str]]:
    """Of those whom short requests cannot tell from the first, the one that costs long requests least; and the others
    of these."""
    goodness = {one.name: {n: 1 / value for n, value in one.by_round(COMPARED[SHORT]).items()} for one in better}
    ties, problem = standing(goodness)
    names = ties[0][:1] if problem else ties[0]  # too few rounds tell nobody from anybody
    best = [one for one in better if one.name in names]
    chosen = min(best, key=lambda one: one.mean(LONG) or 0.0)
    return chosen, [one.name for one in best if one is not chosen]


def _better(policies: Sequence[Policy]) -> list[Policy]:
    """Than the reference, as far as so many rounds tell; of too few rounds by their ratios alone."""
    found = compared(policies)
    adjusted = holm({key: ratio.p for key, ratio in found.items()})
    good = {
        name
        for (size, name), ratio in found.items()
        if size == SHORT and ratio.ratio < 1
        if ratio.interval is None or ratio.different(adjusted[size, name])
    }
    return [one for one in policies if one.name in good and one.name in WHY]


def price(policies: Sequence[Policy]) -> Iterator[str]:
    """What long requests pay."""
    base = next((one for one in policies if one.name == REFERENCE and not one.lost), None)
    means = {one.name: value for one in policies if not one.lost and (value := one.mean(LONG)) is not None}
    others = [one for one in policies if one.name in means and one.name in WHY]
    if base is None or base.name not in means or not others:
        return
    told = [f"{mean(one, LONG)} ms with {one.name}" for one in sorted(others, key=lambda one: means[one.name])]
    yield f"Long requests take {mean(base, LONG)} ms on average with {REFERENCE}, {listed(told)}."


def losses(policies: Sequence[Policy]) -> Iterator[str]:
    if told := [f"{one.name} {one.lost:,} of {one.asked:,}" for one in policies if one.lost]:
        yield f"So many requests got no good answer: {listed(told)}."


def _disturbed(one: Policy) -> str:
    """Theory knows nothing of others on the CPU."""
    return f", while others disturbed {one.disturbed} of {plural(len(one.valid), 'round')}" if one.disturbed else ""


def check(policies: Sequence[Policy]) -> Iterator[str]:
    """Of whoever runs requests to their ends, the reference or else the first."""
    able = [one for one in policies if one.name in (REFERENCE, "epoll") and not one.lost]
    for one in able[:1]:
        measured, expected = one.mean(SHORT), one.expected
        if measured is not None and expected is not None and expected != float("inf"):
            yield (
                f"Where requests run to their ends ({one.name}), queueing theory expects {number(expected)} ms for the "
                f"mean of short ones; measured were {number(measured)} ms{_disturbed(one)}."
            )
