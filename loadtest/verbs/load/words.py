"""Throughput and latency in words: sentences that follow from the figures by rules. Pure.

A sentence names who may be the first and who is the last, never a rank; it says where a figure is only a lower bound,
and where the rounds are too few to tell anybody from anybody.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from loadtest.document.document import Clause, Sentence, said
from loadtest.document.figures import DASH, listed, number, plural, ratio
from loadtest.engine.metrics import BY_NAME
from loadtest.engine.run import Part, Run
from loadtest.statistics.differences import Ratio, may_be_first
from loadtest.statistics.stats import estimate
from loadtest.verbs.load.report import Groups, beside, groups, ids, one_sided, planned, quantile
from loadtest.verbs.load.results import Series
from loadtest.verbs.load.rounds import Load, by_load, loads, reference

MOST_LOADS = 4  # that are told one by one
MOST_NAMES = 4  # in a sentence about many, before they are counted
QUICK = 1.25  # times the lowest p99, up to which nobody is called slower: no test stands behind it


def words(run: Run) -> list[Sentence]:
    """Each leads to the table that it is from. Of several loads each is named once; of many only the first sentence of
    each is told."""
    everything = loads(Series, run)
    if len(everything) < 2:
        return [said(sentence, section) for load in everything for section, told in _told(load) for sentence in told]
    more = len(everything) - MOST_LOADS
    told = zip(short_names([load.name for load in everything]), everything[:MOST_LOADS])
    found = [_in_one(name, load, 1 if more > 0 else None) for name, load in told]
    rest = [said(f"Of {plural(more, 'more load')} see the tables.")] if more > 0 else []
    return [*filter(None, found), *rest]


def _in_one(name: str, load: Load[Series], most: int | None) -> Sentence | None:
    """All that is told of a load, or the first so many sentences; each leads to its own table."""
    told = [Clause(sentence, section) for section, sentences in _told(load) for sentence in sentences][:most]
    if not told:
        return None
    first, *others = told
    begun = replace(first, text=f"{name}: {first.text}")
    return Sentence((begun, *(replace(one, text=f" {one.text}") for one in others)))


def short_names(names: Sequence[str]) -> list[str]:
    """Of loads: without what all of them have in common. A name of which nothing is left stays whole."""
    parts = [name.split(", ") for name in names]
    common = set(parts[0]).intersection(*parts[1:])
    return [", ".join(part for part in one if part not in common) or ", ".join(one) for one in parts]


def _told(load: Load[Series]) -> list[tuple[str, list[str]]]:
    """Sentences, behind the id of their section."""
    series, at = load.everybody, ids(load)
    return [
        (at.answer, fastest(series) if load.is_closed else paced(series)),
        (at.costs, newcomers(series)),
        (at.answer, lost(series)),
        (at.yardstick, beside_peers(series)),
    ]


def fastest(series: Sequence[Series]) -> list[str]:
    """By requests a second."""
    ties = groups(series)
    found = standing(series, ties, "throughput", "most requests a second:", "")
    valid = [one for one in series if one.valid]
    bounds = [one for one in valid if one.is_bound]
    if bounds and (ties.ties or len(valid) == 1):
        limited = [one for one in bounds if _limited_by_client(one)]
        why = f": {limited[0].cell.client} was at its own limit" if len(limited) == len(bounds) else ""
        found.append(f"{listed([one.name for one in bounds])} could have answered more (>=){why}.")
    return found


def _limited_by_client(one: Series) -> bool:
    return one.unranked.startswith(one.cell.client)


def beside_peers(series: Sequence[Series]) -> list[str]:
    """The planned comparisons of a yardstick: at unequal load CPU times cannot be compared."""
    unit, what = (
        ("requests/s", "Requests a second") if series[0].cell.rate is None else ("CPU each", "CPU time for a request")
    )
    column = beside(series).get(f"{unit}\nx peer", {})
    told = [
        f"{name} {one.text} x {one.other.name}{_few(one.ratio)}"
        for name, one in column.items()
        if one.other and one.text != DASH
    ]
    tie = "; = is a tie" if any(" =" in one for one in told) else ""
    return [f"{what}, beside the best peer of its kind: {listed(told)}{tie}."] if told else []


def _few(ratio: Ratio | None) -> str:
    return " (indicative)" if ratio and ratio.interval is None else ""


def paced(series: Sequence[Series]) -> list[str]:
    """At a constant rate, by CPU time and by latency."""
    found = standing(series, groups(series, "cpu"), "cpu", "least CPU time for a request:", " us")
    return [*found, *quickest(series), *lost_in_time(series), *overloaded(series)]


def standing(series: Sequence[Series], groups: Groups, metric: str, what: str, unit: str) -> list[str]:
    """Who may be the first, and how far behind the last one is."""
    known = {one.name: one for one in series if one.same_work and one.middle(metric) is not None}
    what = what[0].upper() + what[1:]
    if not groups.ties:
        if len(known) < 2:
            return [alone(one, metric) for one in known.values()]
        unknown = f"nobody can be told from anybody; {groups.problem or 'nobody could be compared'}"
        return [f"{what} {by_plan(series, metric) or unknown}."]
    figures = {name: f"{name} ({_figure(one, metric)}{unit})" for name, one in known.items()}
    best, *tied = may_be_first(groups.ties, groups.bounds)
    sentence = f"{what} {figures[best]}"
    if tied:
        sentence += f"; {listed([figures[name] for name in tied])} could not be told from it"
    apart = [name for group in groups.ties for name in group if name not in (best, *tied)]
    if not apart:
        return [f"{sentence}."]
    worst = max if BY_NAME[metric].better == "less" else min
    last = worst(apart, key=lambda name: known[name].middle(metric) or 0.0)
    return [f"{sentence}. Last: {figures[last]}{_times(known[last], known[best], metric)}."]


ALONE = {"throughput": "requests a second", "cpu": "us of CPU time for a request"}


def alone(one: Series, metric: str) -> str:
    """The median of its rounds, with its interval."""
    found = estimate([*one.by_round(metric).values()])
    bound = ">= " if metric == "throughput" and one.is_bound else ""
    few = "" if found.interval else " (indicative)"
    at = "" if one.cell.rate is None else f" at {one.cell.rate:,.0f} requests a second"
    figure = f"{bound}{ratio(found)}{few} {ALONE[metric]}{at}"
    return f"{one.name}: {figure}; there is nobody to compare it with."


def by_plan(series: Sequence[Series], metric: str) -> str:
    """Who differs from the reference, with which alone each was meant to be compared; "" when nobody does. Of two the
    lower one may be no lower bound; and what somebody answered who lost requests says nothing of what he could."""
    series = [one for one in series if not one.losses]
    base = reference(series)
    if base is None or base.settings.budgets[base.cell.cpus].shared:
        return ""
    known = {one.name: one for one in series}
    apart: dict[str, float] = {}
    for name, (found, p) in planned(base, series, metric).items():
        lower = known[name] if found.ratio < 1 else base
        if found.different(p) and not (metric == "throughput" and lower.is_bound):
            apart[name] = abs(math.log(found.ratio))
    if not apart:
        return ""
    furthest = max(apart, key=lambda name: apart[name])
    who = f"{listed([*apart])} {'differs' if len(apart) == 1 else 'differ'}"
    most = f", most of all {furthest}" if len(apart) > 1 else ""
    return f"compared with {base.name} alone, {who}{most}{_times(known[furthest], base, metric)}"


def _figure(one: Series, metric: str) -> str:
    value = one.middle(metric)
    bound = ">= " if metric == "throughput" and one.is_bound else ""
    return f"{bound}{number(value or 0)}"


def _times(one: Series, other: Series, metric: str) -> str:
    """ ", 0.04 [0.03-0.05] times as much as epoll"."""
    ratio = one.ratio(other, metric)
    if ratio is None or ratio.interval is None:
        return ""
    low, high = ratio.interval.low, ratio.interval.high
    text = f"{number(ratio.ratio)} [{number(low)}-{number(high)}]"
    text = one_sided(text, one, other) if metric == "throughput" else text
    return "" if text == DASH else f", {text} times as much as {other.name}"


def quickest(series: Sequence[Series]) -> list[str]:
    """By the 99th percentile, over all rounds together."""
    known = [one for one in series if one.shown_latency("p99") is not None]
    known = sorted((one for one in known if not _is_bound(one)), key=lambda one: one.shown_latency("p99") or 0.0)
    if not known or len(known) < min(2, len(series)):
        return []
    best, worst = known[0], known[-1]
    low, high = quantile(best, "p99"), quantile(worst, "p99")
    if len(known) == 1:
        half = f"half of the requests within {quantile(best, 'p50')} ms, and "
        return [f"{best.name} answered {half if quantile(best, 'p50') != DASH else ''}99 % within {low} ms."]
    what = "99 % of the requests were answered within"
    if (worst.shown_latency("p99") or 0.0) > QUICK * (best.shown_latency("p99") or 0.0):
        return [f"{what} {low} ms by {best.name}, and within {high} ms by {worst.name}{without_a_figure(series)}."]
    everybody = "everybody" if len(known) == len(series) else who(known, series)
    return [f"{what} {low} to {high} ms by {everybody}{without_a_figure(series)}."]


def without_a_figure(series: Sequence[Series]) -> str:
    """ "; no figure of epoll: the client itself was late". Without it the best one that has a figure reads as the best
    of all. Who never answered more than 1 % has a sentence of its own."""
    missing = [one for one in series if one.shown_latency("p99") is None and not _is_bound(one)]
    late, other = ([one for one in missing if bool(one.latency) == known] for known in (True, False))
    reasons = {"the client itself was late": late, "no round was valid": other}
    return "".join(f"; no figure of {who(names, series)}: {why}" for why, names in reasons.items() if names)


def who(some: Sequence[Series], everybody: Sequence[Series]) -> str:
    """By name, or who is not among them, or how many they are: whichever is short."""
    others = [one for one in everybody if one not in some]
    if len(some) > 1 and not others:
        return "all of them"
    if len(some) <= MOST_NAMES:
        return listed([one.name for one in some])
    if len(others) <= MOST_NAMES:
        return f"all but {listed([one.name for one in others])}"
    return f"{len(some)} of {len(everybody)}"


def _is_bound(one: Series) -> bool:
    """More than 1 % of its requests were never answered."""
    return one.latency is not None and one.latency.is_bound("p99")


def lost_in_time(series: Sequence[Series]) -> list[str]:
    """Of whom more than 1 % were never answered; of who was overloaded another sentence says how many were answered."""
    found = [one for one in series if _is_bound(one) and not one.overloaded]
    least = min((one.latency.p99 / 1000 for one in found if one.latency), default=0.0)
    names = who(found, series)
    return [f"More than 1 % of the requests were not answered within {number(least)} ms by {names}."] if found else []


def overloaded(series: Sequence[Series]) -> list[str]:
    """All of them in one sentence."""
    found = [one for one in series if one.valid and one.overloaded]
    counts = {f"{one.answered[0]:,.0f}": one.answered for one in found if one.answered}
    if not counts:
        return []
    span = " to ".join(dict.fromkeys(edge(counts, key=lambda text: counts[text][0]) for edge in (min, max)))
    asked = next(iter(counts.values()))[1]
    return [f"Overloaded: {who(found, series)} ({span} of {asked:,.0f}/s answered)."]


def newcomers(series: Sequence[Series]) -> list[str]:
    """Whether each got an answer."""
    counts = {
        one.name: (sum(each.served for each in beside), sum(each.asked for each in beside))
        for one in series
        if (beside := [trial.newcomers for trial in one.tried])
    }
    found = [one for one in series if counts[one.name][0] < counts[one.name][1]]
    told = [f"{one.name} ({counts[one.name][0]} of {counts[one.name][1]})" for one in found]
    names = listed(told) if len(found) <= MOST_NAMES else who(found, series)
    return [f"Not every newcomer was served within his patience: {names}."] if found else []


def lost(series: Sequence[Series]) -> list[str]:
    """What was not done for the clients that stay; of many the table's notes say it."""
    found = [one for one in series if one.losses and not one.overloaded]
    reasons: dict[str, list[Series]] = {}
    for one in found:
        reasons.setdefault(one.losses[0], []).append(one)
    if len(reasons) > MOST_NAMES:
        return [f"Not all requests were answered, or not all clients served, by {who(found, series)}."]
    told = [f"{who(those, series)}: {reason}" for reason, those in reasons.items()]
    return [f"{'; '.join(told)}."] if told else []


def first(run: Run) -> str:
    """After the first round: the figures of its first load, without any interval."""
    return first_of(run.parts[0])


def first_of(part: Part) -> str:
    load, series = next(iter(by_load(Series.of(part)).items()), ("", []))
    paced_load = bool(series) and series[0].cell.rate is not None
    metric, unit = ("cpu", "us of CPU for a request") if paced_load else ("throughput", "requests/s")
    known = {one.name: value for one in series if one.same_work and (value := one.middle(metric)) is not None}
    ordered = sorted(known, key=lambda name: known[name], reverse=not paced_load)
    figures = ", ".join(f"{name} {number(known[name])}" for name in ordered)
    return f"{load}: {figures} {unit}; one round has no interval yet" if figures else ""
