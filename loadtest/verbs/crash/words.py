"""Faults in words: who was harmed by what, as it was seen; no model is told by its name. Pure."""

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from loadtest.document.document import Clause, Sentence, said
from loadtest.document.figures import listed, plural
from loadtest.engine.run import Part
from loadtest.verbs.crash.catalogue import CLIENT, HANDLER, Fault
from loadtest.verbs.crash.cells import FEW, Cell, cells
from loadtest.verbs.crash.notation import MATRIX, MATRIX_ASAN, SURPRISES, either, seconds, section_of
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
    return [str(one) for one in sentences(part)]


def sentences(part: Part) -> list[Sentence]:
    """Few faults are told one by one, those that did the same together; of many, how many each contestant contained.
    Each leads to the section that shows it."""
    planned = cells(part)
    tried = [cell for cell in planned if cell.valid]
    faults = list(dict.fromkeys(cell.fault for cell in tried))
    strange = [said(one, SURPRISES) for one in surprising(part)]
    if len(faults) <= MOST:
        over_time = len(part.settings.faults) <= FEW
        places = {fault: section_of(part.settings, fault) if over_time else MATRIX for fault in faults}
        return [*one_by_one(planned, faults, places), *strange]
    plain = [cell for cell in planned if not cell.step.sanitizer]
    told = [*contained(plain, faults), *recovered([cell for cell in plain if cell.valid])]
    with_asan = [said(one, MATRIX_ASAN) for one in sanitized(tried)]
    return [*(said(one, MATRIX) for one in told), *with_asan, *strange]


def alone(tried: Sequence[Cell]) -> list[Cell]:
    """Each contestant without a keeper; with it where it was tried only so, as all are under Docker's, and with
    --supervised those who have no parent of their own."""
    bare = {cell.step.contestant for cell in tried if not cell.step.keeper}
    return [cell for cell in tried if not cell.step.keeper or cell.step.contestant not in bare]


# --- few faults


def one_by_one(planned: Sequence[Cell], faults: Sequence[Fault], places: Mapping[Fault, str]) -> list[Sentence]:
    """`places` are the sections that show each of them."""
    tried = [cell for cell in planned if cell.valid]
    alike: dict[tuple[str, str], list[Fault]] = {}
    for fault in faults:
        effects = _effects([cell for cell in planned if cell.fault == fault])
        alike.setdefault((fault.kind, effects), []).append(fault)
    return [
        Sentence((*_subject(group, places), Clause(f" {_predicate(effects, group, tried)}.", places[group[0]])))
        for (_, effects), group in alike.items()
    ]


def _subject(alike: Sequence[Fault], places: Mapping[Fault, str]) -> Iterator[Clause]:
    """Each name leads to its own section."""
    first, *others = alike
    yield Clause(f"{SUBJECTS.get(first.kind, 'The fault')} {first.name}", places[first])
    for fault in others:
        yield Clause(f"{' or' if fault is others[-1] else ','} {fault.name}", places[fault])


def _predicate(effects: str, alike: Sequence[Fault], tried: Sequence[Cell]) -> str:
    return "; ".join(filter(None, [effects, *_return([cell for cell in tried if cell.fault in alike])]))


def _effects(planned: Sequence[Cell]) -> str:
    """On whom, the harmful ones first; and of whom nothing is known."""
    bare = alone(planned)
    by_effect: dict[str, list[str]] = {}
    for cell in sorted([cell for cell in bare if cell.valid], key=lambda cell: cell.contained):
        by_effect.setdefault(_effect(cell), []).append(cell.name)
    told = [f"{effect} in {listed(names)}" for effect, names in by_effect.items()]
    if unknown := [cell.name for cell in bare if not cell.valid]:
        told.append(f"not known of {listed(unknown)}: no valid try")
    return "; ".join(told)


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


def contained(planned: Sequence[Cell], faults: Sequence[Fault]) -> Iterator[str]:
    """How many each contestant contained, the most first; which all did, or none, or the same ones. What was not tried
    validly in everybody is said of nobody."""
    bare = alone(planned)
    yield from _counts([cell for cell in bare if cell.valid], len(faults))
    met = {fault: [cell for cell in bare if cell.fault == fault] for fault in faults}
    yield from _of_all({fault: found for fault, found in met.items() if found and all(one.valid for one in found)})
    yield from _not_known(met)


def _counts(tried: Sequence[Cell], faults: int) -> Iterator[str]:
    theirs: dict[str, list[bool]] = {}
    for cell in tried:
        theirs.setdefault(cell.name, []).append(cell.contained)
    if theirs:
        order = sorted(theirs, key=lambda name: -sum(theirs[name]) / len(theirs[name]))
        told = [f"{name} {sum(theirs[name])} of {len(theirs[name])}" for name in order]
        yield f"Of {faults} faults, so many harmed no other client: {listed(told)}."


def _of_all(met: Mapping[Fault, Sequence[Cell]]) -> Iterator[str]:
    """Of faults with a valid try in everybody to whom they can happen."""
    all_hurt, none_hurt, some = list[str](), list[str](), dict[tuple[str, ...], list[str]]()
    for fault, found in met.items():
        hurt = tuple(cell.name for cell in found if not cell.contained)
        if len(hurt) == len(found):
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


def _not_known(met: Mapping[Fault, Sequence[Cell]]) -> Iterator[str]:
    """For want of a valid try; many faults are counted."""
    without: dict[tuple[str, ...], list[str]] = {}
    for fault, found in met.items():
        if names := tuple(cell.name for cell in found if not cell.valid):
            without.setdefault(names, []).append(fault.name)
    for names, faults in without.items():
        what = listed(faults) if len(faults) <= MOST else plural(len(faults), "fault")
        yield f"Not known of {listed(names)}, for want of a valid try: {what}."


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
