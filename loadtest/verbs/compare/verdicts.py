"""Which verdicts on faults two runs do not share. Pure."""

from loadtest.document.document import Section, words
from loadtest.document.figures import plural
from loadtest.engine.run import Run
from loadtest.verbs.crash.cells import cells
from loadtest.verbs.crash.measure import CRASH
from loadtest.verbs.crash.notation import either

Cells = dict[tuple[str, str], str]  # by fault and contestant: its verdicts


def section(a: Run, b: Run) -> Section | None:
    """A row for each cell that differs. None where they have no cell in common that is valid in both."""
    before, after = verdicts(a), verdicts(b)
    shared = [key for key in before if key in after]
    if not shared:
        return None
    changed = [key for key in shared if before[key] != after[key]]
    filled = words("", "server", "A", "B")
    for fault, name in changed:
        filled.add_row(fault, name, before[fault, name], after[fault, name])
    same = len(shared) - len(changed)
    told = f"{same} of {plural(len(shared), 'verdict')} that are valid in both runs are the same."
    chance = "Where chance decides, one try says little: several verdicts are expected of some faults."
    notes = [told, *([chance] if changed else [])]
    return Section("Whom does a fault harm, in A and in B?", filled if changed else None, notes, "verdicts")


def verdicts(run: Run) -> Cells:
    return {
        (cell.fault.name, cell.name): either(sorted(set(cell.verdicts)))
        for part in run.parts
        if part.measurement == CRASH.name
        for cell in cells(part)
        if cell.valid
    }
