"""Faults in words: who was harmed by what, as it was seen; no model is told by its name. Pure."""

import math
from collections.abc import Iterator, Sequence
from statistics import median

from loadtest.document.figures import listed, plural
from loadtest.engine.run import Part
from loadtest.verbs.crash.catalogue import CLIENT, HANDLER, Fault
from loadtest.verbs.crash.cells import Cell, cells
from loadtest.verbs.crash.notation import either, seconds
from loadtest.verbs.crash.report import mismatches
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
UNSEEN = "so soon that no outage was seen"
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
    if len(faults) <= MOST:
        return [*one_by_one(tried, faults), *surprising(part)]
    plain = [cell for cell in tried if not cell.step.sanitizer]
    return [*contained(plain, faults), *recovered(plain), *sanitized(tried), *surprising(part)]


def alone(tried: Sequence[Cell]) -> list[Cell]:
    """Each contestant without a keeper; with it where it was tried only so, as all are under Docker's, and with
    --supervised those who have no parent of their own."""
    bare = {cell.step.contestant for cell in tried if not cell.step.keeper}
    return [cell for cell in tried if not cell.step.keeper or cell.step.contestant not in bare]


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
    return f"{SUBJECTS.get(alike[0].kind, 'The fault')} {joined}"


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
        return ENDED
    return EFFECTS[worst.verdict.harm].format(SCOPES[worst.verdict.radius])


def _return(tried: Sequence[Cell]) -> Iterator[str]:
    """How soon service was back under a keeper, where others were harmed all the same."""
    given = [cell for cell in tried if cell.step.keeper and not cell.contained]
    back = [cell for cell in given if math.isfinite(cell.outage)]
    never = [cell for cell in given if cell not in back]
    if back:
        yield f"{UNDER[back[0].step.keeper]} {_are(back)} back {_when(back)}"
    if never:
        yield f"{UNDER[never[0].step.keeper]} {_are(never)} not back"


def _are(several: Sequence[Cell]) -> str:
    """ "threads and epoll are"."""
    names = list(dict.fromkeys(cell.step.contestant for cell in several))
    return f"{listed(names)} {'are' if len(names) > 1 else 'is'}"


def _when(back: Sequence[Cell]) -> str:
    """From the fault on."""
    low, high = (seconds(edge(cell.outage for cell in back)) for edge in (min, max))
    if not high:
        return UNSEEN
    if not low:
        return f"after {high} at most"
    return f"after {low}" if low == high else f"after {low.removesuffix(' s')} to {high}"


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


def sanitized(tried: Sequence[Cell]) -> Iterator[str]:
    """What AddressSanitizer has changed, fault by fault."""
    plain = {(cell.fault.name, cell.step.contestant): cell for cell in alone(tried) if not cell.step.sanitizer}
    changed: dict[tuple[str, str, str], list[str]] = {}
    for cell in (cell for cell in alone(tried) if cell.step.sanitizer):
        before = plain.get((cell.fault.name, cell.step.contestant))
        if before and set(before.verdicts) != set(cell.verdicts):
            key = (cell.fault.name, either(sorted(set(before.verdicts))), either(sorted(set(cell.verdicts))))
            changed.setdefault(key, []).append(cell.step.contestant)
    for (fault, was, became), names in changed.items():
        yield f"With AddressSanitizer {fault} is {became}, and not {was}, in {listed(names)}."


def recovered(tried: Sequence[Cell]) -> Iterator[str]:
    """Of faults that harmed others under a keeper."""
    given = [cell for cell in tried if cell.step.keeper and not cell.contained]
    back = [cell for cell in given if math.isfinite(cell.outage)]
    if back:
        middle = seconds(median(cell.outage for cell in back))
        under = {PARENT: "Under a parent (--supervise)", DOCKER: "Under Docker's restart policy"}[back[0].step.keeper]
        yield (
            f"{under} service was back in {len(back)} of {plural(len(given), 'case')} in which "
            f"others were harmed, {f'after {middle} in the median' if middle else f'mostly {UNSEEN}'}."
        )
    never = list(dict.fromkeys(cell.fault.name for cell in given if math.isinf(cell.outage)))
    if never:
        keeper = {PARENT: "A parent", DOCKER: "Docker"}[given[0].step.keeper]
        yield f"{keeper} did not bring service back after {listed(never)}."


def surprising(part: Part) -> Iterator[str]:
    if found := mismatches(part):
        yield f"With care: {plural(len(found), 'verdict')} not as the catalogue expects; below stands why."
