"""The answer: sentences that the rules make of the facts. Pure.

Each sentence makes a point, and clauses that are sentences of their own follow it: who has little room leaves some out.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from loadtest.document.document import Clause, Sentence
from loadtest.document.figures import listed, number, plural
from loadtest.engine.run import Run
from loadtest.statistics.differences import LEAST_ROUNDS
from loadtest.verbs.answer import rules
from loadtest.verbs.answer.dangers import CRASH, CROWD, FAULTS
from loadtest.verbs.answer.facts import Facts, Memory, Outcome, Ranking, known
from loadtest.verbs.answer.rules import DETAIL, DOUBT, HAPPENS, JOBS, MODELS, MORE, POINT, REASON, WHERE, Job

NOISY = 0.1  # the share of disturbed loads that takes a word
CPU = "CPU time for a request"


def answer(run: Run, names: Sequence[Mapping[str, str]] = ()) -> list[Sentence]:
    """`names` of each chapter's sections on the whole page."""
    facts = known(run, names)
    found = [*jobs(facts), dearest(facts), memory(facts), full_load(facts), care(facts)]
    spaced = [tuple(_spaced(clauses)) for clauses in found if clauses]
    return [Sentence(clauses) for clauses in explained(spaced)]


def _spaced(clauses: Sequence[Clause]) -> Iterator[Clause]:
    """With a blank before each but the first."""
    yield from clauses[:1]
    yield from (Clause(f" {one.text}", one.section, one.spare) for one in clauses[1:])


def explained(sentences: Iterable[tuple[Clause, ...]]) -> Iterator[tuple[Clause, ...]]:
    """With what a model is behind its name, where a clause that stays has it first."""
    left = dict(MODELS)
    for clauses in sentences:
        yield tuple(piece for one in clauses for piece in ([one] if one.spare else _explained(one, left)))


def _explained(clause: Clause, left: dict[str, str]) -> Iterator[Clause]:
    """Takes those that it has explained from those that are left."""
    rest = clause.text
    while found := re.search(rf"(?<![\w-])({'|'.join(left)})(?![\w-])", rest) if left else None:
        yield Clause(rest[: found.end()], clause.section, clause.spare)
        yield Clause(f" ({left.pop(found[1])})", "", DETAIL)
        rest = rest[found.end() :]
    yield Clause(rest, clause.section, clause.spare)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def one_of(names: Sequence[str]) -> str:
    """ "a, b or c"."""
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last


# --- which model for which job


def jobs(facts: Facts) -> Iterator[list[Clause]]:
    named: list[tuple[Job, list[str]]] = []
    for job in JOBS:
        outcomes = [facts.dangers[danger] for danger in job.against if danger in facts.dangers]
        if len(outcomes) < len(job.against) or not (outcomes or _several(facts.cost)):
            continue
        able = [name for name in facts.models if all(name in one.safe for one in outcomes)]
        best = _cheapest(facts, able)
        if best and not any(set(job.against) < set(other.against) and best == those for other, those in named):
            yield list(_told(facts, job, best))
        if not able and _all_harmed(facts, outcomes):
            yield [_nobody(facts, job, outcomes)]
        named.append((job, best))


def _several(ranking: Ranking | None) -> bool:
    return ranking is not None and len(ranking.values) > 1


def _cheapest(facts: Facts, able: Sequence[str]) -> list[str]:
    """And those whose CPU time is not known; all of them where nothing is known of any."""
    best = facts.cost.best(able) if facts.cost else []
    return [*best, *(name for name in _unpriced(facts) if name in able)] or list(able)


def _unpriced(facts: Facts) -> list[str]:
    """Who might be the cheapest: nobody knows. Who did not keep up is told by himself."""
    if not (cost := facts.cost):
        return []
    return [name for name in facts.models if name not in cost.values and name not in facts.behind]


def _that_is_known(facts: Facts) -> str:
    return " that is known" if _unpriced(facts) else ""


def _that_are_known(facts: Facts) -> str:
    return _that_is_known(facts).replace(" is ", " are ")


def _all_harmed(facts: Facts, outcomes: Sequence[Outcome]) -> bool:
    return all(any(name in one.harmed for one in outcomes) for name in facts.models)


def _nobody(facts: Facts, job: Job, outcomes: Sequence[Outcome]) -> Clause:
    one, *others = facts.models
    who = f"none of {listed(facts.models)}; in each of them" if others else f"not {one}; in it"
    text = f"{job.when}: {who} others were harmed."
    return Clause(text, outcomes[0].section)


def _told(facts: Facts, job: Job, best: Sequence[str]) -> Iterator[Clause]:
    cost = [facts.cost.section] if facts.cost else []
    section, *_ = [*(facts.dangers[danger].section for danger in job.against), *cost]
    yield Clause(f"{job.when}: {_named(facts, best)}.", section)
    for what, spare in job.tells:
        yield from (replace(one, spare=spare) for one in TELLS[what](facts, job, best))


def _named(facts: Facts, best: Sequence[str]) -> str:
    unpriced = [name for name in best if name in _unpriced(facts)]
    priced = [name for name in best if name not in unpriced]
    unknown = f"{one_of(unpriced)}, whose CPU time is not known" if unpriced else ""
    return ", or ".join(filter(None, [one_of(priced) if priced else "", unknown]))


def _safe(facts: Facts, job: Job, best: Sequence[str]) -> Iterator[Clause]:
    """What was tried and harmed nobody."""
    outcomes = [facts.dangers[danger] for danger in job.against]
    what = _capital(listed([what for one in outcomes for what in one.what]))
    yield Clause(f"{what} in one request harmed nobody else there.", outcomes[0].section)


def _harm(facts: Facts, job: Job, best: Sequence[str]) -> Iterator[Clause]:
    """To others, in those who are named; and for what a job is about, in the others."""
    for danger in [danger for danger in job.harms if danger in facts.dangers]:
        alike: dict[str, list[str]] = {}
        for name, effect in facts.dangers[danger].harmed.items():
            if name in best or danger in job.against:
                alike.setdefault(effect, []).append(name)
        for effect, names in alike.items():
            text = WHERE[danger].format(names=listed(names), effect=effect)
            yield Clause(text, facts.dangers[danger].section)


def _cost(facts: Facts, job: Job, best: Sequence[str]) -> Iterator[Clause]:
    """Beside the cheapest of all; no difference is claimed that the rounds do not tell."""
    cost = facts.cost
    priced = [name for name in best if name in cost.values] if cost else []
    if cost and priced:
        dearer = [name for name in priced if cost.apart(name, cost.ordered[0])]
        text = _beside_the_cheapest(facts, cost, priced, dearer) if dearer else _near_the_cheapest(facts, cost, priced)
        yield Clause(text, cost.section)


def _beside_the_cheapest(facts: Facts, cost: Ranking, priced: Sequence[str], dearer: Sequence[str]) -> str:
    cheapest, near = cost.ordered[0], [name for name in priced if name not in dearer]
    who = "It takes" if len(priced) == 1 else f"{listed(dearer)} {'take' if len(dearer) > 1 else 'takes'}"
    more = f" {listed(near)}, {_span(cost, near)}, not told from that." if near else ""
    alone = _alone_first(cost)
    rank = f"the cheapest{_that_is_known(facts)}" if alone else f"one of the cheapest{_that_are_known(facts)}"
    its = f"{cheapest}, {rank}, {number(cost.values[cheapest])}"
    return f"{who} {_span(cost, dearer)} of {_cpu(cost)}; {its}.{more}"


def _near_the_cheapest(facts: Facts, cost: Ranking, priced: Sequence[str]) -> str:
    """Of those who are not told from it, or are the cheapest."""
    cheapest, one, figure = cost.ordered[0], priced[0], _span(cost, priced)
    least = f"the least{_that_is_known(facts)}"
    if len(priced) > 1:
        told = any(cost.apart(*pair) for pair in combinations(priced, 2))
        from_whom = f"from {one}" if told else "apart"
        why = f"Not told {from_whom}" if cost.ties else "Too few rounds to tell them apart"
        return f"{why} by {_cpu(cost)}: {figure}."
    if one != cheapest:
        return f"Its {_cpu(cost)}, {figure}, is not told from {least}, that of {cheapest}."
    return f"{_cpu(cost)}: {figure}{f', {least}' if _alone_first(cost) else ''}."


def _alone_first(cost: Ranking) -> bool:
    """Everybody else is told from the best one."""
    return bool(cost.ties) and len(cost.best(cost.values)) == 1


def _cpu(cost: Ranking) -> str:
    """With the rate at which it was measured: at another rate a request costs something else."""
    return f"{CPU} at {cost.rate:,.0f}/s" if cost.rate else CPU


def _span(cost: Ranking, names: Sequence[str]) -> str:
    values = [cost.values[name] for name in names]
    low, high = number(min(values)), number(max(values))
    return f"{low if low == high else f'{low} to {high}'} us"


# --- what else is told of those who are named


def _memory(facts: Facts, job: Job, best: Sequence[str]) -> Iterator[Clause]:
    found, one = facts.memory, best[0]
    if not found or one not in found.sizes:
        return
    least = min(found.sizes, key=found.sizes.__getitem__)
    mine, its = (_size(found, name) for name in (one, least))
    if mine != its:
        known_ones = "" if set(facts.models) <= found.sizes.keys() else " that is known"
        yield Clause(f"{found.what}: {mine} in {one}, {its} in {least}, the least{known_ones}.", found.section)


def _recovery(facts: Facts, job: Job, best: Sequence[str]) -> Iterator[Clause]:
    """Of those who are named and were tried so."""
    if not (recovery := facts.recovery):
        return
    outages = {name: outage for name, outage in recovery.outages.items() if name in best}
    back = [outage for outage in outages.values() if math.isfinite(outage)]
    if back:
        when = f"after {max(back):.2f} s at most" if max(back) >= 0.005 else "so soon that no outage was seen"
        names = listed([name for name, outage in outages.items() if math.isfinite(outage)])
        text = f"With a parent that restarts them (--supervise), {names} served again {when}."
        yield Clause(text, recovery.section)
    if never := [name for name, outage in outages.items() if math.isinf(outage)]:
        yield Clause(f"A parent (--supervise) did not bring {listed(never)} back.", recovery.section)


def _rotation(facts: Facts, job: Job, best: Sequence[str]) -> Iterator[Clause]:
    crowd = facts.dangers[CROWD]
    if helped := [name for name in facts.rotation if name in crowd.harmed]:
        text = f"Where connections rotate (--max-requests-per-connection), {listed(helped)} served all."
        yield Clause(text, crowd.section)


def _peers(facts: Facts, job: Job, best: Sequence[str]) -> Iterator[Clause]:
    if not (peers := facts.peers):
        return
    told = [
        f"{name} {one.times:.2f} times {one.name}" if one.times else f"{name} not told from {one.name}"
        for name, one in peers.beside.items()
        if name in best
    ]
    if told:
        what = "too few rounds to tell them apart" if peers.few else listed(told)
        text = f"{CPU} at {peers.rate:,.0f}/s, beside the best production server of its kind: {what}."
        yield Clause(text, peers.section)


TELLS: Mapping[int, Callable[[Facts, Job, Sequence[str]], Iterator[Clause]]] = {
    rules.SAFE: _safe,
    rules.COST: _cost,
    rules.HARM: _harm,
    rules.MEMORY: _memory,
    rules.RECOVERY: _recovery,
    rules.ROTATION: _rotation,
    rules.PEERS: _peers,
}


# --- what it costs


def dearest(facts: Facts) -> list[Clause]:
    """Who takes the most CPU time, where that is told from the least; and why."""
    found = [*_most(facts), *_alone(facts)]
    if growth := facts.growth:
        few = " (indicative)" if growth.indicative else ""
        text = (
            f"At full load, with {growth.mebibytes} MiB in its memory {growth.model} takes {number(growth.heavy)} us "
            f"of {CPU}, and {number(growth.light)} with none{few}."
        )
        found.append(Clause(text, growth.section, REASON if found else POINT))
    return found


def _most(facts: Facts) -> Iterator[Clause]:
    if not (cost := facts.cost):
        return
    least, most = cost.ordered[0], cost.ordered[-1]
    if cost.apart(most, least):
        high, low = (number(cost.values[name]) for name in (most, least))
        rank = "the least" if _alone_first(cost) else "among the least"
        text = f"Most {_cpu(cost)}{_that_is_known(facts)}: {most}, {high} us; {rank}: {least}, {low}."
        yield Clause(text, cost.section)
        yield from _calls(facts, most, least)
        yield from _protects(facts, most)


def _calls(facts: Facts, most: str, least: str) -> Iterator[Clause]:
    calls = facts.calls.calls if facts.calls else {}
    if facts.calls and most in calls and least in calls:
        text = f"A request makes {plural(calls[most], 'system call')} in {most}, and {calls[least]} in {least}."
        yield Clause(text, facts.calls.section, MORE)


def _protects(facts: Facts, most: str) -> Iterator[Clause]:
    """What that price buys."""
    outcome = facts.dangers.get(CRASH)
    if outcome and most in outcome.safe:
        yield Clause("For that, a crash harmed nobody else.", outcome.section, DETAIL)


def _alone(facts: Facts) -> Iterator[Clause]:
    if (cost := facts.cost) and len(facts.models) == 1:
        [(name, value)] = cost.values.items()
        few = " (indicative)" if cost.indicative else ""
        figure = f"{number(value)} us of {_cpu(cost)}{few}"
        yield Clause(f"{name}: {figure}; there is nobody to compare it with.", cost.section)


def memory(facts: Facts) -> list[Clause]:
    found = facts.memory
    if not found or len({_size(found, name) for name in found.sizes}) < 2:
        return []
    least, most = (of(found.sizes, key=found.sizes.__getitem__) for of in (min, max))
    once = "; one look each" if found.looks == 1 else ""
    text = f"{found.what}: from {_size(found, least)} ({least}) to {_size(found, most)} ({most}){once}."
    return [Clause(text, found.section, MORE)]


def _size(found: Memory, name: str) -> str:
    size = found.sizes[name]
    return f"{f'{size:,.1f}' if found.unit == 'MiB' else number(size)} {found.unit}"


# --- how much work it does


def full_load(facts: Facts) -> list[Clause]:
    """Figures behind the point."""
    return [*(_fastest(facts.full) if facts.full else []), *(_work(facts.work) if _several(facts.work) else [])]


def _fastest(full: Ranking) -> Iterator[Clause]:
    first = full.first or full.ordered
    figures = "; ".join(_answers(full, name) for name in full.ordered)
    which = f" ({full.load})" if full.load else ""
    if full.ties:
        yield Clause(f"At full load{which}, {_who_is_first(full, first)}.", full.section, MORE)
        which = ""
    yield Clause(f"At full load{which} they answered, a second: {figures}.", full.section, MORE)
    if bounds := [name for name in first if name in full.limited]:
        who = "them" if bounds == first else listed(bounds)
        text = f"The server was not, or not alone, the limit for {who}: lower bounds (>=)."
        yield Clause(text, full.section, MORE)


def _who_is_first(full: Ranking, first: Sequence[str]) -> str:
    """Where all of them may have answered more, nobody is."""
    if len(first) > 1 and set(first) <= set(full.limited):
        return f"nobody is known to be the first of {listed(first)}"
    return f"most requests a second: {one_of(first)}"


def _work(work: Ranking | None) -> Iterator[Clause]:
    if not work:
        return
    best, last = work.ordered[0], work.ordered[-1]
    low, high = number(work.values[last]), number(work.values[best])
    few = " (indicative)" if work.indicative else ""
    span = f"everybody answers {low}" if low == high else f"{last} answers {low} and {best} {high}"
    which = f" ({work.load})" if work.load else ""
    yield Clause(f"Where each request is work for the CPU{which}, {span} a second{few}.", work.section, DETAIL)


def _answers(found: Ranking, name: str) -> str:
    return f"{name} {'>= ' if name in found.limited else ''}{number(found.values[name])}"


# --- what must not be concluded


def care(facts: Facts) -> list[Clause]:
    return [
        *_few_rounds(facts),
        *_behind(facts),
        *_disturbed(facts),
        *_unfinished(facts),
        *_unknown(facts),
        *_ties(facts),
        *_tried_once(facts),
    ]


def _few_rounds(facts: Facts) -> Iterator[Clause]:
    ranking = facts.cost or facts.full
    if not ranking or ranking.ties or not _several(ranking):
        return
    if ranking.indicative:
        why = f"{ranking.rounds} of the {LEAST_ROUNDS} rounds that an interval takes: all figures are indicative"
    else:
        why = ranking.problem
    yield Clause(f"No model can be told from another: {why}.", ranking.section, POINT)


def _behind(facts: Facts) -> Iterator[Clause]:
    if facts.behind:
        who = listed([f"{name} ({why})" for name, why in facts.behind.items()])
        text = f"{CPU} of who did not keep up is compared with nobody's: {who}."
        yield Clause(text, facts.cost.section if facts.cost else "", DOUBT)


def _disturbed(facts: Facts) -> Iterator[Clause]:
    some, of = facts.disturbed
    if some > NOISY * of:
        yield Clause(f"Other load disturbed {some} of {of} loads: repeat it on a quiet machine.", "", DOUBT)


def _unfinished(facts: Facts) -> Iterator[Clause]:
    if facts.unfinished:
        yield Clause("Not all of it was measured.", "", POINT)


def _unknown(facts: Facts) -> Iterator[Clause]:
    for danger, one in facts.dangers.items():
        for why in dict.fromkeys(one.unknown.values()):
            names = [name for name, reason in one.unknown.items() if reason == why]
            text = f"What {HAPPENS[danger]} does in {listed(names)} is not known: {why}."
            yield Clause(text, one.section, REASON)


def _ties(facts: Facts) -> Iterator[Clause]:
    cost = facts.cost
    groups = [listed(group) for group in cost.ties if len(group) > 1] if cost else []
    if cost and groups:
        yield Clause(f"Not told apart on this machine by {_cpu(cost)}: {'; '.join(groups)}.", cost.section, MORE)


def _tried_once(facts: Facts) -> Iterator[Clause]:
    tried = [facts.dangers[danger].section for danger in FAULTS if danger in facts.dangers]
    if tried and facts.tries == 1:
        yield Clause("Each fault was tried once in each model.", tried[0], DETAIL)
