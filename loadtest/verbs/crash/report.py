"""Faults side by side: whom each harmed, and for how long; and what was not expected. Pure."""

from collections.abc import Iterator, Sequence

from loadtest.document.document import Caveat, Section, Table, words
from loadtest.document.figures import DASH, share
from loadtest.engine.run import Part
from loadtest.verbs.crash import plots
from loadtest.verbs.crash.catalogue import ADDRESS, Fault
from loadtest.verbs.crash.cells import Cell, cells, columns, tried_faults
from loadtest.verbs.crash.notation import (
    FOR_EVER,
    HARM,
    INAPPLICABLE,
    MAIN,
    MATRIX,
    MATRIX_ASAN,
    RADIUS,
    absent,
    each,
    either,
    how,
    legend,
    narrow,
    row_name,
    seconds,
    unexpected,
    unlike,
)
from loadtest.verbs.crash.plan import CrashSettings
from loadtest.verbs.crash.plots import Chosen


def matrices(part: Part) -> list[Section]:
    """One, and one of those with AddressSanitizer."""
    return [matrix(part), *([matrix(part, ADDRESS)] if tried_faults(part, ADDRESS) else [])]


def matrix(part: Part, sanitizer: str = "") -> Section:
    """A row for each fault, a column for each contestant; a line between the kinds of faults."""
    settings, tried = part.settings, tried_faults(part, sanitizer)
    planned = [cell for cell in cells(part) if cell.step.sanitizer == sanitizer]
    across, found = columns(planned, part), {(cell.fault, cell.name): cell for cell in planned}
    filled = Table(("", *map(narrow, across)), numbers=False, wide=True)
    for above, fault in zip([None, *tried], tried):
        if above and above.kind != fault.kind:
            filled.add_rule()
        filled.add_row(row_name(fault.name), *(_cell(found.get((fault, name)), fault, across[name]) for name in across))
    shown = [cell for (fault, _), cell in found.items() if fault in tried]
    notes = [*_legend(settings, shown), *absent(settings, tried)]
    anchor = MATRIX_ASAN if sanitizer else MATRIX
    figures = plots.side_by_side(part, anchor, Chosen(sanitizer))
    if sanitizer:
        return Section("And in servers with AddressSanitizer?", filled, notes, anchor, figures)
    notes = [how(settings), RADIUS, HARM, *notes]
    return Section("Whom does one fault harm, and for how long?", filled, notes, anchor, figures)


def _cell(cell: Cell | None, fault: Fault, contestant: str) -> str:
    """Nothing where it was not planned."""
    if cell:
        return text(cell)
    return "" if fault.applies_to(contestant) else INAPPLICABLE


def _legend(settings: CrashSettings, shown: Sequence[Cell]) -> Iterator[str]:
    away = any(cell.valid and cell.outage > 0 for cell in shown)
    outage = f"; {FOR_EVER}: not as long as it was watched" if away else ""
    surprising, invalid = any(cell.surprising for cell in shown), any(not cell.valid for cell in shown)
    yield from legend(outage, surprising, invalid, [cell.step for cell in shown])
    if any(len(set(cell.verdicts)) > 1 for cell in shown):
        yield f"Of {settings.repeats} tries, how many had each verdict, where they differ; the outage is the median."


def text(cell: Cell) -> str:
    """The verdict, the outage, and what was expected where it was something else."""
    if not cell.valid:
        return DASH
    strange = cell.surprising
    lines = [*each(cell.verdicts), seconds(cell.outage), f"!= {either(strange[0].expected)}" if strange else ""]
    return "\n".join(narrow(line) for line in lines if line)


def mismatches(part: Part) -> list[str]:
    """A sentence or two for each cell that surprises: what was seen, what was expected, and why."""
    return [_mismatch(cell) for cell in cells(part) if cell.surprising]


def caveats(part: Part) -> list[Caveat]:
    """What was seen and is not what the catalogue expects."""
    strange = [f"{cell.fault.name} with {cell.name}" for cell in cells(part) if cell.surprising]
    return [unexpected(strange)] if strange else []


def _mismatch(cell: Cell) -> str:
    strange = cell.surprising
    seen = either(list(dict.fromkeys(str(one.verdict) for one in strange)))
    often = f" in {len(strange)} of {len(cell.valid)} tries" if len(cell.tries) > 1 else ""
    step = cell.step
    return unlike(
        f"{cell.fault.name}, {cell.name}", seen + often, cell.fault.expectation(step.contestant, step.sanitizer)
    )


def main_job(part: Part) -> Section:
    """A row for each contestant; behind the first fault what became of the others' requests and connections."""
    settings, tried = part.settings, tried_faults(part)
    found = {(cell.fault, cell.name): cell for cell in cells(part)}
    first, *others = (fault.name for fault in tried) if tried else [""]
    filled = words("", f"{first}\nharm", "\nlost in hand", "\nclients kept", *others)
    for name, contestant in columns(cells(part), part).items() if tried else ():
        crashed, *more = (_cell(found.get((fault, name)), fault, contestant) for fault in tried)
        filled.add_row(name, crashed, *_survivors(found.get((tried[0], name))), *more)
    shown = [cell for (fault, _), cell in found.items() if fault in tried]
    titles = " ".join(f"{fault.name}: {fault.title}." for fault in tried)
    notes = [titles, how(settings), RADIUS, HARM, *_legend(settings, shown), *mismatches(part)]
    figures = [*plots.side_by_side(part, MAIN), *plots.timelines(part, tried).values()]
    return Section("Whom does one faulty request harm, and for how long?", filled, notes, MAIN, figures)


def _survivors(cell: Cell | None) -> list[str]:
    """Of the first valid try: requests that were in hand and lost, connections that were kept."""
    if cell is None:
        return ["", ""]
    if not cell.valid:
        return [DASH, DASH]
    others = cell.valid[0].others
    return [share(others.in_hand_lost, others.in_hand), share(others.connections_kept, others.connections)]
