"""Which faults of many did the same to everybody, and when; one of each group is shown over time. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence

from loadtest.document.document import Section, words
from loadtest.document.figures import listed
from loadtest.engine.run import Part
from loadtest.verbs.crash import plots
from loadtest.verbs.crash.catalogue import Fault
from loadtest.verbs.crash.cells import Cell, cells, tried_faults
from loadtest.verbs.crash.notation import ALIKE, either
from loadtest.verbs.crash.results import NONE

UNKNOWN = "cannot be told"
MOST = 6  # groups that are shown over time, so that a page stays small

Group = list[Fault]  # with the same verdicts in all contestants
Tried = Mapping[Fault, Sequence[Cell]]


def section(part: Part) -> Section | None:
    """None where nothing was tried without a sanitizer."""
    tried = by_fault(part)
    found = groups(tried)
    if not found:
        return None
    filled = words("", "did the same in everybody", "and what")
    for group in found:
        filled.add_row(group[0].name, _others(group, tried), _what(tried[group[0]]))
    drawn = list(plots.timelines(part, shown(found, tried)).values())
    notes = [
        "Two faults did the same where every contestant has the same verdicts in the matrix; how long it lasted may "
        f"differ. {UNKNOWN}: somebody has no valid try. Over time are shown the first {MOST} that harmed somebody else "
        "and differ from each other in somebody's valid verdict."
    ]
    return Section("Which faults did the same, and when?", filled, notes, ALIKE, drawn)


def by_fault(part: Part) -> Tried:
    """In the order of the catalogue, without those of servers with a sanitizer."""
    plain = [cell for cell in cells(part) if not cell.step.sanitizer]
    return {fault: [cell for cell in plain if cell.fault == fault] for fault in tried_faults(part, "")}


def groups(tried: Tried) -> list[Group]:
    """Where a verdict is unknown, nobody knows whether it is the same: such a fault is alone."""
    found: dict[object, Group] = {}
    for fault, theirs in tried.items():
        row = tuple((cell.name, frozenset(cell.verdicts)) for cell in theirs)
        found.setdefault(row if _is_known(theirs) else fault.name, []).append(fault)
    return list(found.values())


def _is_known(theirs: Sequence[Cell]) -> bool:
    return all(cell.valid for cell in theirs)


def shown(found: Sequence[Group], tried: Tried) -> list[Fault]:
    """Over time."""
    chosen: list[Fault] = []
    for fault in (group[0] for group in found if harms(tried[group[0]])):
        if len(chosen) < MOST and all(differ(tried[fault], tried[other]) for other in chosen):
            chosen.append(fault)
    return chosen


def differ(some: Sequence[Cell], others: Sequence[Cell]) -> bool:
    """In a contestant that has a valid try of both."""
    before = {cell.name: set(cell.verdicts) for cell in some if cell.valid}
    return any(before.get(cell.name, set(cell.verdicts)) != set(cell.verdicts) for cell in others if cell.valid)


def harms(theirs: Sequence[Cell]) -> bool:
    """Somebody else, in anybody."""
    return any(one.verdict.harm != NONE for cell in theirs for one in cell.valid)


def _others(group: Group, tried: Tried) -> str:
    _, *others = [fault.name for fault in group]
    if others:
        return listed(others)
    return "no other" if _is_known(tried[group[0]]) else UNKNOWN


def _what(theirs: Sequence[Cell]) -> str:
    """The verdicts, and in how many contestants, the most frequent first."""
    seen = Counter(either(sorted(set(cell.verdicts))) if cell.valid else "no valid try" for cell in theirs)
    return ", ".join(f"{count} x {told}" for told, count in seen.most_common())
