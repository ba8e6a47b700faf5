"""Faults in words: who was harmed by what, as it was seen; no model is told by its name. Pure."""

import math
from collections.abc import Iterator, Sequence
from statistics import median

from loadtest.document.figures import listed, plural
from loadtest.engine.run import Part
from loadtest.verbs.crash.catalogue import CLIENT, HANDLER, Fault
from loadtest.verbs.crash.report import Cell, cells, mismatches
from loadtest.verbs.crash.results import (
    DELAYED,
    DOCKER,
    HARMS,
    LOST,
    NONE,
    PARENT,
    RADII,
    SERVER,
    STARVED,
    WORKER,
    WRONG,
)

MOST = 4  # faults that are told one by one
SUBJECTS = {HANDLER: "One request with the fault", CLIENT: "One client with the fault"}
# What a fault does to others.
CONTAINED = "harms nobody else"
ENDED = "ends the whole server"
EFFECTS = {
    DELAYED: "delays {}",
    LOST: "loses requests of {}",
    WRONG: "gives wrong answers to {}",
    STARVED: "leaves {} without an answer",
}
UNDER = {PARENT: "under a parent", DOCKER: "under Docker's restart policy"}
SCOPES = {WORKER: "the other clients of its worker", SERVER: "clients of the whole server"}


def words(part: Part) -> list[str]:
    """Few faults are told one by one, those that did the same together; of many, how many each contestant contained."""
    tried = [cell for cell in cells(part) if cell.valid]
    faults = list(dict.fromkeys(cell.fault for cell in tried))
    told = one_by_one(tried, faults) if len(faults) <= MOST else [*contained(tried, faults), *recovered(tried)]
    return [*told, *surprising(part)]


def alone(tried: Sequence[Cell]) -> list[Cell]:
    """Without a keeper, unless all were tried with one."""
    return [cell for cell in tried if not cell.step.keeper] or list(tried)


# --- few faults


def one_by_one(tried: Sequence[Cell], faults: Sequence[Fault]) -> list[str]:
    alike: dict[tuple[str, str], list[Fault]] = {}
    for fault in faults:
        effects = _effects([cell for cell in tried if cell.fault == fault])
        alike.setdefault((fault.kind, effects), []).append(fault)
    return [
        f"{_subject(group)} {'; '.join(filter(None, [effects, *_return([c for c in tried if c.fault in group])]))}."
        for (_, effects), group in alike.items()
    ]


def _subject(alike: Sequence[Fault]) -> str:
    *most, last = [fault.name for fault in alike]
    joined = f"{', '.join(most)} or {last}" if most else last
    return f"{SUBJECTS.get(alike[0].kind, 'One fault')} {joined}"


def _effects(tried: Sequence[Cell]) -> str:
    """On whom, the harmful ones first."""
    by_effect: dict[str, list[str]] = {}
    for cell in sorted(alone(tried), key=lambda cell: cell.contained):
        by_effect.setdefault(_effect(cell), []).append(cell.name)
    return "; ".join(f"{effect} in {listed(names)}" for effect, names in by_effect.items())


def _effect(cell: Cell) -> str:
    """Of the worst try."""
    worst = max(cell.valid, key=lambda one: (RADII.index(one.verdict.radius), HARMS.index(one.verdict.harm)))
    if worst.verdict.harm == NONE:
        return CONTAINED
    if worst.processes.server_status is not None:
        gone = worst.others.connections and not worst.others.connections_kept
        return ENDED + (", with all its clients," if gone else "")
    return EFFECTS[worst.verdict.harm].format(SCOPES[worst.verdict.radius])


def _return(tried: Sequence[Cell]) -> Iterator[str]:
    """How soon service was back under a keeper, where others were harmed all the same."""
    given = [cell for cell in tried if cell.step.keeper and not cell.contained]
    back = [cell for cell in given if math.isfinite(cell.outage)]
    never = [cell for cell in given if cell not in back]
    if back:
        yield f"{UNDER[back[0].step.keeper]} {_are(back)} back after {_span(back)}"
    if never:
        yield f"{UNDER[never[0].step.keeper]} {_are(never)} not back"


def _are(several: Sequence[Cell]) -> str:
    """ "threads and epoll are"."""
    names = list(dict.fromkeys(cell.step.contestant for cell in several))
    return f"{listed(names)} {'are' if len(names) > 1 else 'is'}"


def _span(back: Sequence[Cell]) -> str:
    """Seconds from the fault."""
    low, high = (f"{edge:.2f}" for edge in (min(cell.outage for cell in back), max(cell.outage for cell in back)))
    return f"{low} s" if low == high else f"{low} to {high} s"


# --- many faults


def contained(tried: Sequence[Cell], faults: Sequence[Fault]) -> Iterator[str]:
    """How many each contestant contained, the most first; which all did, or none, or the same ones."""
    bare = alone(tried)
    theirs: dict[str, list[bool]] = {}
    for cell in bare:
        theirs.setdefault(cell.name, []).append(cell.contained)
    if theirs:
        order = sorted(theirs, key=lambda name: -sum(theirs[name]) / len(theirs[name]))
        told = [f"{name} {sum(theirs[name])} of {len(theirs[name])}" for name in order]
        yield f"Of {len(faults)} faults, so many harmed no other client: {listed(told)}."
    all_hurt, none_hurt, some = list[str](), list[str](), dict[tuple[str, ...], list[str]]()
    for fault in faults:
        met = [cell for cell in bare if cell.fault == fault]
        hurt = tuple(cell.name for cell in met if not cell.contained)
        if len(hurt) == len(met):
            all_hurt.append(fault.name)
        elif not hurt:
            none_hurt.append(fault.name)
        else:
            some.setdefault(hurt, []).append(fault.name)
    if all_hurt:
        yield f"Nobody to whom it can happen contained {listed(all_hurt)}."
    for hurt, names in sorted(some.items(), key=lambda item: -len(item[0])):
        if len(names) > 1:
            yield f"In {listed(hurt)}, and in no other model, others were harmed by {listed(names)}."
    if none_hurt:
        yield f"Everybody to whom it can happen contained {listed(none_hurt)}."


def recovered(tried: Sequence[Cell]) -> Iterator[str]:
    """Of faults that harmed others under a keeper."""
    given = [cell for cell in tried if cell.step.keeper and not cell.contained]
    back = [cell for cell in given if math.isfinite(cell.outage)]
    if back:
        middle = median(cell.outage for cell in back)
        under = {PARENT: "Under a parent (--supervise)", DOCKER: "Under Docker's restart policy"}[back[0].step.keeper]
        yield (
            f"{under} service was back in {len(back)} of {plural(len(given), 'case')} in which "
            f"others were harmed, after {middle:.2f} s in the median."
        )
    never = list(dict.fromkeys(cell.fault.name for cell in given if math.isinf(cell.outage)))
    if never:
        keeper = {PARENT: "A parent", DOCKER: "Docker"}[given[0].step.keeper]
        yield f"{keeper} did not bring service back after {listed(never)}."


def surprising(part: Part) -> Iterator[str]:
    if found := mismatches(part):
        yield f"With care: {plural(len(found), 'verdict')} not as the catalogue expects; below stands why."
